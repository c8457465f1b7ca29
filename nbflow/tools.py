"""Tools: the functions that nodes run, and the registry that knows them by name.

Rule: a name is looked up when a node starts, so a redefined function is used by whatever starts after it; which version
ran, and its source, is told by its `ToolSpec`.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import textwrap
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, TypeVar, overload

from nbflow.errors import ToolError, did_you_mean, name_list
from nbflow.reducers import MISSING
from nbflow.state import PathState

Function = TypeVar("Function", bound=Callable[..., Any])
EXECUTORS = ("auto", "inline", "thread", "process", "dask")


@dataclass(frozen=True)
class ToolParam:
    """One parameter of a tool; `default` is MISSING where it has none."""

    name: str
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether the tool cannot run without it."""
        return self.default is MISSING


@dataclass(frozen=True)
class ToolSpec:
    """A registered tool. `retries`, `backoff` and `timeout` (seconds) and `executor` are defaults of its nodes."""

    name: str
    function: Callable[..., Any]
    version: int = 1
    executor: str | None = None
    retries: int | None = None
    backoff: float | None = None
    timeout: float | None = None

    @cached_property
    def params(self) -> tuple[ToolParam, ...]:
        """The parameters that are given by name; without `state` and `**kwargs`."""
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return tuple(
            ToolParam(p.name, p.annotation, MISSING if p.default is p.empty else p.default)
            for p in _signature(self.name, self.function)
            if p.kind in kinds and p.name != "state"
        )

    @cached_property
    def types(self) -> dict[str, Any]:
        """The types that it names for its parameters and, as `return`, its output, as far as they can be known."""
        try:
            return typing.get_type_hints(self.function, include_extras=True)
        except Exception:  # noqa: BLE001 - a name that does not resolve is the user's matter
            return {}

    @cached_property
    def read_only(self) -> frozenset[str]:
        """The parameters whose annotation promises not to change the value, so that it is passed without a copy."""
        return frozenset(name for name, annotation in self.types.items() if _is_read_only(annotation))

    @cached_property
    def takes_state(self) -> bool:
        """Whether it is given a copy of the whole state."""
        return any(p.name == "state" for p in _signature(self.name, self.function))

    @cached_property
    def takes_kwargs(self) -> bool:
        """Whether it is given the node's params that no parameter is named for."""
        return any(p.kind is p.VAR_KEYWORD for p in _signature(self.name, self.function))

    @cached_property
    def is_coroutine(self) -> bool:
        """Whether calling it makes a coroutine, and runs none of its code."""
        return bool(_flags(self.function) & inspect.CO_COROUTINE)

    @cached_property
    def is_async(self) -> bool:
        """Whether it is meant for the loop: a coroutine function, one marked as such, or an async generator function.

        What a call gives decides how the call goes on; this tells only where it is made.
        """
        flags = _flags(self.function)
        return bool(flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)) or inspect.iscoroutinefunction(
            self.function
        )

    @cached_property
    def is_generator(self) -> bool:
        """Whether it streams: a generator function, async or not."""
        return bool(_flags(self.function) & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR))

    @cached_property
    def source(self) -> str | None:
        """Its source text; None where Python does not know it."""
        try:
            return textwrap.dedent(inspect.getsource(inspect.unwrap(self.function)))
        except (OSError, TypeError):
            return None

    @cached_property
    def source_hash(self) -> str | None:
        """What tells its source from another's: 12 hex digits."""
        return hashlib.sha256(self.source.encode("utf-8", "replace")).hexdigest()[:12] if self.source else None

    @cached_property
    def doc(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def arguments(
        self, state: Mapping[str, Any], params: Mapping[str, Any], *, node: str, item: tuple[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what to call it with: the map's item, then the node's params, the state, the parameter's default.

        Raises:
            ToolError: A parameter is in none of these.
        """
        given: dict[str, Any] = {}
        for param in self.params:
            name = param.name
            if item is not None and name == item[0]:
                given[name] = item[1]
            elif name in params:
                given[name] = params[name]
            elif (value := state.get(name, MISSING)) is not MISSING:
                given[name] = value
            elif param.default is MISSING:
                raise ToolError(
                    f"node {node!r}: tool {self.name!r} needs {name!r}, which is neither in the node's params nor in "
                    f"the state{did_you_mean(name, state)}; keys there are: {name_list(state)}"
                )
        if self.takes_state:
            given["state"] = state.as_dict() if isinstance(state, PathState) else dict(state)
        if self.takes_kwargs:
            given |= {key: value for key, value in params.items() if key not in given}
            if item is not None:
                given.setdefault(*item)
        return given

    def first_param(self) -> str | None:
        """Return the name that a map binds its items to unless told otherwise."""
        return self.params[0].name if self.params else None


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


def _entered(function: Any) -> types.FunctionType | None:
    """Return the Python function that a call enters, through partials, methods and `__call__`; None for others."""
    while not isinstance(function, types.FunctionType):
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType | staticmethod):
            function = function.__func__
        else:
            method = None if isinstance(function, type) else getattr(type(function), "__call__", None)  # noqa: B004
            return method if isinstance(method, types.FunctionType) else None
    return function


def _flags(function: Any) -> int:
    """Return the flags of the code that a call enters; generators that are awaited count as no generators."""
    entered = _entered(function)
    flags = entered.__code__.co_flags if entered is not None else 0
    return 0 if flags & inspect.CO_ITERABLE_COROUTINE else flags


def _signature(name: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ToolError(f"tool {name!r}: Python knows no signature of {function!r}; wrap it in a function") from error


def _pass() -> None:
    """Do nothing: a place where paths split or meet."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a registry held at one moment."""

    tools: dict[str, ToolSpec]
    predicates: dict[str, Callable[..., Any]]
    reducers: dict[str, Callable[[Any, Any], Any]]
    packages_loaded: bool


class ToolRegistry:
    """Tools, predicates and reducers by name. Tools of installed packages load when a name is first not known."""

    def __init__(self) -> None:
        self._tools: dict[str, ToolSpec] = {"pass": ToolSpec("pass", _pass, executor="inline")}
        self._predicates: dict[str, Callable[..., Any]] = {}
        self._reducers: dict[str, Callable[[Any, Any], Any]] = {}
        self._packages_loaded = False
        self.revision = 0
        """Grows with every change, so that what was made of the tools can be told from what is to be made anew."""

    def register(
        self, name: str, function: Callable[..., Any], *, executor: str | None = None, retries: int | None = None,
        backoff: float | None = None, timeout: float | None = None,
    ) -> ToolSpec:  # fmt: skip
        """Register a function under a name, in place of what had it before; return its spec.

        Raises:
            ToolError: It cannot be called by name, or an option is not what it should be.
        """
        if not callable(function):
            raise ToolError(f"tool {name!r} is {type(function).__name__}, which cannot be called; register a function")
        if not isinstance(name, str) or not name.strip():
            raise ToolError(f"a tool's name is a text that is not empty, got {name!r}")
        _check_options(name, executor, retries, backoff, timeout)
        for param in _signature(name, function):
            if param.kind is param.POSITIONAL_ONLY:
                raise ToolError(f"tool {name!r}: {param.name!r} is positional-only, and arguments are given by name")
        before = self._tools.get(name)
        version = before.version + 1 if before else 1
        self.revision += 1
        spec = self._tools[name] = ToolSpec(name, function, version, executor, retries, backoff, timeout)
        return spec

    @overload
    def tool(self, function: Function, /) -> Function: ...
    @overload
    def tool(
        self, /, *, name: str | None = None, executor: str | None = None, retries: int | None = None,
        backoff: float | None = None, timeout: float | None = None,
    ) -> Callable[[Function], Function]: ...  # fmt: skip
    def tool(self, function: Any = None, /, *, name: str | None = None, **options: Any) -> Any:
        """Register a function under its own name or `name`; a decorator, with or without options."""

        def decorate(decorated: Any) -> Any:
            self.register(name or decorated.__name__, decorated, **options)
            return decorated

        return decorate if function is None else decorate(function)

    def predicate(self, function: Function) -> Function:
        """Make a pure function callable in conditions."""
        self.revision += 1
        self._predicates[function.__name__] = function
        return function

    def reducer(self, function: Function) -> Function:
        """Make a pure function of a value and one update a reducer."""
        self.revision += 1
        self._reducers[function.__name__] = function
        return function

    @property
    def predicates(self) -> Mapping[str, Callable[..., Any]]:
        """The registered predicates by name."""
        return self._predicates

    @property
    def reducers(self) -> Mapping[str, Callable[[Any, Any], Any]]:
        """The registered reducers by name, without the built-in ones."""
        return self._reducers

    def get(self, name: str) -> ToolSpec:
        """Return the tool of that name.

        Raises:
            ToolError: There is none, here or in an installed package; it names those most alike.
        """
        if name not in self:
            near = did_you_mean(name, self._tools)
            raise ToolError(f"unknown tool {name!r}{near}; known tools: {name_list(self.names())}")
        return self._tools[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._tools:
            self._load_packages()
        return name in self._tools

    def names(self) -> list[str]:
        """Return the names of all tools, those of installed packages too."""
        self._load_packages()
        return list(self._tools)

    def remove(self, name: str) -> None:
        """Forget a tool."""
        self.revision += 1
        self._tools.pop(name, None)

    def snapshot(self) -> Snapshot:
        """Return what is registered now."""
        return Snapshot(dict(self._tools), dict(self._predicates), dict(self._reducers), self._packages_loaded)

    def restore(self, snapshot: Snapshot) -> None:
        """Put back what was registered when the snapshot was taken."""
        self.revision += 1
        self._tools, self._predicates = dict(snapshot.tools), dict(snapshot.predicates)
        self._reducers, self._packages_loaded = dict(snapshot.reducers), snapshot.packages_loaded

    def _load_packages(self) -> None:
        """Register what packages offer in the entry-point group `nbflow.tools`: dicts of functions by name."""
        if self._packages_loaded:
            return
        self._packages_loaded = True
        for point in entry_points(group="nbflow.tools"):
            for name, function in point.load().items():
                if name not in self._tools:
                    self.register(name, function)


def _check_options(
    name: str, executor: str | None, retries: int | None, backoff: float | None, timeout: float | None
) -> None:
    if executor is not None and executor not in EXECUTORS:
        near = did_you_mean(executor, EXECUTORS)
        raise ToolError(f"tool {name!r}: unknown executor {executor!r}{near}; known executors: {', '.join(EXECUTORS)}")
    if retries is not None and retries < 0:
        raise ToolError(f"tool {name!r}: retries is {retries}; it counts further attempts, so 0 or more")
    if backoff is not None and backoff < 0:
        raise ToolError(f"tool {name!r}: backoff is {backoff} s; it must be 0 or more")
    if timeout is not None and not timeout > 0:
        raise ToolError(f"tool {name!r}: timeout is {timeout} s; it must be above 0")
