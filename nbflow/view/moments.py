"""What each event of a run changed in the view, so that the page can stand at any moment by itself.

Rule: the run is folded once, a stretch at a time as the page asks for it, and leaves wholes for looking back on its
way. The changes laid in turn over the snapshot of a run not begun give the snapshot after any event; an event that
changes nothing to see (printed text) is no step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbflow.events import Event, Kind
from nbflow.view.fold import Locate
from nbflow.view.recorded import Recorded, unfed
from nbflow.view.wholes import Wholes

STEPS, EVENTS = 1_000, 10_000
"""Steps told, and events folded, in one answer at most: a few milliseconds of the run's loop."""
_FAILURES = (Kind.NODE_ERROR, Kind.NODE_RETRY)
_PARTS = ("run", "nodes", "edges")


class Moments:
    """Answers `history`: `{"after", "seq", "of", "base", "steps"}`; a step is `[seq, time, patch]`, 1 after failures.

    `seq` is how far the answer reaches, `of` how many events there are; `base` is the snapshot of the run not begun,
    None where `after` is not 0.
    """

    def __init__(self, run: Recorded, locate: Locate | None, wholes: Wholes) -> None:
        self._run, self._locate, self._wholes = run, locate, wholes
        self._view = unfed(self._run, locate=self._locate)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the steps after `after`; cheap where that is where the last answer ended."""
        after = message.get("after")
        if type(after) is not int or after < 0:
            return None
        self._go_to(after)
        base = None if after else self._view.snapshot(0.0)
        steps: list[list[Any]] = []
        for event in self._run.events[after : after + EVENTS]:
            self._view.apply((event,))
            patch = self._view.take_patch(0.0)
            self._wholes.keep(self._view)
            if patch is not None:
                steps.append(_step(event, patch))
                if len(steps) == STEPS:
                    break
        return {
            "type": "history",
            "after": after,
            "seq": self._view.seq,
            "of": len(self._run.events),
            "base": base,
            "steps": steps,
        }

    def _go_to(self, seq: int) -> None:
        if seq < self._view.seq:  # another page, or one that was opened anew
            self._view = unfed(self._run, locate=self._locate)
        if seq > self._view.seq:
            self._view.apply(self._run.events[self._view.seq : seq])
            self._view.take_patch(0.0)


def _step(event: Event, patch: Mapping[str, Any]) -> list[Any]:
    changed = {part: patch[part] for part in _PARTS if part in patch}
    return [event.seq, event.time, changed, 1] if event.kind in _FAILURES else [event.seq, event.time, changed]
