"""Test whether a value is of a class of an optional library, without importing the library.

Invariant: nothing is imported. A value can only be of a class whose module is loaded already.
"""

from __future__ import annotations

import sys
from typing import Any


def is_a(obj: Any, module: str, *names: str) -> bool:
    """Return True if a value is an instance of one of a module's classes; False if the module is not loaded."""
    loaded = sys.modules.get(module)
    kinds = tuple(kind for name in names if isinstance(kind := getattr(loaded, name, None), type))
    return isinstance(obj, kinds)
