"""The parameters of a tool with their types, and the arguments of a call (SEMANTICS rule 19)."""

from __future__ import annotations

import types
import typing
from collections import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.errors import ToolError, did_you_mean, name_list
from nbflow.names import key_for
from nbflow.reducers import MISSING
from nbflow.signatures import Signature, ToolParam
from nbflow.state import PathState
from nbflow.state_parameter import NAME as STATE
from nbflow.state_parameter import WholeParameter, whole_parameter


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a tool takes.

    Attributes:
        name: The tool's.
        named: The parameters that are looked up one by one.
        whole: How its parameter `state` takes the whole state; None where it has none, or `state` is a key.
        takes_kwargs: Whether it is given the node's params that no parameter is named for.
        types: The types of the parameters and, as `return`, of the output; none where one of them does not resolve.
        read_only: The parameters whose annotation promises not to change the value.
        resolved: Whether all annotations resolved.
    """

    name: str
    named: tuple[ToolParam, ...]
    whole: WholeParameter | None
    takes_kwargs: bool
    types: Mapping[str, Any]
    read_only: frozenset[str]
    resolved: bool

    @classmethod
    def read(cls, name: str, signature: Signature) -> Parameters:
        """Return the parameters of a tool's signature."""
        hints, resolved = signature.types()
        has_state = any(param.name == STATE for param in signature.params)
        whole = whole_parameter(hints.get(STATE, MISSING)) if has_state else None
        named = tuple(param for param in signature.params if whole is None or param.name != STATE)
        read_only = frozenset(param for param, hint in hints.items() if _is_read_only(hint))
        return cls(name, named, whole, signature.takes_kwargs, hints if resolved else {}, read_only, resolved)

    def arguments(
        self, state: Mapping[str, Any], params: Mapping[str, Any], *, node: str, item: tuple[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what to call the tool with: the map's item, then the node's params, the state, a default.

        `params` are the node's, under the names that parameters have (`nbflow.names.by_identifier`).

        Raises:
            ToolError: A parameter is in none of these.
        """
        given: dict[str, Any] = {}
        for param in self.named:
            name = param.name
            if item is not None and name == item[0]:
                given[name] = item[1]
            elif name in params:
                given[name] = params[name]
            elif (value := state.get(name, MISSING)) is not MISSING:
                given[name] = value
            elif (key := key_for(name, state)) is not None:
                given[name] = state[key]
            elif param.required:
                raise self._lacks(param, state, node)
        if self.whole is not None:
            given[STATE] = _whole(state, params, item)
        if self.takes_kwargs:
            given |= {key: value for key, value in params.items() if key not in given}
            if item is not None:
                given.setdefault(*item)
        return given

    def _lacks(self, param: ToolParam, state: Mapping[str, Any], node: str) -> ToolError:
        told = (
            f"node {node!r}: tool {self.name!r} needs {param.name!r}, which is neither in the node's params nor in "
            f"the state{did_you_mean(param.name, state)}; keys there are: {name_list(state)}"
        )
        if param.decorator:
            told += (
                f". It is a parameter of the function that the decorator {param.decorator!r} wraps; if the decorator "
                "passes it by itself, write the wrapper's own parameters in place of *args and **kwargs, or set its "
                "__signature__"
            )
        return ToolError(told)


def _whole(state: Mapping[str, Any], params: Mapping[str, Any], item: tuple[str, Any] | None) -> Any:
    if item is not None and item[0] == STATE:
        return item[1]
    if STATE in params:
        return params[STATE]
    return state.as_dict() if isinstance(state, PathState) else dict(state)


_READ_ONLY = frozenset(
    {abc.Mapping, abc.Sequence, abc.Collection, abc.Set, abc.Iterable, abc.Container, abc.Reversible}
)


def _is_read_only(annotation: Any) -> bool:
    """Return whether an annotation is a read-only type of `collections.abc`, also within `Annotated` and unions."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _is_read_only(typing.get_args(annotation)[0])
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        return bool(members) and all(map(_is_read_only, members))
    return (typing.get_origin(annotation) or annotation) in _READ_ONLY
