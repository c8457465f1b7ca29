"""Telling the values of libraries that are not nbflow's.

Rule: no library is imported for it: a value can only be of a class whose module its owner has loaded.
"""

from __future__ import annotations

import sys
from typing import Any


def is_a(obj: Any, module: str, *names: str) -> bool:
    """Return whether a value is of one of a module's classes; the module may not be loaded."""
    loaded = sys.modules.get(module)
    kinds = tuple(kind for name in names if isinstance(kind := getattr(loaded, name, None), type))
    return isinstance(obj, kinds)
