"""Hash functions, by their code and by the objects that their names refer to.

Invariant: a function of a package is hashed by the package's version. If the function was created in the user's code,
as the wrapper of a decorator is, its defaults and closure are hashed too.
"""

from __future__ import annotations

import builtins
import importlib
from importlib.util import resolve_name
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from nbflow.fingerprint.code import Reading, read
from nbflow.fingerprint.owners import is_importable, name_in_package, owner_of
from nbflow.fingerprint.walk import Unknown, Walk

_MADE_BY_DATACLASS = "__create_fn__."


def hash_function(function: FunctionType, walk: Walk) -> None:
    """Hash a function of a package by its name and version, any other by its code (later in the walk)."""
    packaged = name_in_package(function)
    if packaged is not None:
        walk.add("held", packaged)
    elif function.__code__.co_qualname.startswith(_MADE_BY_DATACLASS):
        walk.add("made by dataclass")  # generated from the fields, which are hashed with its class
    else:
        walk.later(id(function), function, lambda: _hash_content(function, walk))


def hash_builtin(function: BuiltinFunctionType, walk: Walk) -> None:
    """Hash a function written in C, by its name in its package or by the object that it is bound to.

    Raises:
        Unknown: It is neither found under its name nor bound to an object.
    """
    packaged = name_in_package(function)
    if packaged is not None:
        walk.add("held", packaged)
        return
    bound = function.__self__
    if bound is None or isinstance(bound, ModuleType):
        raise walk.unknown(function)
    walk.add("bound", function.__name__)
    walk.visit(bound, "")


def hash_module(module: ModuleType, walk: Walk) -> None:
    """Hash a module that is used as a value, by its package's version.

    Raises:
        Unknown: The module is the user's own: it is not known which of its members are used.
    """
    owner = owner_of(module.__name__)
    if owner is None:
        raise Unknown(f"{walk.path()} passes a module as a value, so it is not known which of its members are used")
    walk.add("module", owner, module.__name__)


def _hash_content(function: FunctionType, walk: Walk) -> None:
    code, module = function.__code__, function.__globals__.get("__name__")
    reading, owner = read(code), owner_of(module)
    if owner is not None:
        walk.add("function", owner, str(module), code.co_qualname)
    else:
        walk.add("function", reading.text)
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
        walk.add("empty")
    else:
        _named(name, value, reading.names, walk)


def _globals(function: FunctionType, reading: Reading, walk: Walk) -> None:
    for name in reading.reads:
        walk.add(name)
        if name in function.__globals__:
            _named(name, function.__globals__[name], reading.names, walk)
        else:
            walk.add("built in" if hasattr(builtins, name) else "absent")


def _named(name: str, value: Any, names: frozenset[str], walk: Walk) -> None:
    """Hash the object that a name refers to; of a module of the user only the members that the function may use."""
    if isinstance(value, ModuleType) and owner_of(value.__name__) is None:
        walk.later((id(value), names), value, lambda: _hash_members(value, names, walk))
        return
    walk.visit(value, name)
    if isinstance(value, FunctionType):
        for each in sorted(names & vars(value).keys()):
            walk.visit(vars(value)[each], f"{name}.{each}")


def _hash_members(module: ModuleType, names: frozenset[str], walk: Walk) -> None:
    # The code does not show whose attribute a name is, so every name that the function mentions counts.
    members = vars(module)
    for name in sorted(names & members.keys()):
        walk.add(name)
        _named(f"{module.__name__}.{name}", members[name], names, walk)


def _imports(function: FunctionType, reading: Reading, walk: Walk) -> None:
    package = function.__globals__.get("__package__")
    for name, level in reading.imports:
        whole = resolve_name("." * level + name, package) if level and package else name
        walk.add("import", whole)
        owner = owner_of(whole)
        if owner is not None:
            walk.add(owner)
        elif is_importable(whole):
            _named(whole, _imported(whole, walk), reading.names, walk)


def _imported(name: str, walk: Walk) -> ModuleType:
    try:
        return importlib.import_module(name)  # as a call of the function would
    except Exception as error:
        raise Unknown(f"{walk.path()} imports {name}, which raised {type(error).__name__}") from error
