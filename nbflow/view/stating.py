"""Answer the requests of the state panel: the steps, the values of the keys at a moment, one value, an editable state.

Invariant: only values that the page shows are rendered. Neither a slow value nor a long run delays an answer: values
have a time limit, and an answer folds a bounded number of events; `more` in it means that the page must ask again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from nbflow.engine.record import RunRecord
from nbflow.errors import NbflowError
from nbflow.reducers import MISSING
from nbflow.secrets import covered
from nbflow.view.difference import difference
from nbflow.view.editable import editable
from nbflow.view.fold import Locate
from nbflow.view.patience import Patience
from nbflow.view.plain import line
from nbflow.view.rich import brief, rich
from nbflow.view.steps import States, Step, Steps

_STEPS, _NAMES, _ROWS, _CHANGES = 2_000, 2_000, 100, 40
_MARKS = 1_000  # keys of one step that are marked
_NAME = 100


class StateAnswers:
    """Answers the requests `state`, `value` and `editable` about one run.

    Each has `at`, the event of the moment, or None for the present. The other fields are:

    - `state`: `after` and `named`, the numbers of steps and keys that the page has; `rows`, the first and last index of
      the keys to show.
    - `value`: `key`, the index of the key; `from`, the first row of a table.

    An answer with `more` has the steps folded so far, but no values.
    """

    def __init__(self, run: RunRecord, locate: Locate | None = None) -> None:
        self._run = run
        self._steps = Steps(run)
        self._states = States(run, self._steps)
        self._glances, self._looks = Patience(), Patience(each=1.0, whole=1.0)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request, or None if the request is malformed."""
        at = message.get("at")
        if at is not None and not _is_count(at):
            return None
        self._steps.fold()
        now = len(self._run.events)
        seq = now if at is None else min(at, now)
        try:
            answer = self._answer(message, seq)
        except NbflowError as error:
            answer = {"fault": line(error, 400)}
        return None if answer is None else {"type": message["type"], "at": at, "seq": seq, **answer}

    def _answer(self, message: Mapping[str, Any], seq: int) -> dict[str, Any] | None:
        match message:
            case {"type": "state", "after": after, "named": named, "rows": [first, last]} if all(
                map(_is_count, (after, named, first, last))
            ):
                return self._listed(after, named) | self._shown(seq, first, last)
            case {"type": "value", "key": key, "from": start} if _is_count(key) and _is_count(start):
                return {"key": key, "from": start, **self._closely(seq, key, start)}
            case {"type": "editable"}:
                states = self._reached(seq)
                return {"more": True} if states is None else {"keys": editable(states[0])}
        return None

    def _reached(self, *seqs: int) -> list[dict[str, Any]] | None:
        """Return the states after events in ascending order, or None if another request is needed to reach them."""
        states = []
        for seq in seqs:
            state = self._states.at(min(seq, self._steps.seq))
            if state is None or seq > self._steps.seq:
                return None
            states.append(dict(covered(state)))
        return states

    # -- steps and keys

    def _listed(self, after: int, named: int) -> dict[str, Any]:
        """Return the steps and keys that the page does not have yet."""
        steps, keys = self._steps.all, self._steps.keys
        rows = [
            [s.seq, s.time, _name(s), s.visit, [[keys[key], mark] for key, mark in islice(s.marks.items(), _MARKS)]]
            for s in steps[after : after + _STEPS]
        ]
        names = [line(key, _NAME) for key in islice(keys, named, named + _NAMES)]
        known = {"after": after, "steps": rows, "of": len(steps), "named": named, "names": names, "keys": len(keys)}
        return known | {"more": self._steps.seq < len(self._run.events)}

    def _shown(self, seq: int, first: int, last: int) -> dict[str, Any]:
        """Return the values at a moment and the changes of its step, or `more` while they are not computed."""
        number = bisect_right(self._steps.all, seq, key=lambda step: step.seq)
        around = [self._steps.all[number - 1].seq - 1, self._steps.all[number - 1].seq] if number else []
        states = self._reached(*around, seq)
        if states is None:
            return {"more": True}
        self._glances.begin()
        step, state = self._step(number, states), states[-1]
        keys = islice(self._steps.keys, first, min(last, first + _ROWS))
        values = [self._glance(state[key]) if key in state else None for key in keys]
        return {"first": first, "values": values, "step": step}

    def _glance(self, obj: Any) -> dict[str, Any]:
        return self._glances.look(obj, brief, lambda why: {"type": _kind(obj), "size": None, "text": why})

    # -- the step at a moment

    def _step(self, number: int, states: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """Return the changes of a step; the first two `states` are those before and after it."""
        if number == 0:
            return None
        step, before, after = self._steps.all[number - 1], *states[:2]
        changes = [self._change(key, step, before, after) for key in islice(step.marks, _CHANGES)]
        return {
            "number": number,
            "seq": step.seq,
            "time": step.time,
            "node": _name(step),
            "visit": step.visit,
            "changes": changes,
            "more": max(0, len(step.marks) - _CHANGES),
        }

    def _change(self, key: str, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
        mark = step.marks[key]
        old, update = before.get(key, MISSING), covered(step.wrote)[key]
        # Without a reducer the new value is the update; the replayed state may be that of a parallel path without it.
        new = after.get(key, MISSING) if key in self._steps.folded else update
        note, lines = self._glances.look(
            [old, new, update], lambda values: difference(mark, *values), lambda why: ("", [[" ", why]])
        )
        return {"key": self._steps.keys[key], "name": line(key, _NAME), "mark": mark, "note": note, "lines": lines}

    # -- one value, and all of them

    def _closely(self, seq: int, key: int, start: int) -> dict[str, Any]:
        name, states = next(islice(self._steps.keys, key, key + 1), None), self._reached(seq)
        if states is None:
            return {"more": True}
        if name is None or name not in states[0]:
            return {"kind": "none"}
        obj = states[0][name]
        self._looks.begin()
        return {"about": self._glance(obj)} | self._looks.look(
            obj, lambda value: rich(value, start), lambda why: {"kind": "text", "text": why}
        )


def _is_count(number: Any) -> bool:
    return type(number) is int and number >= 0


def _kind(obj: Any) -> str:
    return line(type(obj).__name__, 60)


def _name(step: Step) -> str | None:
    return None if step.node is None else line(step.node, _NAME)
