r"""Merge the paths of a run at a join, and compute one state from all paths of an unfinished run.

A path is a stack of shared layers with its own writes on top. A fork freezes the layer on top, so that both branches
share everything below:

    path a   own writes      path b   own writes
                  \                 /
                   layer 2 (frozen at the fork)
                      |
                   layer 1

Merging two paths reads only the writes above their deepest common layer. Each write knows the write of the same key
that it has seen. Of two writes, the one that has seen the other wins, in any order of completion; two writes that have
not seen each other need a reducer (SEMANTICS rules 10 and 11).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Any

from nbflow.errors import StateConflictError
from nbflow.state import MISSING, Fold, Folds, Layer, PathState, Write, folded, layer_mark


def merge(paths: Sequence[PathState], folds: Folds, *, node: str | None) -> PathState:
    """Merge several paths, given in the order in which their updates count, and return the merged path.

    Raises:
        StateConflictError: A key without a reducer was written side by side; `node` is the node with the join.
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


def overlaid(paths: Sequence[PathState]) -> dict[str, Any]:
    """Return one state of several paths that have not joined: by key, the latest write.

    Of writes made side by side the one of the last path wins, so the order of the paths decides.
    """
    if len(paths) == 1:
        return paths[0].as_dict()
    base, written = _above_common(paths)
    whole = PathState(base).as_dict()
    for key, (value, _, others) in written.items():
        whole[key] = _latest(paths, base, key) if others else value
    return whole


def _latest(paths: Sequence[PathState], base: Layer, key: str) -> Any:
    """Return the value of the last path whose write no write of another path has seen."""
    stop = layer_mark(base, key)
    last_first = {id(path.mark(key)): path for path in reversed(paths)}
    # Writes are compared by serial, since a fold at a join copies a write and retains its serial.
    seen = {one: {write.serial for write in _chain(path.mark(key), stop, set())} for one, path in last_first.items()}
    latest = next(one for one, mine in seen.items() if not any(mine < others for others in seen.values()))
    return last_first[latest][key]


_Written = dict[str, tuple[Any, Write, list[Write]]]


def _above_common(paths: Sequence[PathState]) -> tuple[Layer, _Written]:
    """Return the deepest common layer, and by key written above it: latest value, its write, the other writes."""
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
            # A write that has seen others has a larger serial than all of them.
            if mark.serial > known[1].serial:
                written[key] = (values[key], mark, [*known[2], known[1]])
            else:
                known[2].append(mark)


def _merge_updates(paths: Sequence[PathState], base: Layer, key: str, fold: Fold) -> tuple[Any, Write]:
    """Fold every update once: those of the first path that has any, then the new ones of each following path."""
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
    """Return the updates from `stop` (exclusive) to `mark`, oldest first, without those visited before."""
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
