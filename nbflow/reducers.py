"""Reducers: how several writes of one key become one value.

Rule: a reducer is pure and folds every update over the value. Over no value, append and extend begin with an empty
list; the others take the first update as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import Any, Final

from nbflow.errors import ExecutionError, GraphError, did_you_mean, name_list
from nbflow.failures import text_of
from nbflow.names import identifier
from nbflow.secrets import Redacted
from nbflow.values import own


class Missing(Enum):
    """The type of `MISSING`, which stands where a key has no value."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Unstored:
    """Stands in a state for a value that could not be stored; `why` is the reason that was said then."""

    why: str


Fold = Callable[[Any, Sequence[Any]], Any]
"""What the scheduler calls: the value so far (or MISSING) and the updates in order; gives the new value."""


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

    Between two updates its value is passed on as it is, since nobody else has seen it.
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
    """Return the fold of each key; `error` is `last` unless the graph says otherwise.

    Raises:
        GraphError: A reducer is neither built in nor registered.
    """
    folds = {"error": BUILTIN["last"]}
    faults = []
    for key, name in names.items():
        if (own_name := identifier(name)) in registered:
            folds[key] = _of_copies(registered[own_name])
        elif name in BUILTIN:
            folds[key] = BUILTIN[name]
        else:
            known = [*BUILTIN, *registered]
            near = did_you_mean(name, known)
            faults.append(f"key {key!r} names unknown reducer {name!r}{near}; known reducers: {name_list(known)}")
    if faults:
        raise GraphError(faults)
    return folds


def folded(fold: Fold, value: Any, updates: Sequence[Any], key: str, writer: str) -> Any:
    """Return a value with updates folded over it; where one of them could not be stored, neither can the whole.

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
