"""Answer the requests of the state panel: the steps, the values of the keys at a moment, one value, an editable state.

Invariant: only values that the page shows are rendered. Neither a slow value nor a long run delays an answer: values
have a time limit, and an answer folds a bounded number of events; `more` in it means that the page must ask again.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from itertools import islice
from typing import Any, Protocol

from nbflow.errors import NbflowError
from nbflow.secrets import MASK, contains, covered, covers, mask
from nbflow.state import MISSING
from nbflow.view.recorded_run import RecordedRun
from nbflow.view.text import clean, line
from nbflow.view.values.preview import render, short
from nbflow.view.values.rich_display import brief, rich
from nbflow.view.values.time_limit import TimeLimit

SET, CHANGED, ADDED = 0, 1, 2
"""The ways in which a step writes a key: it sets a new key, replaces the value, or adds to it."""


@dataclass(slots=True)
class Step:
    """One completion that wrote to the state, or one edit of the state by a person.

    Attributes:
        seq: The event of the completion.
        time: When it happened, in seconds since the epoch.
        node: The node that completed; None for an edit.
        visit: The number of the completion among those of the node, from 1; 0 for an edit.
        wrote: The updates by key, before reducers are applied.
        marks: SET, CHANGED or ADDED for each key.
    """

    seq: int
    time: float
    node: str | None
    visit: int
    wrote: Mapping[str, Any]
    marks: dict[str, int] = field(default_factory=dict)


class StateHistory(Protocol):
    """The steps of a run, and its state after any event; `nbflow.live_view.state_history` computes them by replay."""

    @property
    def seq(self) -> int:
        """The last event folded."""

    @property
    def steps(self) -> Sequence[Step]:
        """The steps up to that event, in the order of their events."""

    @property
    def keys(self) -> Mapping[str, int]:
        """The index of each key of the state, in the order of their first writes, the initial keys first."""

    @property
    def reduced(self) -> Collection[str]:
        """The keys whose value may differ from what a step wrote, because a reducer combines them."""

    def fold(self) -> None:
        """Fold the next events of the run, a bounded number of them."""

    def at(self, seq: int) -> dict[str, Any] | None:
        """Return the state after event `seq` (0: the initial state), or None if it takes another call to reach it."""


# Show the effect of a step on one key as a short diff: removed, added and unchanged lines.
#
# Invariant: values are compared by their rendered text, never by their own `==`, which may run arbitrary code. Every
# text is bounded.

Line = list[str]
"""A sign, `-`, `+` or a space, and the text."""

_LINES, _WIDTH = 12, 300
_SHOWN, _KEYS, _LONG = 6, 8, 80
_DIFFED, _DIFFED_LINES = 20_000, 400


def difference(mark: int, before: Any, after: Any, update: Any) -> tuple[str, list[Line]]:
    """Return a note, such as `13 added`, and a diff of at most about a dozen lines.

    Args:
        mark: SET, CHANGED or ADDED, by which the step wrote the key.
        before: The value before the step, or MISSING.
        after: The value after it, or MISSING.
        update: The update that the node returned; a reducer combines it with the value before.
    """
    if mark == ADDED and before is not MISSING:
        return _added(before, after, update)
    if mark == SET or before is MISSING:
        return "set", _all("+", after)
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > _LONG:
        return "changed", _texts(before, after)
    if isinstance(before, dict) and isinstance(after, dict):
        return "changed", _dicts(before, after)
    return "changed", [*_all("-", before, _SHOWN), *_all("+", after, _SHOWN)]


def _all(sign: str, obj: Any, most: int = _LINES) -> list[Line]:
    """Return the first lines of a rendered value, and a line that counts the rest."""
    shown = render(obj, most * _WIDTH).split("\n")
    return [[sign, text[:_WIDTH]] for text in shown[:most]] + _more(len(shown) - most, "lines")


def _more(count: int, what: str = "") -> list[Line]:
    return [[" ", f"{_grouped(count)} more {what}".rstrip()]] if count > 0 else []


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _added(before: Any, after: Any, update: Any) -> tuple[str, list[Line]]:
    if isinstance(after, list | tuple) and isinstance(before, list | tuple):
        items = after[len(before) :]
        unchanged = [[" ", f"{_grouped(len(before))} unchanged"]] if before else []
        shown = [["+", short(item, _WIDTH)] for item in items[:_SHOWN]]
        return f"{len(items)} added", [*unchanged, *shown, *_more(len(items) - _SHOWN)]
    if isinstance(before, dict) and isinstance(update, dict):
        return f"{len(update)} added", _pairs("+", update.items(), len(update))
    return "added to", [*_all("-", before, _SHOWN), *_all("+", after, _SHOWN)]


def _pairs(sign: str, pairs: Iterable[tuple[Any, Any]], count: int) -> list[Line]:
    shown = [[sign, f"{short(key, 60)}: {_value(key, value)}"] for key, value in islice(pairs, _KEYS)]
    return shown + _more(count - _KEYS, "keys")


def _dicts(before: dict[Any, Any], after: dict[Any, Any]) -> list[Line]:
    """Return the entries that differ, among the first 1 000 keys."""
    lines: list[Line] = []
    for key in islice({**before, **after}, 1_000):
        old, new = (_value(key, values[key]) if key in values else None for values in (before, after))
        if old == new:
            continue
        lines += [[sign, f"{short(key, 60)}: {text}"] for sign, text in (("-", old), ("+", new)) if text is not None]
        if len(lines) > _LINES:
            break
    return lines[:_LINES] or [[" ", "looks the same"]]


def _value(key: Any, value: Any) -> str:
    return MASK if covers(key, value) else short(value, _WIDTH - 64)


def _texts(before: str, after: str) -> list[Line]:
    """Return the lines that differ, each with one line of context."""
    before, after = mask(before), mask(after)
    old, new = (clean(str.__getitem__(text, slice(0, _DIFFED))).split("\n")[:_DIFFED_LINES] for text in (before, after))
    diff = [text for text in unified_diff(old, new, n=1, lineterm="") if not text.startswith(("---", "+++"))]
    lines = [[" ", "\u2026"] if text.startswith("@@") else [text[0], text[1 : _WIDTH + 1]] for text in diff]
    if lines and lines[0][1] == "\u2026":
        del lines[0]
    return lines[:_LINES] + _more(len(lines) - _LINES, "lines") or [[" ", "the same as far as it is shown"]]


# Convert a state to JSON texts that a person can edit.
#
# Invariant: a value is editable only if its text, unedited, parses back to an equal value in Python and in JavaScript.

_EDITABLE_KEYS, _TEXT, _TEXTS = 200, 20_000, 200_000
_NAME_LENGTH = 100
_EXACT = 2**53  # JavaScript represents every integer up to this one exactly
_HALVES = re.compile("[\ud800-\udfff]")


def editable(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return `{"key", "type", "json", "why"}` for the first 200 keys: the JSON text, or why there is none."""
    rows, left = [], _TEXTS
    for key, value in islice(state.items(), _EDITABLE_KEYS):
        text, why = _text(key, value, min(left, _TEXT))
        left -= len(text or "")
        rows.append({"key": line(key, _NAME_LENGTH), "type": line(type(value).__name__, 60), "json": text, "why": why})
    return rows


def _text(key: str, value: Any, most: int) -> tuple[str | None, str | None]:
    if line(key, _NAME_LENGTH) != key:
        return None, "its name cannot be typed"
    if covers(key, value) or contains(value):
        return None, "is a secret"
    if not is_json(value):
        return None, "is no plain JSON"
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return (text, None) if len(text) <= most else (None, "is too long to be edited here")


def is_json(obj: Any, left: int = 20_000) -> bool:
    """Return True if a value survives JSON and JavaScript unchanged; False also if it has more than `left` parts."""
    stack = [obj]
    while stack:
        value = stack.pop()
        left -= 1 + (len(value) if type(value) in (dict, list) else 0)
        if left < 0:
            return False
        if type(value) is dict:
            if not all(type(name) is str for name in value):
                return False
            stack += [*value, *value.values()]
        elif type(value) is list:
            stack += value
        elif not _is_plain(value):
            return False
    return True


def _is_plain(value: Any) -> bool:
    """Return True if a scalar survives JSON and JavaScript: no lone surrogate, no infinity, no integer above 2**53."""
    kind = type(value)
    if kind is int:
        return abs(int(value)) <= _EXACT
    if kind is float:
        return math.isfinite(value)
    return value is None or kind is bool or (kind is str and not _HALVES.search(value))


# -- the requests of the panel -----------------------------------------------------------------------------------------

_STEPS, _NAMES, _ROWS, _CHANGES = 2_000, 2_000, 100, 40
_MARKS = 1_000  # keys of one step that are marked
_NAME = 100


class StatePanel:
    """Answers the requests `state`, `value` and `editable` about one run.

    Each has `at`, the event of the moment, or None for the present. The other fields are:

    - `state`: `after` and `named`, the numbers of steps and keys that the page has; `rows`, the first and last index of
      the keys to show.
    - `value`: `key`, the index of the key; `from`, the first row of a table.

    An answer with `more` has the steps folded so far, but no values.

    Args:
        run: The run, live or read from a store.
        history: The steps and states of the same run.
    """

    def __init__(self, run: RecordedRun, history: StateHistory) -> None:
        self._run, self._history = run, history
        self._glances, self._looks = TimeLimit(), TimeLimit(each=1.0, whole=1.0)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request, or None if the request is malformed."""
        at = message.get("at")
        if at is not None and not _is_count(at):
            return None
        self._history.fold()
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
            state = self._history.at(min(seq, self._history.seq))
            if state is None or seq > self._history.seq:
                return None
            states.append(dict(covered(state)))
        return states

    # -- steps and keys

    def _listed(self, after: int, named: int) -> dict[str, Any]:
        """Return the steps and keys that the page does not have yet."""
        steps, keys = self._history.steps, self._history.keys
        rows = [
            [s.seq, s.time, _name(s), s.visit, [[keys[key], mark] for key, mark in islice(s.marks.items(), _MARKS)]]
            for s in steps[after : after + _STEPS]
        ]
        names = [line(key, _NAME) for key in islice(keys, named, named + _NAMES)]
        known = {"after": after, "steps": rows, "of": len(steps), "named": named, "names": names, "keys": len(keys)}
        return known | {"more": self._history.seq < len(self._run.events)}

    def _shown(self, seq: int, first: int, last: int) -> dict[str, Any]:
        """Return the values at a moment and the changes of its step, or `more` while they are not computed."""
        number = bisect_right(self._history.steps, seq, key=lambda step: step.seq)
        around = [self._history.steps[number - 1].seq - 1, self._history.steps[number - 1].seq] if number else []
        states = self._reached(*around, seq)
        if states is None:
            return {"more": True}
        self._glances.start_round()
        step, state = self._step(number, states), states[-1]
        keys = islice(self._history.keys, first, min(last, first + _ROWS))
        values = [self._glance(state[key]) if key in state else None for key in keys]
        return {"first": first, "values": values, "step": step}

    def _glance(self, obj: Any) -> dict[str, Any]:
        return self._glances.render(obj, brief, lambda why: {"type": _kind(obj), "size": None, "text": why})

    # -- the step at a moment

    def _step(self, number: int, states: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """Return the changes of a step; the first two `states` are those before and after it."""
        if number == 0:
            return None
        step, before, after = self._history.steps[number - 1], *states[:2]
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
        new = after.get(key, MISSING) if key in self._history.reduced else update
        note, lines = self._glances.render(
            [old, new, update], lambda values: difference(mark, *values), lambda why: ("", [[" ", why]])
        )
        return {"key": self._history.keys[key], "name": line(key, _NAME), "mark": mark, "note": note, "lines": lines}

    # -- one value, and all of them

    def _closely(self, seq: int, key: int, start: int) -> dict[str, Any]:
        name, states = next(islice(self._history.keys, key, key + 1), None), self._reached(seq)
        if states is None:
            return {"more": True}
        if name is None or name not in states[0]:
            return {"kind": "none"}
        obj = states[0][name]
        self._looks.start_round()
        return {"about": self._glance(obj)} | self._looks.render(
            obj, lambda value: rich(value, start), lambda why: {"kind": "text", "text": why}
        )


def _is_count(number: Any) -> bool:
    return type(number) is int and number >= 0


def _kind(obj: Any) -> str:
    return line(type(obj).__name__, 60)


def _name(step: Step) -> str | None:
    return None if step.node is None else line(step.node, _NAME)
