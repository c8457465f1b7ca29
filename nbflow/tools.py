"""Tools: the functions that nodes run, and the registry of tools by name.

Invariant: a tool is looked up by its name when a node starts, so each node that starts later uses a redefined function.
`ToolRegistry.get` also detects a function that was changed in place, and gives the tool a new version. The `ToolSpec`
of a firing has the version that ran, and its source.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, TypeVar, get_args, overload

from nbflow.errors import ToolError, did_you_mean, name_list
from nbflow.functions.arguments import Parameters
from nbflow.functions.signatures import ByPosition, Signature, entered_by, signature_of
from nbflow.functions.signatures import ToolParam as ToolParam
from nbflow.functions.source import Definition, Unchanged, present, source_of, unchanged_since
from nbflow.graph.model import Executor
from nbflow.names import by_identifier, identifier

Function = TypeVar("Function", bound=Callable[..., Any])
EXECUTORS: tuple[str, ...] = get_args(Executor)


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
    difference: str = field(default="", repr=False)
    """The changes made in place that the source does not show, as a text; part of `source_hash`."""

    @cached_property
    def unchanged(self) -> Unchanged:
        """A function that returns whether `function` is unchanged since `register` first read this attribute."""
        return unchanged_since(self.function)

    @cached_property
    def definition(self) -> Definition:
        """The defaults that the function had when its source was read."""
        return Definition(self.function)

    @cached_property
    def signature(self) -> Signature:
        """The arguments that a call accepts.

        Raises:
            ToolError: The function has no known signature, or a positional-only parameter.
        """
        signature = signature_of(self.name, self.function)
        for name in signature.positional_only:
            raise ToolError(
                f"tool {self.name!r}: {name!r} is positional-only, and arguments are given by name; "
                "wrap it in a function"
            )
        return signature

    @cached_property
    def callable(self) -> Callable[..., Any]:
        """The callable that takes arguments by name: the function, or a wrapper that passes some by position."""
        by_position = self.signature.by_position
        if not by_position:
            return self.function
        return ByPosition(self.function, tuple(each for each in self.signature.params if each.name in by_position))

    @property
    def parameters(self) -> Parameters:
        """The parameters of the tool, with their types."""
        known: Parameters | None = self.__dict__.get("_parameters")
        if known is None:
            known = Parameters.read(self.name, self.signature)
            if known.resolved:  # else a type may be defined later
                self.__dict__["_parameters"] = known
        return known

    @property
    def params(self) -> tuple[ToolParam, ...]:
        """The parameters that each get one value: all but `**kwargs` and a `state` that gets the whole state."""
        return self.parameters.named

    @property
    def types(self) -> Mapping[str, Any]:
        """The types of the parameters and, as `return`, of the output; empty if one of them does not resolve."""
        return self.parameters.types

    @property
    def read_only(self) -> frozenset[str]:
        """The parameters annotated with a read-only type, such as `Mapping`; they get their values without a copy."""
        return self.parameters.read_only

    @property
    def takes_state(self) -> bool:
        """True if the tool gets a copy of the whole state, or a model created from it."""
        return self.parameters.whole is not None

    @property
    def takes_kwargs(self) -> bool:
        """True if the tool has `**kwargs`, which get the params of the node that match no parameter."""
        return self.signature.takes_kwargs

    @cached_property
    def is_coroutine(self) -> bool:
        """True if a call creates a coroutine and runs no code of the function."""
        return bool(_flags(self.function) & inspect.CO_COROUTINE)

    @cached_property
    def is_async(self) -> bool:
        """True if a call is made on the loop: for a coroutine function, also by mark, or an async generator function.

        The type of the returned object determines how the call continues; this property only says where it is made.
        """
        flags = _flags(self.function)
        return bool(flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)) or inspect.iscoroutinefunction(
            self.function
        )

    @cached_property
    def is_generator(self) -> bool:
        """True if the tool streams: a generator function, async or not."""
        return bool(_flags(self.function) & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR))

    @cached_property
    def source(self) -> str | None:
        """The source of the function that does the work, inside all decorators; None if it is not available."""
        return source_of(self.function)

    @cached_property
    def source_hash(self) -> str | None:
        """The hash of the source, 12 hex digits."""
        text = self.source and self.source + self.difference
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12] if text else None

    @cached_property
    def doc(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def arguments(
        self, state: Mapping[str, Any], params: Mapping[str, Any], *, node: str, item: tuple[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the arguments of a call, as `Parameters.arguments` does."""
        return self.parameters.arguments(state, by_identifier(params), node=node, item=item)

    def first_param(self) -> str | None:
        """Return the parameter that a map binds its items to by default."""
        return self.params[0].name if self.params else None


def _flags(function: Any) -> int:
    """Return the flags of the code that a call enters; 0 for a generator that is awaited (`types.coroutine`)."""
    entered = entered_by(function)
    flags = entered.__code__.co_flags if entered is not None else 0
    return 0 if flags & inspect.CO_ITERABLE_COROUTINE else flags


def _noted(spec: ToolSpec) -> ToolSpec:
    """Read and cache the signature, the source and the defaults of a tool's function, and return the tool.

    Raises:
        ToolError: The function cannot be called with arguments by name.
    """
    _ = spec.unchanged, spec.signature, spec.source, spec.definition
    return spec


def _pass() -> None:
    """Do nothing: the tool of a node where paths split or meet."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a registry at one moment."""

    tools: dict[str, ToolSpec]
    predicates: dict[str, Callable[..., Any]]
    reducers: dict[str, Callable[[Any, Any], Any]]
    packages_loaded: bool


class ToolRegistry:
    """Tools, predicates and reducers by name. Tools of installed packages load at the first unknown name."""

    def __init__(self) -> None:
        self._tools: dict[str, ToolSpec] = {"pass": ToolSpec("pass", _pass, executor="inline")}
        self._predicates: dict[str, Callable[..., Any]] = {}
        self._reducers: dict[str, Callable[[Any, Any], Any]] = {}
        self._packages_loaded = False
        self.revision = 0
        """Grows with every change, so that results derived from older tools can be detected and computed again."""

    def register(
        self, name: str, function: Callable[..., Any], *, executor: str | None = None, retries: int | None = None,
        backoff: float | None = None, timeout: float | None = None,
    ) -> ToolSpec:  # fmt: skip
        """Register a function under a name, replace an earlier tool of that name, and return the new tool.

        Raises:
            ToolError: The function cannot be called with arguments by name, or an option is invalid.
        """
        if not callable(function):
            raise ToolError(f"tool {name!r} is {type(function).__name__}, which cannot be called; register a function")
        if not isinstance(name, str) or not name.strip():
            raise ToolError(f"a tool's name is a text that is not empty, got {name!r}")
        _check_options(name, executor, retries, backoff, timeout)
        name = identifier(name)
        before = self._tools.get(name)
        version = before.version + 1 if before else 1
        spec = _noted(ToolSpec(name, function, version, executor, retries, backoff, timeout))
        self.revision += 1
        self._tools[name] = spec
        return spec

    @overload
    def tool(self, function: Function, /) -> Function: ...
    @overload
    def tool(
        self, /, *, name: str | None = None, executor: str | None = None, retries: int | None = None,
        backoff: float | None = None, timeout: float | None = None,
    ) -> Callable[[Function], Function]: ...  # fmt: skip
    def tool(self, function: Any = None, /, *, name: str | None = None, **options: Any) -> Any:
        """Register a function under its `__name__` or `name`; usable as a decorator, with or without options."""

        def decorate(decorated: Any) -> Any:
            self.register(name or decorated.__name__, decorated, **options)
            return decorated

        return decorate if function is None else decorate(function)

    def predicate(self, function: Function) -> Function:
        """Make a pure function callable in conditions."""
        self.revision += 1
        self._predicates[identifier(function.__name__)] = function
        return function

    def reducer(self, function: Function) -> Function:
        """Make a pure function of a value and one update a reducer."""
        self.revision += 1
        self._reducers[identifier(function.__name__)] = function
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
        """Return the current version of a tool.

        Raises:
            ToolError: Neither the session nor an installed package has the tool; the message lists similar names.
        """
        if name not in self:
            near = did_you_mean(name, self._tools)
            raise ToolError(f"unknown tool {name!r}{near}; known tools: {name_list(self.names())}")
        spec = self._tools[identifier(name)]
        return spec if spec.unchanged() else self._renewed(spec)

    def _renewed(self, spec: ToolSpec) -> ToolSpec:
        """Replace a tool whose function was changed in place by a new version, and return that."""
        known, definition = spec.source, spec.definition
        renewed = replace(spec, function=present(spec.function), version=spec.version + 1, difference="")
        if renewed.source == known:
            renewed = replace(renewed, difference=definition.difference(renewed.function))
            renewed.__dict__["definition"] = definition
        self.revision += 1
        self._tools[spec.name] = renewed = _noted(renewed)
        return renewed

    def __contains__(self, name: object) -> bool:
        name = identifier(name) if isinstance(name, str) else name
        if name not in self._tools:
            self._load_packages()
        return name in self._tools

    def names(self) -> list[str]:
        """Return the names of all tools, including those of installed packages."""
        self._load_packages()
        return list(self._tools)

    def remove(self, name: str) -> None:
        """Remove a tool."""
        self.revision += 1
        self._tools.pop(identifier(name), None)

    def snapshot(self) -> Snapshot:
        """Return the current content of the registry."""
        return Snapshot(dict(self._tools), dict(self._predicates), dict(self._reducers), self._packages_loaded)

    def restore(self, snapshot: Snapshot) -> None:
        """Restore the content of a snapshot."""
        self.revision += 1
        self._tools, self._predicates = dict(snapshot.tools), dict(snapshot.predicates)
        self._reducers, self._packages_loaded = dict(snapshot.reducers), snapshot.packages_loaded

    def _load_packages(self) -> None:
        """Register the tools of the entry points in the group `nbflow.tools`, which are dicts of functions by name."""
        if self._packages_loaded:
            return
        self._packages_loaded = True
        for point in entry_points(group="nbflow.tools"):
            for name, function in point.load().items():
                if identifier(name) not in self._tools:
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
