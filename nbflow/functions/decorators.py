"""Find the arguments that the wrapper of a decorator passes to the wrapped function, from the wrapper's source.

A wrapper `def call(*args, **kwargs)` may add arguments (`fn(connection, *args, **kwargs)`), set them
(`kwargs["connection"] = …`), or take some out (`kwargs.pop("verbose", False)`). The source is parsed, never run. Only
calls of the wrapped function count: directly by a variable, or as an argument of another call, such as
`asyncio.to_thread(fn, *args, **kwargs)`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

from nbflow.functions.parser import parse_module
from nbflow.state import MISSING

_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(slots=True)
class Forwarded:
    """The way in which a wrapper passes arguments to the function that it calls.

    Attributes:
        function: The function that the wrapper calls: its `__wrapped__`, unless the variable that referred to that
            function has been set to another one.
        positional: The number of the function's first parameters that the wrapper itself passes.
        keywords: The parameters that it passes by name.
        optional: The parameters that it passes if the caller does not.
        read: The arguments that it reads from its `**kwargs`; the value is true if the wrapper requires the argument.
    """

    function: Any
    positional: int = 0
    keywords: set[str] = field(default_factory=set)
    optional: set[str] = field(default_factory=set)
    read: dict[str, bool] = field(default_factory=dict)


def forwarded(function: Any, wrapped: Any) -> Forwarded | None:
    """Return the arguments that a wrapper passes; None if its source is unknown or has no call of `wrapped`."""
    bound, entered = None, function
    if not isinstance(function, FunctionType):
        bound, entered = function, getattr(type(function), "__call__", None)  # noqa: B004
    if not isinstance(entered, FunctionType):
        return None
    definition = _definition(entered)
    if definition is None:
        return None
    wrapper = _Wrapper(entered, definition, bound, wrapped)
    calls = wrapper.calls() or wrapper.calls_of_another()
    if not calls or any(call != calls[0] for call in calls[1:]):
        return None
    wrapper.note_kwargs(calls[0])
    return calls[0]


def _definition(function: FunctionType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the syntax tree of a function's definition; None if the text does not match its code."""
    try:
        tree = parse_module(textwrap.dedent(inspect.getsource(function.__code__)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    found = tree.body[0] if tree.body else None
    if not isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) or found.name != function.__code__.co_name:
        return None
    count = function.__code__.co_argcount
    named = [each.arg for each in (*found.args.posonlyargs, *found.args.args)]
    return found if tuple(named) == function.__code__.co_varnames[:count] else None


class _Wrapper:
    """The source of a wrapper, and the values of its variables."""

    def __init__(
        self, function: FunctionType, definition: ast.FunctionDef | ast.AsyncFunctionDef, bound: Any, wrapped: Any
    ) -> None:
        self._function, self._wrapped = function, wrapped
        arguments = definition.args
        self._args = arguments.vararg.arg if arguments.vararg else None
        self._kwargs = arguments.kwarg.arg if arguments.kwarg else None
        first = (*arguments.posonlyargs, *arguments.args)[:1]
        self._known = {first[0].arg: bound} if bound is not None and first else {}
        self._nodes = list(self._inside(definition))

    def _inside(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes within a function, without inner functions that have their own `args` or `kwargs`."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _INNER):
                own = (child.args.vararg, child.args.kwarg)
                if {each.arg for each in own if each is not None} & {self._args, self._kwargs}:
                    continue
            yield child
            yield from self._inside(child)

    def calls(self) -> list[Forwarded]:
        """Return a `Forwarded` for each call that passes the wrapper's own arguments to the wrapped function."""
        found = (self._call(node) for node in self._nodes if isinstance(node, ast.Call))
        return [call for call in found if call is not None]

    def calls_of_another(self) -> list[Forwarded]:
        """Return the same for the only function that a variable has in place of the wrapped one, if there is one."""
        names = {node.id for node in self._nodes if isinstance(node, ast.Name)}
        for name in sorted(names & set(self._function.__code__.co_freevars)):
            value = self._named(name)
            if _names_parameters(value):
                self._wrapped = value
                if calls := self.calls():
                    return calls
        return []

    def _call(self, node: ast.Call) -> Forwarded | None:
        passed = [node.func, *node.args]
        spread = [keyword.value for keyword in node.keywords if keyword.arg is None]
        stars = [at for at, each in enumerate(passed) if isinstance(each, ast.Starred)]
        own = [at for at in stars if self._is(passed[at].value, self._args)]  # type: ignore[attr-defined]  # a Starred
        if not own and not any(self._mentions(each) for each in spread):
            return None
        at = next((at for at, each in enumerate(passed) if self._holds_wrapped(each)), None)
        if at is None or len(stars) > len(own):
            return None
        end = own[0] if own else len(passed)
        named = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
        found = Forwarded(self._wrapped, end - at - 1, named)
        for each in spread:
            self._add_spread(each, found)
        return found

    def _add_spread(self, value: ast.expr, found: Forwarded) -> None:
        """Note the keys that `**{**kwargs, "key": …}`, `**dict(kwargs, key=…)` and `**(kwargs | {…})` add."""
        behind = False
        match value:
            case ast.Dict(keys=keys, values=values):
                for key, part in zip(keys, values, strict=True):
                    if key is None:
                        behind = behind or self._is(part, self._kwargs)
                    elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                        (found.keywords if behind else found.optional).add(key.value)
            case ast.Call(keywords=keywords):
                found.keywords |= {keyword.arg for keyword in keywords if keyword.arg is not None}
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                for part, keys_found in ((left, found.optional), (right, found.keywords)):
                    if isinstance(part, ast.Dict):
                        keys_found |= _texts(part.keys)

    def note_kwargs(self, found: Forwarded) -> None:
        """Note the keys that the wrapper sets in its `**kwargs`, and those that it reads there."""
        asked = {
            node.left.value
            for node in self._nodes
            if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant)
            and isinstance(node.ops[0], ast.In | ast.NotIn) and self._is(node.comparators[0], self._kwargs)
        }  # fmt: skip
        for node in self._nodes:
            match node:
                case ast.Subscript(value=of, slice=ast.Constant(value=str(key)), ctx=context):
                    if self._is(of, self._kwargs):
                        if isinstance(context, ast.Store):
                            (found.optional if key in asked else found.keywords).add(key)
                        else:
                            found.read.setdefault(key, key not in asked)
                case ast.Call(func=ast.Attribute(value=of, attr=method), args=args) if self._is(of, self._kwargs):
                    self._note_method(method, node, _texts(args[:1]), found)
        found.optional -= found.keywords
        # A caller need not pass an argument that the wrapper sets before it reads it.
        found.read = {key: needed for key, needed in found.read.items() if key not in found.keywords | found.optional}

    def _note_method(self, method: str, node: ast.Call, keys: set[str], found: Forwarded) -> None:
        if method == "setdefault":
            found.optional |= keys
        elif method in ("pop", "get"):
            needed = method == "pop" and len(node.args) == 1
            found.read.update({key: needed and found.read.get(key, True) for key in keys})
        elif method == "update":
            found.keywords |= {keyword.arg for keyword in node.keywords if keyword.arg is not None}
            for part in node.args:
                if isinstance(part, ast.Dict):
                    found.keywords |= _texts(part.keys)

    def _is(self, node: ast.expr, name: str | None) -> bool:
        return name is not None and isinstance(node, ast.Name) and node.id == name

    def _mentions(self, node: ast.expr) -> bool:
        return any(self._is(each, self._kwargs) for each in ast.walk(node) if isinstance(each, ast.expr))

    def _holds_wrapped(self, node: ast.expr) -> bool:
        value, wrapped = self._value(node), self._wrapped
        if isinstance(value, MethodType):  # each lookup creates another object
            return (wrapped.__func__ if isinstance(wrapped, MethodType) else wrapped) is value.__func__
        return value is wrapped

    def _value(self, node: ast.expr) -> Any:
        """Return the value of a name or of its attribute; MISSING if it is unknown. Calls no code."""
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Attribute):
            return _attribute(self._value(node.value), node.attr)
        return MISSING

    def _named(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        code = self._function.__code__
        if name in code.co_freevars and self._function.__closure__:
            try:
                return self._function.__closure__[code.co_freevars.index(name)].cell_contents
            except ValueError:
                return MISSING
        return MISSING if name in code.co_varnames else self._function.__globals__.get(name, MISSING)


def _names_parameters(value: Any) -> bool:
    """Return whether a value is a function whose parameters, or those of the function it wraps, have known names."""
    function = value.__func__ if isinstance(value, MethodType) else value
    if not isinstance(function, FunctionType):
        return False
    passes = function.__code__.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    return not passes or hasattr(function, "__wrapped__")


def _attribute(owner: Any, name: str) -> Any:
    if owner is MISSING:
        return MISSING
    try:
        return vars(owner).get(name, MISSING)
    except TypeError:
        return MISSING


def _texts(nodes: list[Any]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
