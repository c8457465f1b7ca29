"""Copies of a tool's arguments, and the updates that its return value makes (SEMANTICS rule 9).

Invariant: the engine's own values, which state, log, store and views share, never change. A tool gets copies of them,
and the engine copies the value that the tool returns.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import TYPE_CHECKING, Any

from nbflow import secrets
from nbflow.errors import ToolError, name_list
from nbflow.functions.arguments import STATE
from nbflow.names import are_normal, identifier, key_for, normalised
from nbflow.state import MISSING
from nbflow.values import ATOMS, Snapshots, ValueChangedError, is_heavy, is_heavy_to_take, own, same
from nbflow.values.libraries import freeze

if TYPE_CHECKING:
    from nbflow.engine.job import Job
    from nbflow.functions.arguments import WholeParameter
    from nbflow.scheduler import Task

logger = logging.getLogger("nbflow")

NOTICED_S = 0.01
"""Copying that takes less time is not reported."""
_FEW = 100
"""The number of keys of an update that are examined one by one."""
_READ_ONLY_ERRORS = ("read-only", "WRITEABLE", "not writeable")
"""Parts of the messages of NumPy for a write to a read-only array."""
_STR = frozenset({str})
_SIMPLE = frozenset({int, float, str, bool, bytes, type(None)})
"""Types whose comparison by `==` never raises."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The output of a tool, as a copy that no tool can change; the keys in `unchanged` are not updates.

    `bare` says that the tool did not return a dict, so the only key of `output` is the id of the node.
    """

    output: Any
    unchanged: tuple[str, ...] = ()
    bare: bool = False


def plain_arguments(job: Job, given: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments if they are immutable, except for a state of immutable values; else None.

    `Handover.arguments` copies other arguments. Most firings have immutable arguments, for which this function takes a
    fifth of the time.
    """
    whole = job.whole
    if job.mutable_defaults or (whole is not None and whole.model is not None):
        return None
    if ATOMS.issuperset(map(type, given.values())):
        return given
    if whole is None or not ATOMS.issuperset(map(type, given[STATE].values())):
        return None
    arguments = {**given, STATE: WholeState(given[STATE])}
    others = set(map(type, arguments.values())) - ATOMS
    return arguments if others == {WholeState} else None


def is_plain_update(task: Task, given: Mapping[str, Any], value: Any) -> bool:
    """Return whether a tool that got `plain_arguments` returned immutable values alone, all of them updates.

    Return False for any other value; `Handover.take` decides about those.
    """
    if type(value) is not dict or task.parent is not None:
        return False
    if not (_SIMPLE.issuperset(map(type, value.values())) and _STR.issuperset(map(type, value))):
        return False
    state = given.get(STATE)
    known = state if type(state) is dict else given
    for key, item in value.items():
        if not key.isascii():
            return False
        for source in (known, given):
            # NaN is unequal to itself.
            if key in source and type(source[key]) is type(item) and (source[key] == item or item != item):
                return False
    return True


def as_update(output: Any, key: str) -> dict[str, Any]:
    """Return the update of an output: a dict unchanged, anything else as the value of `key`.

    Raises:
        ToolError: A key is not a string.
        NameClashError: Two keys have the same normalised name.
    """
    if not isinstance(output, dict):
        return {key: output}
    _check_keys(key, output)
    return output if are_normal(output) else normalised(output, f"the output of node {key!r}")


def without(output: Any, unchanged: Iterable[str]) -> Any:
    """Return an output without its unchanged keys."""
    if not unchanged:
        return output
    left = frozenset(unchanged)
    return {key: value for key, value in output.items() if key not in left}


class WholeState(dict[str, Any]):
    """The state as a tool gets it: a dict that sets `read_whole` when code iterates over it.

    A tool that iterates over the state and returns a dict with all its keys has returned the state. The lookup of a
    single key is as fast as in a dict.
    """

    __slots__ = ("read_whole",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.read_whole = False

    def __iter__(self) -> Iterator[str]:
        self.read_whole = True
        return super().__iter__()

    def keys(self) -> Any:
        """Return the keys."""
        self.read_whole = True
        return super().keys()

    def values(self) -> Any:
        """Return the values."""
        self.read_whole = True
        return super().values()

    def items(self) -> Any:
        """Return the pairs of keys and values."""
        self.read_whole = True
        return super().items()

    def copy(self) -> dict[str, Any]:
        """Return a plain dict of the same keys and values."""
        return dict(self)

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def __reduce_ex__(self, _: Any) -> Any:
        return self.__reduce__()

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        from copy import deepcopy

        return deepcopy(dict(self), memo)


class Copies:
    """The copies of one run: snapshots of values that are read often, and the nodes that were reported as slow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.snapshots, self.clock = Snapshots(), clock
        self.turn = asyncio.Lock()
        """Held by the attempt whose large arguments are being copied."""
        self.names_secrets = secrets.has_names()
        self.noticed: set[str] = set()


class Handover:
    """The values of one attempt: `arguments` for the tool, then `take` for its return value.

    `given` are the engine's own values by parameter; `state` is the tool's state if `plain_arguments` created it. Call
    both methods where the tool runs: in its thread, or on the loop.
    """

    __slots__ = (
        "_copies", "_copying", "_handed", "_items", "_job", "_largest", "_longest", "_slowest", "_started", "_task",
        "_whole", "given",
    )  # fmt: skip

    def __init__(
        self, copies: Copies, task: Task, job: Job, given: dict[str, Any], state: WholeState | None = None
    ) -> None:
        self._copies, self._task, self._job, self.given = copies, task, job, given
        self._whole = state
        self._handed: dict[str, Any] = {} if state is None else given[STATE]
        self._items: dict[str, list[Any]] = {}
        """The rows of lists of dicts among the arguments, by key, as the tool received them."""
        self._copying = self._longest = self._started = 0.0
        self._slowest, self._largest = "", None

    @property
    def is_heavy(self) -> bool:
        """True if copying the arguments takes so long that it is not done on the loop."""
        read_only, snapshots = self._job.read_only, self._copies.snapshots
        return any(
            snapshots.is_heavy(value)
            for name, value in self.given.items()
            if type(value) not in ATOMS and name not in read_only
        )

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the call, as copies that the tool may change.

        Raises:
            ValueChangedError: A handle's thread changed a value while it was copied; the message names the key.
        """
        whole, read_only = self._job.whole, self._job.read_only
        self._started = self._copies.clock()
        # Python itself would pass the same mutable default to every call.
        arguments = {name: self._copy(name, default) for name, default in self._job.mutable_defaults}
        for name, value in self.given.items():
            if type(value) in ATOMS:
                arguments[name] = value
            elif whole is not None and name == STATE:
                arguments[name] = self._state(value, whole, copied=name not in read_only)
            else:
                arguments[name] = value if name in read_only else self._copy(name, value)
        return arguments

    def _state(self, state: Mapping[str, Any], whole: WholeParameter, *, copied: bool) -> Any:
        """Return the whole state in the form that the tool declares."""
        if copied and not ATOMS.issuperset(map(type, state.values())):
            handed = {key: self._copy(key, value) for key, value in state.items()}
        else:
            handed = dict(state)
        self._handed = handed
        self._whole = WholeState(handed)
        if whole.model is None:
            return self._whole
        made = whole.made(handed, node=self._task.name, tool=self._job.spec.name)
        # A model may copy the values, and the tool then returns the copies.
        self._handed = {key: getattr(made, key, value) for key, value in handed.items()}
        self._whole.read_whole = True
        return made

    def _copy(self, key: str, value: Any) -> Any:
        if type(value) in ATOMS:
            return value
        clock = self._copies.clock
        started = clock()
        try:
            copy = self._copies.snapshots.copy(value)
        except ValueChangedError as error:
            raise ValueChangedError(f"node {self._task.name!r} could not copy {key!r}: {error}") from error
        took = clock() - started
        if type(copy) is list and copy and type(copy[0]) is dict:
            self._items[key] = copy.copy()
        if took > NOTICED_S and not self._copies.snapshots.is_heavy(value):
            return copy  # a small value: the garbage collector, or another thread, took the time
        self._copying += took
        if took > self._longest:
            self._longest, self._slowest, self._largest = took, key, value
        return copy

    def is_heavy_to_take(self, value: Any) -> bool:
        """Return whether comparing and copying the return value takes too long for the loop."""
        if type(value) in ATOMS:
            return False
        if type(value) is not dict:
            return is_heavy_to_take(value, self._from_state(self._task.node.id))
        if len(value) > _FEW:
            return is_heavy(value)
        return any(self._is_heavy_item(item, self._from_state(key)) for key, item in value.items())

    def _is_heavy_item(self, item: Any, held: Any) -> bool:
        """Return whether one value is heavy to take; of a list that grew, only the new items count."""
        if type(item) is list is type(held) and 0 < len(item) - len(held) <= _FEW:
            return self._copies.snapshots.is_heavy(held) or is_heavy(item[len(held) :])
        return is_heavy_to_take(item, held)

    def take(self, box: list[Any]) -> Taken:
        """Remove the return value of the tool from `box`, and return a copy of it, which no tool can change.

        With the box, the reference count shows whether other code refers to an array; if not, it needs no copy.

        Raises:
            ToolError: A key is not a string, or a container under a reducer was changed in place and returned.
            NameClashError: Two keys have the same normalised name.
            ValueChangedError: Another thread changed a value while it was copied; the message names the key.
        """
        if self._copying > NOTICED_S:
            self._notice()
        return self.part(box)

    def part(self, box: list[Any]) -> Taken:
        """Take a value that a generator yielded; like `take`, while the tool continues."""
        task = self._task
        if task.parent is not None:
            item = self._own(task.node.id, box.pop())
            secrets.learn({task.node.id: item})
            return Taken(item)
        if box[0] is None:
            return Taken(None)
        bare = not isinstance(box[0], dict)
        if bare:
            value: dict[str, Any] = {task.node.id: box.pop()}
            alone = _held_by_nobody_else(value)
        else:
            alone = _held_by_nobody_else(box[0]) if _references(box) <= _ALONE else ()
            value = box.pop()
            _check_keys(task.name, list(dict.__iter__(value)))
        output, unchanged = self._split(value, alone)
        return Taken(output, unchanged, bare)

    def _split(self, value: dict[str, Any], alone: Collection[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the output, and its keys that are not updates, since the tool returned a given value."""
        pairs = list(dict.items(value))
        if not are_normal(dict.__iter__(value)):
            pairs = list(normalised(dict(pairs), f"what node {self._task.name!r} returned").items())
            alone = {*map(identifier, alone)}
        output: dict[str, Any] = {}
        unchanged: list[str] = []
        hands_back: bool | None = None
        reducers = self._task.run.plan.definition.reducers
        for key, item in pairs:
            current = self._from_state(key)
            if current is MISSING:
                is_update = True
            elif key not in reducers:
                is_update = not same(item, current)
            else:
                hands_back = self._hands_back(value) if hands_back is None else hands_back
                is_update = not hands_back or self._adds(key, item, current)
            if is_update:
                output[key] = item if key in alone and freeze(item) else self._own(key, item, current)
            else:
                output[key] = current
                unchanged.append(key)
        if self._copies.names_secrets or not ATOMS.issuperset(map(type, output.values())):
            secrets.learn({key: self._new_in(item, self._from_state(key)) for key, item in output.items()})
        return output, tuple(unchanged)

    @staticmethod
    def _new_in(item: Any, current: Any) -> Any:
        """Return the new items of a list that starts with all items of the current one; any other value unchanged."""
        if type(item) is list is type(current) and 0 < len(current) < len(item) and all(map(is_, item, current)):
            return item[len(current) :]
        return item

    def _own(self, key: str, value: Any, current: Any = MISSING) -> Any:
        try:
            if current is MISSING:
                return own(value)
            return self._copies.snapshots.copy_sharing(value, current, self._items.get(key))
        except ValueChangedError as error:
            raise ValueChangedError(f"node {self._task.name!r} returned {key!r}, and {error}") from error

    def _hands_back(self, value: dict[str, Any]) -> bool:
        """Return whether a tool that takes the state returned it: the same dict, or a new one with all its keys."""
        whole = self._whole
        if whole is None:
            return False
        return value is whole or (whole.read_whole and all(key in value for key in self._handed))

    def _adds(self, key: str, item: Any, current: Any) -> bool:
        """Return whether a key with a reducer is an update, although the tool returned the whole state."""
        if type(item) in ATOMS:
            # A tool with a model names each key that it returns, so an equal number is an update.
            return (self._job.whole is not None and self._job.whole.model is not None) or not same(item, current)
        if self._handed.get(key, MISSING) is not item:
            return True
        if not same(item, current):
            raise ToolError(
                f"node {self._task.name!r} handed the state back with {key!r} changed in place, and {key!r} has the "
                f"reducer {self._task.run.plan.definition.reducers[key]!r}; return only what is new, as "
                f"{{{key!r}: ...}}"
            )
        return False

    def _from_state(self, key: str) -> Any:
        """Return the engine's value of a key that the tool was given from the state; MISSING for any other."""
        given, path = self.given, self._task.path
        if self._whole is not None and key in given[STATE]:
            return given[STATE][key]
        name = identifier(key) if isinstance(key, str) else key
        if name not in given or name in self._job.params or key_for(name, path) != key:
            return MISSING
        return MISSING if self._whole is not None and name == STATE else given[name]

    def _notice(self) -> None:
        """Log, once per node and run, that copying the arguments took longer than the tool."""
        name = self._task.run.prefix + self._task.node.id
        tool = self._copies.clock() - self._started - self._copying
        if self._copying <= tool or name in self._copies.noticed:
            return
        self._copies.noticed.add(name)
        kind = "Sequence" if isinstance(self._largest, Sequence) else "Mapping"
        logger.warning(
            "node %r: copying its arguments took %.0f ms, longer than its tool, most of it for %r. If the tool "
            "does not change that value, annotate the parameter as collections.abc.%s, and it is not copied",
            name, self._copying * 1e3, self._slowest, kind,
        )  # fmt: skip

    def explain(self, error: BaseException) -> None:
        """Add a note with the remedy to the error of a write to a read-only array."""
        if not isinstance(error, ValueError) or not any(text in str(error) for text in _READ_ONLY_ERRORS):
            return
        given = self.given.items() if self._whole is None else (self.given | self._handed).items()
        arrays = [name for name, value in given if hasattr(value, "__array_interface__")]
        if arrays:
            error.add_note(
                f"Tools get arrays read-only, since other nodes share them: {name_list(arrays)}. To change one, copy "
                f"it first: {arrays[0]} = {arrays[0]}.copy()"
            )


def _check_keys(node: str, keys: Iterable[Any]) -> None:
    if not _STR.issuperset(map(type, keys)):
        for key in keys:
            if not isinstance(key, str):
                raise ToolError(f"node {node!r} returned a dict with the key {key!r}; keys of the state are strings")


def _references(box: list[Any]) -> int:
    """Return the reference count of the value in a box."""
    value = box[0]
    return sys.getrefcount(value)


def _references_of_values(value: dict[str, Any]) -> dict[str, int]:
    return {key: sys.getrefcount(item) for key, item in value.items()}


# The references that counting adds differ between versions of Python, so they are measured here.
_ALONE = _references([object()])
_ALONE_IN_DICT = _references_of_values({"": object()})[""]


def _held_by_nobody_else(value: dict[str, Any]) -> Collection[str]:
    """Return the keys whose values no other object refers to, of a dict that no other object refers to."""
    if type(value) is not dict or ATOMS.issuperset(map(type, value.values())):
        return ()
    return {key for key, count in _references_of_values(value).items() if count <= _ALONE_IN_DICT}
