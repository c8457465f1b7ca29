"""The state of one path through a graph, and the reducers that fold several updates of a key into one value.

Invariant: a path sees what was written before it on the edges that led to it, and nothing else. Each write refers to
the write that it replaced, so a join can distinguish a later write from a concurrent one, in any order of completion.

A path is its own writes over shared layers: a split freezes one layer for all its branches, and a join compares only
what lies above the layer that its paths have in common.

Invariant: a reducer is pure and folds every update over the value. Without a value, append and extend start with an
empty list; the others take the first update as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import Any, Final

from nbflow.errors import ExecutionError, GraphError, did_you_mean, name_list
from nbflow.errors.failures import text_of
from nbflow.names import identifier
from nbflow.secrets import Redacted
from nbflow.values import own


class Missing(Enum):
    """The type of `MISSING`, the value of a key that has none."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Unstored:
    """The placeholder in a state for a value that could not be stored; `why` is the reason."""

    why: str


Fold = Callable[[Any, Sequence[Any]], Any]
"""Takes the value so far (or MISSING) and the updates in order; returns the new value."""


def _append(value: Any, updates: Sequence[Any]) -> Any:
    return [*updates] if value is MISSING else [*_list(value, "append"), *updates]


def _extend(value: Any, updates: Sequence[Any]) -> Any:
    start = [] if value is MISSING else [*_list(value, "extend")]
    for update in updates:
        if isinstance(update, str | bytes | Mapping):
            raise TypeError(f"extend takes a list of values, got {type(update).__name__}; use append for one value")
        start.extend(update)
    return start


def _list(value: Any, name: str) -> Any:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{name} needs a list to add to, and the key holds {type(value).__name__}")
    return value


def _merge(value: Any, updates: Sequence[Any]) -> Any:
    parts = updates if value is MISSING else [value, *updates]
    for part in parts:
        if not isinstance(part, Mapping):
            raise TypeError(f"merge joins dicts, got {type(part).__name__}")
    return {key: item for part in parts for key, item in part.items()}


def one_by_one(function: Callable[[Any, Any], Any]) -> Fold:
    """Return the fold of a function that takes the value and one update."""

    def fold(value: Any, updates: Sequence[Any]) -> Any:
        return reduce(function, updates) if value is MISSING else reduce(function, updates, value)

    return fold


def _of_copies(function: Callable[[Any, Any], Any]) -> Fold:
    """Return the fold of a user's reducer: it gets copies, and what it returns is copied (SEMANTICS rule 9).

    Between two updates its value is not copied, since no other code has a reference to it.
    """
    fold = one_by_one(function)

    def fold_copies(value: Any, updates: Sequence[Any]) -> Any:
        return own(fold(own(value), [own(update) for update in updates]))

    return fold_copies


BUILTIN: Final[dict[str, Fold]] = {
    "append": _append,
    "extend": _extend,
    "add": one_by_one(operator.add),
    "merge": _merge,
    "last": lambda _value, updates: updates[-1],
}


def resolve(names: Mapping[str, str], registered: Mapping[str, Callable[[Any, Any], Any]]) -> dict[str, Fold]:
    """Return the fold of each key; that of `error` is `last` unless the graph names another.

    Raises:
        GraphError: A reducer is neither built in nor registered.
    """
    if faults := unknown_reducers(names, registered):
        raise GraphError(faults)
    folds = {"error": BUILTIN["last"]}
    for key, name in names.items():
        own_function = registered.get(identifier(name))
        folds[key] = BUILTIN[name] if own_function is None else _of_copies(own_function)
    return folds


def unknown_reducers(names: Mapping[str, str], registered: Collection[str]) -> list[str]:
    """Return a sentence for each key whose reducer is neither built in nor registered."""
    known = [*BUILTIN, *registered]
    return [
        f"key {key!r} names unknown reducer {name!r}{did_you_mean(name, known)}; known reducers: {name_list(known)}"
        for key, name in names.items()
        if name not in BUILTIN and identifier(name) not in registered
    ]


def folded(fold: Fold, value: Any, updates: Sequence[Any], key: str, writer: str) -> Any:
    """Return a value with updates folded over it; if one of them was not stored, the result counts as not stored.

    Raises:
        ExecutionError: The reducer failed.
    """
    for operand in (value, *updates):
        if type(operand) in (Unstored, Redacted):
            return operand
    try:
        return fold(value, updates)
    except Exception as error:
        told = f"{type(error).__name__}: {text_of(error)}"
        raise ExecutionError(
            f"the reducer of {key!r} failed on what node {writer!r} wrote: {told}", node=writer
        ) from error


Folds = Mapping[str, Fold]


class Write:
    """One write of one key: its writer, the write that it saw, and for keys with a reducer the update.

    `serial` grows with every write of a run, so a write that was seen always has the smaller one. A `sweeping` write
    (an edit by a person) counts as having seen all writes before it.
    """

    __slots__ = ("seen", "serial", "sweeping", "update", "writer")

    def __init__(
        self, writer: str, serial: int, seen: Write | None, update: Any = MISSING, *, sweeping: bool = False
    ) -> None:
        self.writer, self.serial, self.seen, self.update, self.sweeping = writer, serial, seen, update, sweeping

    def unseen(self, others: Sequence[Write]) -> Write | None:
        """Return one of `others` that is concurrent to this write, None if it has seen, or is, each of them."""
        left = {id(other): other for other in others}
        oldest = min((other.serial for other in others), default=0)
        at: Write | None = self
        while left and at is not None and at.serial >= oldest:
            left.pop(id(at), None)
            if at.sweeping:
                return next((other for other in left.values() if other.serial > at.serial), None)
            at = at.seen
        return next(iter(left.values()), None)


_Level = tuple[dict[str, Any], dict[str, Write]]


class Layer:
    """Writes that several paths share; never changed after their creation.

    `levels` are the dicts to look a key up in, newest first, merged such that there are only logarithmically many.
    """

    __slots__ = ("depth", "levels", "marks", "parent", "values")

    def __init__(self, parent: Layer | None, values: dict[str, Any], marks: dict[str, Write]) -> None:
        self.parent, self.values, self.marks = parent, values, marks
        self.depth: int = parent.depth + 1 if parent else 0
        levels: list[_Level] = list(parent.levels) if parent else []
        newest: _Level = (values, marks)
        while levels and len(levels[0][0]) <= 2 * len(newest[0]):
            older = levels.pop(0)
            # A key written without a mark hides an older mark of it.
            kept = {key: mark for key, mark in older[1].items() if key not in newest[0]}
            newest = ({**older[0], **newest[0]}, {**kept, **newest[1]})
        self.levels: tuple[_Level, ...] = (newest, *levels)


class PathState(Mapping[str, Any]):
    """The state of one path, a mapping from key to value."""

    __slots__ = ("layer", "marks", "passed", "values_")

    def __init__(
        self, layer: Layer, values: dict[str, Any] | None = None, marks: dict[str, Write] | None = None
    ) -> None:
        self.layer = layer
        self.values_: dict[str, Any] = {} if values is None else values
        self.marks: dict[str, Write] = {} if marks is None else marks
        self.passed: dict[int, int] | None = None
        """By node, the last start of a `first` or `race` node that this path came through."""

    @classmethod
    def initial(cls, state: Mapping[str, Any]) -> PathState:
        """Return the path with which a run starts."""
        return cls(Layer(None, dict(state), {}))

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, MISSING)
        if value is MISSING:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or `default`; raises no KeyError, since it is called for each argument."""
        if key in self.values_:
            return self.values_[key]
        for values, _ in self.layer.levels:
            if key in values:
                return values[key]
        return default

    def __contains__(self, key: object) -> bool:
        return key in self.values_ or any(key in values for values, _ in self.layer.levels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.as_dict())

    def __len__(self) -> int:
        return len(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return a shallow copy of the whole state."""
        whole: dict[str, Any] = {}
        for values, _ in reversed(self.layer.levels):
            whole.update(values)
        whole.update(self.values_)
        return whole

    def mark(self, key: str) -> Write | None:
        """Return the write that gave the key its value; None for the initial state."""
        if key in self.values_:
            return self.marks.get(key)
        return layer_mark(self.layer, key)

    def fork(self) -> PathState:
        """Return a new path with the same state; later writes to one do not affect the other."""
        if self.values_:
            self.layer = Layer(self.layer, self.values_, self.marks)
            self.values_, self.marks = {}, {}
        copy = PathState(self.layer)
        copy.passed = self.passed
        return copy

    def write(self, update: Mapping[str, Any], writer: str, serial: int, folds: Folds, *, alone: bool) -> int:
        """Write an update, folding keys that have a reducer; return the next serial.

        `alone` says that the run has no other path, live or ended: then no write can be concurrent to these, and they
        need no marks.
        """
        for key, value in update.items():
            fold = folds.get(key)
            serial += 1
            if fold is None:
                if not alone:
                    self.marks[key] = Write(writer, serial, self.mark(key))
                self.values_[key] = value
                continue
            whole = folded(fold, self.get(key, MISSING), [value], key, writer)
            if not alone:
                self.marks[key] = Write(writer, serial, self.mark(key), value)
            self.values_[key] = whole
        return serial

    def overwrite(self, key: str, value: Any, mark: Write) -> None:
        """Set a value without its reducer, as a write that has seen all others: an edit. All paths share its mark."""
        self.values_[key] = value
        self.marks[key] = mark

    def settle(self) -> None:
        """Forget the writes behind the values, which no join needs: called if no other path is live or has ended."""
        root = Layer(None, {}, {})
        root.levels = tuple((values, {}) for values, _ in self.layer.levels)
        self.layer, self.marks = root, {}

    def marked(self) -> list[str]:
        """Return the keys that were written since the initial state; not for paths that were settled."""
        return sorted({key for _, marks in self.layer.levels for key in marks} | self.marks.keys())

    def updates(self, key: str) -> list[Any]:
        """Return the updates folded into a key with a reducer, oldest first."""
        chain = []
        mark = self.mark(key)
        while mark is not None:
            chain.append(mark.update)
            mark = mark.seen
        return chain[::-1]


def layer_mark(layer: Layer, key: str) -> Write | None:
    """Return the write that set the value of a key of a layer."""
    for values, marks in layer.levels:
        if key in values:
            return marks.get(key)
    return None
