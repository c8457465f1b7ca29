"""The signature of a tool: the parameters that a call of the function, with its decorators, accepts.

`inspect.signature` follows `__wrapped__` and so reports the innermost function. A decorator may add arguments, or take
arguments that the function does not have. These rules say which parameters count:

- A wrapper that names all its parameters, or sets `__signature__`, has these parameters.
- A wrapper with `**kwargs` (usually with `*args`) forwards other arguments: its named parameters count, and those of
  the function it wraps, except the ones that the wrapper itself passes. These are found in the wrapper's source
  (`nbflow.functions.decorators`), so `return fn(connection, *args, **kwargs)` requires no `connection`.
- If they cannot be found, all parameters of the wrapped function count, and an error about a missing one names the
  decorator (`ToolParam.decorator`).
- `functools.partial` removes the positional arguments that it binds; a keyword that it binds becomes a default.

Arguments are passed by name. A few callables require some by position, such as those of `functools.singledispatch`:
`by_position` has the names of these arguments.

Since Python 3.14 (PEP 649) annotations are evaluated when they are first read, which raises NameError for a name that
is not defined yet. Invariant: `annotations_of` and `signature` never raise for such a name. They return the annotations
as texts, as `from __future__ import annotations` does in every version of Python.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from nbflow.errors import ToolError
from nbflow.functions.decorators import Forwarded, forwarded
from nbflow.state import MISSING

if sys.version_info >= (3, 14):
    from annotationlib import Format, get_annotations

    def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
        """Return the annotations of a function; as texts if one of them cannot be evaluated yet."""
        try:
            return get_annotations(function)
        except Exception:  # noqa: BLE001 - an annotation is code of the user
            return get_annotations(function, format=Format.STRING)

    def signature(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
        """Return the signature of a callable, as `inspect.signature` does.

        Raises:
            TypeError, ValueError: Python knows no signature of it.
        """
        try:
            return inspect.signature(function, follow_wrapped=follow_wrapped)
        except (TypeError, ValueError, NameError, AttributeError):  # the first two may come from an annotation, too
            return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=Format.STRING)

    def annotated_by(function: types.FunctionType) -> object:
        """Return an object whose identity changes when the annotations of the function are replaced."""
        return function.__annotate__ or function.__annotations__

    def live_annotations(function: types.FunctionType) -> dict[str, Any]:
        """Return the dict in which a function has its annotations; an empty one if they cannot be evaluated yet."""
        try:
            return function.__annotations__
        except Exception:  # noqa: BLE001 - as above
            return {}

else:
    annotations_of = inspect.get_annotations
    signature = inspect.signature
    annotated_by = live_annotations = operator.attrgetter("__annotations__")

_DEEPEST = 100
"""As many functions may wrap each other; a wrapper that wraps itself would never end."""
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Dispatching:
    method = functools.singledispatchmethod(lambda self, value: value)


def _entry(function: Any) -> Any:
    """Return the code of a function, and the class of any other callable."""
    return getattr(function, "__code__", type(function))


_DISPATCHES = _entry(functools.singledispatch(lambda value: value))
_DISPATCHES_METHOD = _entry(_Dispatching().method)  # the code of a function; since Python 3.14 a class


@dataclass(frozen=True, slots=True)
class ToolParam:
    """One parameter of a tool.

    Attributes:
        name: Its name.
        annotation: The annotation, possibly a text; `inspect.Parameter.empty` if there is none.
        default: The default value; MISSING if there is none.
        supplied: True if a decorator passes the argument when the caller does not.
        decorator: The decorator whose source does not show which arguments it passes; the parameter then belongs to the
            wrapped function, and the decorator may pass it. Empty for any other parameter.
    """

    name: str
    annotation: Any
    default: Any
    supplied: bool = False
    decorator: str = ""

    @property
    def required(self) -> bool:
        """True if a call without this parameter fails."""
        return self.default is MISSING and not self.supplied


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A parameter, and the function whose annotation it has."""

    parameter: inspect.Parameter
    owner: object
    by_position: bool = False
    supplied: bool = False
    decorator: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters that a call of `function` accepts."""

    function: Callable[..., Any]
    params: tuple[ToolParam, ...]
    positional_only: tuple[str, ...]
    by_position: tuple[str, ...]
    takes_kwargs: bool
    accepted: tuple[_Accepted, ...]

    def types(self) -> tuple[dict[str, Any], bool]:
        """Return the types of the parameters and, as `return`, of the output; and whether all of them resolved.

        The result is not cached: a type that is named before it is defined resolves later.
        """
        entered, found, complete = entered_by(self.function), dict[str, Any](), True
        annotated = [(each.parameter.name, each.parameter.annotation, each.owner) for each in self.accepted]
        if entered is not None:
            annotated.append(("return", annotations_of(entered).get("return", inspect.Parameter.empty), entered))
        for name, annotation, owner in annotated:
            if annotation is not inspect.Parameter.empty:
                resolved = _resolved(annotation, owner)
                complete = complete and resolved is not MISSING
                if resolved is not MISSING:
                    found[name] = resolved
        return found, complete


def signature_of(name: str, function: Callable[..., Any]) -> Signature:
    """Return the signature of a function.

    Raises:
        ToolError: Python knows no signature of it, or it wraps itself; `name` is the tool's.
    """
    try:
        accepted = _accepted(function, 0)
    except (TypeError, ValueError) as error:
        raise ToolError(f"tool {name!r}: Python knows no signature of {function!r}; wrap it in a function") from error
    named = [each for each in accepted if each.parameter.kind in _BY_NAME]
    return Signature(
        function,
        tuple(_param(each) for each in named),
        tuple(each.parameter.name for each in accepted if each.parameter.kind is inspect.Parameter.POSITIONAL_ONLY),
        tuple(each.parameter.name for each in named if each.by_position),
        any(each.parameter.kind is inspect.Parameter.VAR_KEYWORD for each in accepted),
        tuple(accepted),
    )


def _param(accepted: _Accepted) -> ToolParam:
    parameter = accepted.parameter
    default = MISSING if parameter.default is parameter.empty else parameter.default
    return ToolParam(parameter.name, parameter.annotation, default, accepted.supplied, accepted.decorator)


def wrapped_by(function: object) -> Any:
    """Return the `__wrapped__` of a wrapper, which `functools.wraps` sets; None if it has none."""
    return None if isinstance(function, type) else getattr(function, "__wrapped__", None)


def _accepted(function: Any, depth: int) -> list[_Accepted]:
    if depth > _DEEPEST:
        raise ValueError("it wraps itself, or too many functions wrap each other")
    if isinstance(function, functools.partial):
        return _of_partial(function, depth)
    if isinstance(function, types.MethodType):
        return _bound(_accepted(function.__func__, depth + 1))
    if isinstance(function, staticmethod):
        return _accepted(function.__func__, depth + 1)
    wrapped = wrapped_by(function)
    told = getattr(function, "__signature__", None)
    if isinstance(told, inspect.Signature) and told is not getattr(wrapped, "__signature__", None):
        return _of_signature(told, function)
    if wrapped is None:
        return _own(function, depth)
    passes = forwarded(function, wrapped)
    wrapped = wrapped if passes is None else passes.function
    try:
        inner = _accepted(wrapped, depth + 1)
    except (TypeError, ValueError):
        if depth + 1 > _DEEPEST or _wraps_itself(function):
            raise
        return _own(function, depth)
    try:
        own = _own(function, depth)
    except (TypeError, ValueError):  # a wrapper in C, such as that of functools.cache, forwards all arguments
        return inner
    return _combined(function, passes, own, inner)


def _wraps_itself(function: Any) -> bool:
    for _ in range(_DEEPEST):
        function = wrapped_by(function)
        if function is None:
            return False
    return True


def _of_signature(signature: inspect.Signature, owner: object) -> list[_Accepted]:
    return [_Accepted(parameter, owner) for parameter in signature.parameters.values()]


def _own(function: Any, depth: int) -> list[_Accepted]:
    """Return the parameters of a callable, without those of a function that it wraps."""
    if isinstance(function, types.FunctionType):
        return _of_signature(signature(_bare(function)), function)
    if isinstance(function, type):
        return _of_signature(signature(function, follow_wrapped=False), function)
    call = getattr(type(function), "__call__", None)  # noqa: B004 - this is the function that a call enters
    if isinstance(call, types.FunctionType):
        return _bound(_accepted(call, depth + 1))
    return _of_signature(signature(function, follow_wrapped=False), function)


def _bare(function: types.FunctionType) -> types.FunctionType:
    """Return a function without its attributes: a wrapper has those of the wrapped function, also `__signature__`."""
    bare = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    bare.__kwdefaults__, bare.__annotations__ = function.__kwdefaults__, annotations_of(function)
    return bare


def _bound(accepted: list[_Accepted]) -> list[_Accepted]:
    """Return the parameters of a bound method: all but the first."""
    if accepted and accepted[0].parameter.kind in _POSITIONAL:
        return accepted[1:]
    if any(each.parameter.kind is inspect.Parameter.VAR_POSITIONAL for each in accepted):
        return accepted
    raise ValueError("it is bound to an object, and takes no positional argument")


def _of_partial(function: functools.partial[Any], depth: int) -> list[_Accepted]:
    inner = _accepted(function.func, depth + 1)
    if any(type(value) is _PLACEHOLDER for value in function.args):
        return _of_signature(signature(function), function.func)
    given, left = len(function.args), list[_Accepted]()
    for each in inner:
        if given and each.parameter.kind in _POSITIONAL:
            given -= 1
        else:
            left.append(_with_keyword(each, function.keywords))
    if given and not any(each.parameter.kind is inspect.Parameter.VAR_POSITIONAL for each in inner):
        raise ValueError("it has more positional arguments than the function takes")
    return left


_PLACEHOLDER = type(getattr(functools, "Placeholder", Ellipsis))  # of Python 3.14


def _with_keyword(accepted: _Accepted, keywords: dict[str, Any]) -> _Accepted:
    parameter = accepted.parameter
    if parameter.name not in keywords or parameter.kind not in _BY_NAME:
        return accepted
    kept = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=keywords[parameter.name])
    return replace(accepted, parameter=kept, by_position=False, decorator="")


def _combined(function: Any, passes: Forwarded | None, own: list[_Accepted], inner: list[_Accepted]) -> list[_Accepted]:
    """Return the parameters of a wrapper: its own named ones, and those of the wrapped function that it forwards."""
    kinds = {each.parameter.kind for each in own}
    has_args = inspect.Parameter.VAR_POSITIONAL in kinds
    if not has_args and inspect.Parameter.VAR_KEYWORD not in kinds:
        return own
    entry = _entry(function)
    if entry is _DISPATCHES or entry is _DISPATCHES_METHOD:
        inner = inner[1:] if entry is _DISPATCHES_METHOD else inner
        return [replace(inner[0], by_position=True), *inner[1:]] if inner else inner
    named = [each for each in own if each.parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, _KWARGS)]
    rest = list(_passed_on(inner, passes, _name_of(function), by_position=_KWARGS not in kinds))
    if any(each.by_position for each in rest):  # parameters before them can only be given by position too
        named = [replace(each, by_position=each.parameter.kind in _POSITIONAL) for each in named]
    taken = {each.parameter.name for each in named}
    kept = [*named, *(each for each in rest if each.parameter.name not in taken)]
    if passes is not None and _KWARGS in kinds:
        kept += _read(passes, {each.parameter.name for each in kept} | passes.keywords, function)
    return kept


_KWARGS = inspect.Parameter.VAR_KEYWORD


def _passed_on(
    inner: list[_Accepted], passes: Forwarded | None, decorator: str, *, by_position: bool
) -> Iterator[_Accepted]:
    """Yield the parameters of the wrapped function that a caller passes."""
    supplied = 0 if passes is None else passes.positional
    for each in inner:
        parameter = each.parameter
        if supplied and parameter.kind in _POSITIONAL:
            supplied -= 1
            continue
        if passes is None:
            yield replace(each, by_position=by_position or each.by_position, decorator=decorator)
        elif parameter.name not in passes.keywords:
            supplied_here = each.supplied or parameter.name in passes.optional
            yield replace(each, by_position=by_position or each.by_position, supplied=supplied_here)


def _read(passes: Forwarded, known: frozenset[str] | set[str], owner: object) -> Iterator[_Accepted]:
    """Yield the parameters that a wrapper itself reads from its `**kwargs`."""
    for name, required in passes.read.items():
        if name not in known:
            parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
            yield _Accepted(parameter, owner, supplied=not required)


def _name_of(function: Any) -> str:
    """Return the name of a decorator for errors: of the wrapper `retried.<locals>.call` it is `retried`.

    `functools.wraps` gives the wrapper the name of the wrapped function, but does not change its code object.
    """
    code = getattr(function, "__code__", None)
    return str(code.co_qualname).partition(".<locals>")[0] if code is not None else type(function).__name__


def _resolved(annotation: Any, owner: Any) -> Any:
    """Return the object that an annotation names; MISSING if a name in it is unknown."""
    innermost = owner
    for _ in range(_DEEPEST):
        if (inner := wrapped_by(innermost)) is None:
            break
        innermost = inner
    innermost = innermost if isinstance(innermost, type) else entered_by(innermost) or innermost
    if isinstance(innermost, type):
        names = vars(inspect.getmodule(innermost)) if inspect.getmodule(innermost) else {}
        local: dict[str, Any] = {}
    else:
        names, local = getattr(innermost, "__globals__", {}), _closure(innermost)
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, names, {**names, **local}, include_extras=True)["it"]
    except Exception:  # noqa: BLE001 - an annotation need not resolve
        return MISSING


def _closure(function: Any) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def entered_by(function: Any) -> types.FunctionType | None:
    """Return the Python function that a call enters, through partials, methods and `__call__`; None for others."""
    for _ in range(_DEEPEST):
        if isinstance(function, types.FunctionType):
            return function
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType | staticmethod):
            function = function.__func__
        elif type(function) is _DISPATCHES_METHOD:
            function = function.__wrapped__
        else:
            method = None if isinstance(function, type) else getattr(type(function), "__call__", None)  # noqa: B004
            return method if isinstance(method, types.FunctionType) else None
    return None


class ByPosition:
    """Calls a function with some of its arguments by position, the others by name."""

    __slots__ = ("function", "params")

    def __init__(self, function: Callable[..., Any], params: tuple[ToolParam, ...]) -> None:
        self.function, self.params = function, params

    def __call__(self, **given: Any) -> Any:
        """Call the function; a missing parameter ends the positional arguments, unless it has a default."""
        arguments = []
        for param in self.params:
            value = given.pop(param.name, param.default)
            if value is MISSING:
                break
            arguments.append(value)
        return self.function(*arguments, **given)
