"""What a cell shows when something fails: the user's own lines, not the machinery between them, and where the run is.

Rule: nothing of the exception is lost: type, message, cause and `.result` stay; only how it is drawn changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import extract_tb
from types import TracebackType
from typing import Any

from nbflow.errors import NbflowError, words
from nbflow.failures import failure_of, traceback_of
from nbflow.secrets import mask

_MACHINERY = frozenset(
    {"IPython", "ipykernel", "asyncio", "concurrent", "threading", "contextlib", "tenacity", "nbflow"}
)


LAST = "the run is nbflow.session.last"
"""Said where the end of a run is raised: a name that the cell was to bind, as by `run = %flow_run g`, stays unbound."""


@contextmanager
def readable(shell: Any, *, last: str = "") -> Iterator[None]:
    """Let errors inside be drawn without the frames of IPython, asyncio and nbflow; `last` says where the run is."""
    try:
        yield
    except Exception as error:
        _draw_concisely(error, shell, last)
        raise


def _draw_concisely(error: Exception, shell: Any, last: str) -> None:
    own: Callable[[], list[str]] | None = getattr(error, "_render_traceback_", None)
    if own is not None and last:
        error._render_traceback_ = lambda *_ignored: [f"{line}; {last}" for line in own()]  # type: ignore[attr-defined]
    if own is not None or type(error).__name__ == "UsageError":
        return
    traceback = _users_frames(error.__traceback__)
    for each in failure_of(error).walk():
        if each.error is not error:
            each.error.__traceback__ = _users_frames(each.error.__traceback__)

    def draw(*_ignored: Any) -> list[str]:
        if not isinstance(error, NbflowError):
            return _drawn(shell, error, traceback)
        cause = error.__cause__
        above = [] if cause is None else [*_drawn(shell, cause, cause.__traceback__), ""]
        return [*above, *([last] if last else []), *f"{type(error).__name__}: {words(error)}".split("\n")]

    error._render_traceback_ = draw  # type: ignore[attr-defined]


def _drawn(shell: Any, error: BaseException, traceback: TracebackType | None) -> list[str]:
    failure = failure_of(error)
    if any(each.errors for each in failure.walk()):
        # IPython leaves groups to Python, which would follow the machinery's frames, and without bounds.
        return traceback_of(failure, lambda frames: extract_tb(_users_frames(frames))).splitlines()
    return list(map(mask, shell.InteractiveTB.structured_traceback(type(error), error, traceback, tb_offset=0)))


def _users_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the first frame that is not machinery; all of it where every frame is."""
    found = traceback
    while found is not None and _is_machinery(found):
        found = found.tb_next
    return found or traceback


def _is_machinery(traceback: TracebackType) -> bool:
    module = str(traceback.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _MACHINERY and not module.startswith("nbflow.review")
