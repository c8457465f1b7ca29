"""Whose a module is: an installed package's, or the user's own.

Invariant: what is installed counts by its version, the user's own by its code; a package installed to be worked on,
where it stands, is the user's own.
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
    """Return the package of a module's name, with its version; None for the user's own."""
    top = module.partition(".")[0] if isinstance(module, str) else ""
    if top in ("", "__main__"):
        return None
    if top == _OWN:
        return f"{top} {sys.modules[top].__version__}"
    return _owner(top, _origin(top))


def is_there(module: str) -> bool:
    """Return whether the outermost package of a module's name can be imported; nothing is."""
    top = module.partition(".")[0]
    return top in sys.modules or _found(top) is not None


def held_by_package(thing: Any) -> str | None:
    """Return the package that has the thing itself under its own name, with both; None for what was made elsewhere."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    owner = owner_of(module)
    if owner is None or not isinstance(name, str):
        return None
    held: Any = sys.modules.get(str(module))
    for part in name.split("."):
        held = getattr(held, part, _MISSING)
    return f"{owner} {module} {name}" if held is thing else None


def _origin(top: str) -> str | None:
    """Return where a package lies, `built-in` for one without a file, None where that is not known."""
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
    """Return a package with the versions of what was installed to give it; None where it was put there by hand."""
    try:
        return f"{top} {version(top)}"
    except PackageNotFoundError:
        names = sorted(set(packages_distributions().get(top, ())))
    return " ".join([top, *(f"{name} {version(name)}" for name in names)]) if names else None
