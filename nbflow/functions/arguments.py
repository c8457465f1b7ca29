"""The arguments of a call of a tool: which values its parameters get (SEMANTICS rule 19).

The annotation of a parameter named `state` decides what it gets:

- no annotation, `Any`, `object`, a mapping type such as `dict`, `Mapping` or a TypedDict, one of these inside
  `Annotated` or a union, or a name that does not resolve: a copy of the whole state;
- a pydantic model or a dataclass: an instance of it, created from the keys of the state that it has fields for;
- anything else, such as `str` or `Literal["open", "closed"]`: the value of the key `state`, as any other parameter.

A map's item or a param of the node that is named `state` is passed in place of the whole state.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.errors import ToolError, did_you_mean, name_list
from nbflow.functions.signatures import Signature, ToolParam, signature
from nbflow.names import key_for
from nbflow.state import MISSING, PathState

STATE = "state"


@dataclass(frozen=True, slots=True)
class Field:
    """A key that a model takes from the state; `default` is MISSING if there is none or a factory."""

    name: str
    annotation: Any
    default: Any
    required: bool


@dataclass(frozen=True, slots=True)
class WholeParameter:
    """A parameter that gets the whole state; `model` is the class of the argument, None for a dict."""

    model: type | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the model; empty for a dict."""
        return () if self.model is None else tuple(_fields(self.model))

    def made(self, state: Mapping[str, Any], *, node: str, tool: str) -> Any:
        """Return an instance of the model, created from a state.

        Raises:
            ToolError: The state does not fit the model; the message names the fields, and no value.
        """
        model = self.model
        assert model is not None  # noqa: S101 - callers check it
        try:
            return _of_model(model, state) if hasattr(model, "model_validate") else _of_dataclass(model, state)
        except Exception as error:
            faults = _faults(error)
            if faults is None:
                raise
            told = name_list(faults, most=6)
            known = name_list(map(str, state))
        # The error of pydantic shows the values, which may be secrets.
        raise ToolError(
            f"node {node!r}: tool {tool!r} takes the state as {model.__name__}, which it does not fit: {told}; keys "
            f"there are: {known}"
        ) from None


def whole_parameter(annotation: Any) -> WholeParameter | None:
    """Return the form in which a parameter named `state` gets the whole state; None if it gets the key `state`.

    `annotation` is the resolved annotation of the parameter; MISSING if it has none or it does not resolve.
    """
    members = list(_members(annotation, 0))
    if any(map(_is_whole, members)):
        return WholeParameter()
    model = next((member for member in members if _is_model(member)), None)
    return None if model is None else WholeParameter(model)


def _members(annotation: Any, depth: int) -> Iterator[Any]:
    """Yield the types that an annotation allows: each member of a union, and the types in Annotated and aliases."""
    origin = typing.get_origin(annotation)
    if depth > 20:
        return
    if origin is typing.Annotated:
        yield from _members(typing.get_args(annotation)[0], depth + 1)
    elif origin is typing.Union or isinstance(annotation, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _members(member, depth + 1)
    elif isinstance(annotation, typing.NewType):
        yield from _members(annotation.__supertype__, depth + 1)
    elif isinstance(annotation, typing.TypeVar):
        bounds = annotation.__constraints__ or (annotation.__bound__ or object,)
        for bound in bounds:
            yield from _members(bound, depth + 1)
    elif type(annotation).__name__ == "TypeAliasType":
        yield from _members(annotation.__value__, depth + 1)
    elif type(origin).__name__ == "TypeAliasType":
        yield from _members(origin.__value__, depth + 1)
    else:
        yield origin or annotation


def _is_whole(member: Any) -> bool:
    if any(member is one for one in (MISSING, Any, object)) or isinstance(member, str | typing.ForwardRef):
        return True
    if typing.is_typeddict(member):
        return True
    return isinstance(member, type) and issubclass(member, Mapping) and not _is_model(member)


def _is_model(member: Any) -> bool:
    return isinstance(member, type) and (hasattr(member, "__pydantic_fields__") or dataclasses.is_dataclass(member))


def _of_model(model: Any, state: Mapping[str, Any]) -> Any:
    """Return an instance of a pydantic model; a model that forbids extra keys gets only the keys of its fields."""
    values = dict(state)
    taken = _names_of(model)
    for name in taken:
        key = key_for(name, state)
        if key is not None and key != name:
            values[name] = state[key]
    if model.model_config.get("extra") == "forbid":
        values = {key: value for key, value in values.items() if key in taken}
    return model.model_validate(values)


def _names_of(model: Any) -> set[str]:
    """Return the keys that a pydantic model takes: the names and aliases of its fields."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for alias in (field.alias, field.validation_alias):
            choices = getattr(alias, "choices", [alias])
            for choice in choices:
                first = getattr(choice, "path", [choice])[0]
                if isinstance(first, str):
                    found.add(first)
    return found


def _of_dataclass(model: type, state: Mapping[str, Any]) -> Any:
    given: dict[str, Any] = {}
    lacking = []
    for parameter in signature(model).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= {key: value for key, value in state.items() if key not in given}
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            key = key_for(parameter.name, state)
            if key is not None:
                given[parameter.name] = state[key]
            elif parameter.default is parameter.empty:
                lacking.append(parameter.name)
    if lacking:
        raise _LackingError([f"{name} is not in the state{did_you_mean(name, state)}" for name in lacking])
    return model(**given)


class _LackingError(Exception):
    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__(faults)


def _faults(error: Exception) -> list[str] | None:
    """Return a text for each field that does not fit; None if the error has another cause."""
    if isinstance(error, _LackingError):
        return error.faults
    told = getattr(error, "errors", None)
    if type(error).__name__ != "ValidationError" or told is None:
        return None
    listed = told(include_url=False, include_input=False, include_context=False)
    return [f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in listed]


def _fields(model: Any) -> Iterator[Field]:
    if getattr(model, "__pydantic_root_model__", False):
        return
    if hasattr(model, "model_validate"):
        for name, field in model.model_fields.items():
            alias = field.validation_alias if isinstance(field.validation_alias, str) else field.alias
            needed, default = field.is_required(), MISSING
            if not needed and field.default_factory is None:
                default = field.default
            yield Field(alias or name, field.annotation, default, needed)
        return
    hints = typing.get_type_hints(model, include_extras=True) if _resolves(model) else {}
    for parameter in signature(model).parameters.values():
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            needed = parameter.default is parameter.empty
            made = needed or type(parameter.default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS"
            default = MISSING if made else parameter.default
            yield Field(parameter.name, hints.get(parameter.name, Any), default, needed)


def _resolves(model: Any) -> bool:
    try:
        typing.get_type_hints(model)
    except Exception:  # noqa: BLE001 - an annotation need not resolve
        return False
    return True


@dataclass(frozen=True, slots=True)
class Parameters:
    """The arguments that a tool takes.

    Attributes:
        name: The name of the tool.
        named: The parameters that each get one value, all but `whole` and `**kwargs`.
        whole: The parameter `state`, if it takes the whole state; None if there is none or it takes the key `state`.
        takes_kwargs: True if the tool has `**kwargs`, which get the params of the node that match no parameter.
        types: The types of the parameters and, as `return`, of the output; empty if one of them does not resolve.
        read_only: The parameters whose annotation is a read-only type, such as `Mapping`.
        resolved: True if all annotations resolved.
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
        """Return the arguments by name: each from the map's item, the params of the node or the state, in that order.

        A parameter with a default that is in none of these is left out.

        `params` are the params of the node, by valid identifiers (`nbflow.names.by_identifier`).

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
