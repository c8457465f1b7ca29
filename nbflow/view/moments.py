"""The change of the view at each event of a run, so that the page can show any past moment by itself.

Requests fold the run once, a bounded number of events at a time, and store checkpoints on the way
(`nbflow.view.wholes`). An event that changes nothing in the view, such as printed text, is no step.

Invariant: the snapshot of a run that has not started, updated with the steps in turn, equals the snapshot after any
event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbflow.events import Event, Kind
from nbflow.view.fold import Locate
from nbflow.view.recorded import Recorded, unfed
from nbflow.view.wholes import Wholes

STEPS, EVENTS = 1_000, 10_000
"""The most steps in one answer, and the most events folded for it: a few milliseconds of the event loop."""
_FAILURES = (Kind.NODE_ERROR, Kind.NODE_RETRY)
_PARTS = ("run", "nodes", "edges")


class Moments:
    """Answers `history` with `{"after", "seq", "of", "base", "steps"}`.

    `seq` is the event up to which the answer goes, `of` the number of events, and `base` the snapshot of the run before
    it started (None unless `after` is 0). A step is `[seq, time, patch]`, with a fourth item 1 if it is a failure.
    """

    def __init__(self, run: Recorded, locate: Locate | None, wholes: Wholes) -> None:
        self._run, self._locate, self._wholes = run, locate, wholes
        self._view = unfed(self._run, locate=self._locate)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the steps after event `after`; cheap if the last answer ended there."""
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
        if seq < self._view.seq:  # another page, or one that was reloaded
            self._view = unfed(self._run, locate=self._locate)
        if seq > self._view.seq:
            self._view.apply(self._run.events[self._view.seq : seq])
            self._view.take_patch(0.0)


def _step(event: Event, patch: Mapping[str, Any]) -> list[Any]:
    changed = {part: patch[part] for part in _PARTS if part in patch}
    return [event.seq, event.time, changed, 1] if event.kind in _FAILURES else [event.seq, event.time, changed]
