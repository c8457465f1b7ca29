"""The state of one path through a graph, and how paths become one where they join.

Rule: a path sees what was written before it on the ways that led to it, and nothing else. Each write knows the write it
saw, so a join can tell a later write from one made side by side, whatever finished first.

A path is its own writes over shared layers: a split freezes one layer for all its branches, and a join looks only at
what lies above the layer that its paths have in common.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nbflow.errors import StateConflictError
from nbflow.reducers import MISSING, Fold, folded

Folds = Mapping[str, Fold]


class Write:
    """One write of one key: who made it, which it saw, and for keys with a reducer the update itself.

    `serial` grows with every write of a run, so what was seen always has the smaller one. A `sweeping` write (an edit
    by a person) counts as having seen all writes before it.
    """

    __slots__ = ("seen", "serial", "sweeping", "update", "writer")

    def __init__(
        self, writer: str, serial: int, seen: Write | None, update: Any = MISSING, *, sweeping: bool = False
    ) -> None:
        self.writer, self.serial, self.seen, self.update, self.sweeping = writer, serial, seen, update, sweeping

    def unseen(self, others: Sequence[Write]) -> Write | None:
        """Return one of `others` that this write was made beside, if there is any; the others it saw, or is."""
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
    """Writes that several paths share; never changed once made.

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
    """The state as one path sees it; a mapping from key to value."""

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
        if key in self.values_:
            return self.values_[key]
        for values, _ in self.layer.levels:
            if key in values:
                return values[key]
        raise KeyError(key)

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
        """Return a path that starts where this one stands; both go on by themselves."""
        if self.values_:
            self.layer = Layer(self.layer, self.values_, self.marks)
            self.values_, self.marks = {}, {}
        copy = PathState(self.layer)
        copy.passed = self.passed
        return copy

    def write(self, update: Mapping[str, Any], writer: str, serial: int, folds: Folds, *, alone: bool) -> int:
        """Write an update, folding keys that have a reducer; return the next serial.

        `alone` says that no other path of the run exists or ended: then nothing can ever stand beside these writes, and
        they need no marks.
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
        """Set a value as it is, as one who has seen every write so far: an edit by a person, one mark for all paths."""
        self.values_[key] = value
        self.marks[key] = mark

    def settle(self) -> None:
        """Forget how the values came to be: called where no other path exists or ended, so nobody can ask."""
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
    """Return the write that gave a layer's key its value."""
    for values, marks in layer.levels:
        if key in values:
            return marks.get(key)
    return None


def merge(paths: Sequence[PathState], folds: Folds, *, node: str | None) -> PathState:
    """Return the one path that several become, in the order in which their updates count.

    Raises:
        StateConflictError: A key without a reducer was written side by side; `node` is where the paths meet.
    """
    if len(paths) == 1:
        return paths[0]
    base, written = _above_common(paths)
    merged = PathState(base)
    for key, (value, mark, others) in written.items():
        fold = folds.get(key)
        if fold is not None and not mark.sweeping:
            merged.values_[key], merged.marks[key] = _merge_updates(paths, base, key, fold)
            continue
        beside = mark.unseen(others) if others else None
        if beside is not None:
            raise StateConflictError(key, *sorted((beside.writer, mark.writer)), node=node)
        merged.values_[key], merged.marks[key] = value, mark
    merged.passed = _merge_passed(paths)
    return merged


_Written = dict[str, tuple[Any, Write, list[Write]]]


def _above_common(paths: Sequence[PathState]) -> tuple[Layer, _Written]:
    """Return the deepest layer common to all, and each key written above it: latest value, its write, the others."""
    written: _Written = {}
    heads: dict[int, Layer] = {}
    for path in paths:
        _collect(written, path.values_, path.marks)
        heads[id(path.layer)] = path.layer
    queue = [(-layer.depth, key) for key, layer in heads.items()]
    heapq.heapify(queue)
    while len(heads) > 1:
        _, key = heapq.heappop(queue)
        layer = heads.pop(key)
        _collect(written, layer.values, layer.marks)
        parent = layer.parent
        assert parent is not None  # noqa: S101 - the root is common to all, so it is never left
        if id(parent) not in heads:
            heads[id(parent)] = parent
            heapq.heappush(queue, (-parent.depth, id(parent)))
    (base,) = heads.values()
    return base, written


def _collect(written: _Written, values: dict[str, Any], marks: dict[str, Write]) -> None:
    for key, mark in marks.items():
        known = written.get(key)
        if known is None:
            written[key] = (values[key], mark, [])
        elif mark is not known[1]:
            # What saw the others has the largest serial of them.
            if mark.serial > known[1].serial:
                written[key] = (values[key], mark, [*known[2], known[1]])
            else:
                known[2].append(mark)


def _merge_updates(paths: Sequence[PathState], base: Layer, key: str, fold: Fold) -> tuple[Any, Write]:
    """Fold every update once: those of the first path that has any, then what the following ones bring anew."""
    stop = layer_mark(base, key)
    counted: set[int] = set()
    visited: set[int] = set()
    head: Write | None = None
    value: Any = MISSING
    fresh: list[Any] = []
    for path in paths:
        chain = _chain(path.mark(key), stop, visited)
        if head is None:
            if not chain:
                continue
            head, value = path.mark(key), path[key]
            counted.update(write.serial for write in chain)
            continue
        for write in chain:
            if write.serial not in counted:
                counted.add(write.serial)
                fresh.append(write.update)
                head = Write(write.writer, write.serial, head, write.update)
    assert head is not None  # noqa: S101 - the key was written above the base
    return (folded(fold, value, fresh, key, head.writer) if fresh else value), head


def _chain(mark: Write | None, stop: Write | None, visited: set[int]) -> Iterable[Write]:
    """Return the updates from `stop` (exclusive) to `mark`, oldest first, without those looked at before."""
    chain = []
    while mark is not None and mark is not stop and id(mark) not in visited:
        visited.add(id(mark))
        chain.append(mark)
        if mark.sweeping:
            break
        mark = mark.seen
    return chain[::-1]


def _merge_passed(paths: Sequence[PathState]) -> dict[int, int] | None:
    known = [path.passed for path in paths if path.passed]
    if len(known) < 2:
        return known[0] if known else None
    merged: dict[int, int] = {}
    for passed in known:
        for node, start in passed.items():
            merged[node] = max(start, merged.get(node, 0))
    return merged
