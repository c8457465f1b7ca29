"""Compute the fingerprint of a function or a value.

Invariant: the hasher of a value is chosen by its exact type, then by whether its class is one of the user. Any other
value is left to the caller's `pack`.
"""

from __future__ import annotations

from typing import Any

from nbflow.fingerprint.classes import hash_class, hash_object, is_known_by_fields
from nbflow.fingerprint.kinds import HASHERS, HINTS, hash_hint, hash_special
from nbflow.fingerprint.walk import Hasher, Pack, Unknown, Walk


def fingerprint(thing: Any, *, name: str = "", pack: Pack = lambda value: None) -> str:
    """Return the fingerprint of a function or value: 64 hex digits, the same in every process.

    A function is hashed by its code, its defaults, its closure, and everything that it looks up as a global name or as
    an attribute of a module; a class of the user by its members and bases; an object of such a class by its class and
    fields; an object of an installed package by its name and the package's version. Names that are computed at run
    time (`getattr(module, name)`) are not seen.

    Args:
        thing: The function or value.
        name: The name for it in error messages.
        pack: Returns, for a value of any other type, a text that is unique among the values of that type, or None if
            it has none.

    Raises:
        Unknown: It uses an object whose state cannot be known.
    """
    walk = Walk(_hasher_of, pack)
    try:
        walk.visit(thing, name)
        return walk.end()
    except RecursionError:
        raise Unknown(f"{walk.path()} is nested too deeply to be hashed") from None


def _hasher_of(value: Any) -> Hasher | None:
    kind = type(value)
    if kind in HASHERS:
        return HASHERS[kind]
    if isinstance(value, HINTS):
        return hash_hint
    if isinstance(value, type):
        return hash_class
    if kind.__module__ == "typing":
        return hash_special
    return hash_object if is_known_by_fields(kind) else None
