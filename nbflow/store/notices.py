"""What a person is told once a run of the values that it stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nbflow.store.values.needs import FRAMES


class RunNotices:
    """The notices of one run; `warn` takes each. May be used from any thread, one at a time.

    Args:
        run_id: The run.
        large: From how many bytes on a value is worth a notice.
        warn: Takes a notice.
    """

    def __init__(self, run_id: str, large: int, warn: Callable[[str], None]) -> None:
        self._run_id, self._large, self._warn = run_id, large, warn
        self._told: set[str | None] = set()

    def unstored(self, where: str, why: str) -> None:
        """Say that a value was not stored; where pyarrow is missing, for the first frame only."""
        if FRAMES in why:
            if FRAMES in self._told:
                return
            self._told.add(FRAMES)
            why += "; this is said once a run, and holds for every frame"
        self._warn(f"run {self._run_id}: {where} was not stored: {why}")

    def sizes(self, node: str | None, sizes: Mapping[str, int]) -> None:
        """Say of values, by key in bytes, which are large."""
        for key, size in sizes.items():
            if size > self._large and key not in self._told:
                self._told.add(key)
                what = repr(key) if key else "the result"  # of an item of a map
                where = f"{what} of node {node!r}" if node else f"{what} of the initial state"
                self._warn(
                    f"run {self._run_id}: {where} is {_shown(size)}, and every change of it is stored with the run; "
                    f"keep the path of a file in the state instead, or raise NBFLOW_LARGE_VALUE ({_shown(self._large)})"
                )


def _shown(size: int) -> str:
    return f"{size / 2**20:,.0f} MB" if size >= 2**20 else f"{size:,} bytes"
