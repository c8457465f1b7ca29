"""What tells a function: its code, and what it finds by name.

Invariant: a function of a package counts by its package's version, but what it was given when it was made elsewhere, as
a decorator is, counts by itself.
"""

from __future__ import annotations

import builtins
import importlib
from importlib.util import resolve_name
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from nbflow.fingerprint.code import Reading, read
from nbflow.fingerprint.owners import held_by_package, is_there, owner_of
from nbflow.fingerprint.walk import Unknown, Walk

_MADE_BY_DATACLASS = "__create_fn__."


def tell_function(function: FunctionType, walk: Walk) -> None:
    """Say what a function is: by its package, or by its code, later."""
    held = held_by_package(function)
    if held is not None:
        walk.say("held", held)
    elif function.__code__.co_qualname.startswith(_MADE_BY_DATACLASS):
        walk.say("made by dataclass")  # of the fields, which its class tells
    else:
        walk.later(id(function), function, lambda: _go_into(function, walk))


def tell_builtin(function: BuiltinFunctionType, walk: Walk) -> None:
    """Say what a function in C is, and what it is bound to."""
    held = held_by_package(function)
    if held is not None:
        walk.say("held", held)
        return
    bound = function.__self__
    if bound is None or isinstance(bound, ModuleType):
        raise walk.unknown(function)
    walk.say("bound", function.__name__)
    walk.visit(bound, "")


def tell_module(module: ModuleType, walk: Walk) -> None:
    """Say what a module is that is handed on as a value, so that nobody knows what is used of it."""
    owner = owner_of(module.__name__)
    if owner is None:
        raise Unknown(f"{walk.place()} is handed on as a module, so it cannot be known what is used of it")
    walk.say("module", owner, module.__name__)


def _go_into(function: FunctionType, walk: Walk) -> None:
    code, module = function.__code__, function.__globals__.get("__name__")
    reading, owner = read(code), owner_of(module)
    if owner is not None:
        walk.say("function", owner, str(module), code.co_qualname)
    else:
        walk.say("function", reading.text)
        _globals(function, reading, walk)
        _imports(function, reading, walk)
    walk.visit(function.__defaults__, "")
    walk.visit(function.__kwdefaults__, "")
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        _cell(name, cell, reading, walk)


def _cell(name: str, cell: Any, reading: Reading, walk: Walk) -> None:
    try:
        value = cell.cell_contents
    except ValueError:
        walk.say("empty")
    else:
        _named(name, value, reading.names, walk)


def _globals(function: FunctionType, reading: Reading, walk: Walk) -> None:
    for name in reading.reads:
        walk.say(name)
        if name in function.__globals__:
            _named(name, function.__globals__[name], reading.names, walk)
        else:
            walk.say("built in" if hasattr(builtins, name) else "absent")


def _named(name: str, value: Any, names: frozenset[str], walk: Walk) -> None:
    """Say what a name stands for; of a module of the user's, only what the function may use of it."""
    if isinstance(value, ModuleType) and owner_of(value.__name__) is None:
        walk.later((id(value), names), value, lambda: _go_into_module(value, names, walk))
        return
    walk.visit(value, name)
    if isinstance(value, FunctionType):
        for each in sorted(names & vars(value).keys()):
            walk.visit(vars(value)[each], f"{name}.{each}")


def _go_into_module(module: ModuleType, names: frozenset[str], walk: Walk) -> None:
    # An attribute's owner is not known from the code alone, so every name that the function mentions counts.
    held = vars(module)
    for name in sorted(names & held.keys()):
        walk.say(name)
        _named(f"{module.__name__}.{name}", held[name], names, walk)


def _imports(function: FunctionType, reading: Reading, walk: Walk) -> None:
    package = function.__globals__.get("__package__")
    for name, level in reading.imports:
        whole = resolve_name("." * level + name, package) if level and package else name
        walk.say("import", whole)
        owner = owner_of(whole)
        if owner is not None:
            walk.say(owner)
        elif is_there(whole):
            _named(whole, _imported(whole, walk), reading.names, walk)


def _imported(name: str, walk: Walk) -> ModuleType:
    try:
        return importlib.import_module(name)  # as the function itself would, were it called
    except Exception as error:
        raise Unknown(f"{walk.place()} imports {name}, which raised {type(error).__name__}") from error
