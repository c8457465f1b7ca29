"""What is asked of this package: the fingerprint of a function or a value.

Invariant: what tells a value is chosen by its exact type, else by whose class it is of; what is left only `pack` may
know.
"""

from __future__ import annotations

from typing import Any

from nbflow.fingerprint.classes import tell_class, tell_object, tells_by_fields
from nbflow.fingerprint.kinds import HINTS, TELLERS, tell_hint, tell_special
from nbflow.fingerprint.walk import Pack, Tell, Unknown, Walk


def fingerprint(thing: Any, *, name: str = "", pack: Pack = lambda value: None) -> str:
    """Return what tells a function or value from every other, here and in any other process: 64 hex digits.

    A function is told by its code, defaults, closure, and all that it looks up by global name or as attributes of
    modules; a class of the user by its members and bases; an object of such a class by its class and what it holds;
    what is installed by its name and its package's version. What is looked up only by a name made at run time is not
    seen.

    Args:
        thing: The function or value.
        name: What a reason calls it.
        pack: Gives a text for any other value that tells it from all others of its type; None where it has none.

    Raises:
        Unknown: It uses something whose state cannot be known.
    """
    walk = Walk(_teller_of, pack)
    try:
        walk.visit(thing, name)
        return walk.end()
    except RecursionError:
        raise Unknown(f"{walk.place()} is nested too deep to be told from others") from None


def _teller_of(value: Any) -> Tell | None:
    kind = type(value)
    if kind in TELLERS:
        return TELLERS[kind]
    if isinstance(value, HINTS):
        return tell_hint
    if isinstance(value, type):
        return tell_class
    if kind.__module__ == "typing":
        return tell_special
    return tell_object if tells_by_fields(kind) else None
