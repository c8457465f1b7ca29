"""Decide whether a module belongs to an installed package or to the user.

Invariant: an installed package counts by its version, the user's code by its content. A package installed in
development mode (`pip install -e`) is the user's code.
"""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_OWN = __name__.partition(".")[0]
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_MISSING = object()


def owner_of(module: object) -> str | None:
    """Return the package of a module, given by name, with the package's version; None for a module of the user."""
    top = module.partition(".")[0] if isinstance(module, str) else ""
    if top in ("", "__main__"):
        return None
    if top == _OWN:
        return f"{top} {sys.modules[top].__version__}"
    return _owner(top, _origin(top))


def is_importable(module: str) -> bool:
    """Return True if the top-level package of a module can be imported; nothing is imported."""
    top = module.partition(".")[0]
    return top in sys.modules or _found(top) is not None


def name_in_package(thing: Any) -> str | None:
    """Return the package, module and name of an object that its package has under that name.

    None if the package has another object under the name, or none: then the object was created elsewhere.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    owner = owner_of(module)
    if owner is None or not isinstance(name, str):
        return None
    found: Any = sys.modules.get(str(module))
    for part in name.split("."):
        found = getattr(found, part, _MISSING)
    return f"{owner} {module} {name}" if found is thing else None


def _origin(top: str) -> str | None:
    """Return the file or folder of a package, `built-in` or `frozen` for one without, None if unknown."""
    module = sys.modules.get(top)
    spec = getattr(module, "__spec__", None) if module else _found(top)
    origin = getattr(module, "__file__", None) or getattr(spec, "origin", None)
    if origin is None and spec is not None and spec.submodule_search_locations:
        origin = next(iter(spec.submodule_search_locations), None)
    return origin if isinstance(origin, str) else None


def _found(top: str) -> Any:
    try:
        return find_spec(top)
    except (ImportError, ValueError):
        return None


@cache
def _owner(top: str, origin: str | None) -> str | None:
    if origin is None:
        return None
    if origin in ("built-in", "frozen"):
        return "python"
    path = Path(origin)
    if not _INSTALLED.isdisjoint(path.parts):
        return _release(top)
    library = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return "python" if any(path.is_relative_to(each) for each in library) else None


@cache
def _release(top: str) -> str | None:
    """Return a package with the versions of the distributions that installed it; None if none did."""
    try:
        return f"{top} {version(top)}"
    except PackageNotFoundError:
        names = sorted(set(packages_distributions().get(top, ())))
    return " ".join([top, *(f"{name} {version(name)}" for name in names)]) if names else None
