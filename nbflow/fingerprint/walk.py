"""The walk from a thing to all that it uses, and the hash of what is met on the way.

Invariant: what is met is said in an order that depends on nothing but what it is: names sorted, containers in their
order. Functions and classes are numbered as they are met and gone into later, so that cycles end and long chains stay
flat; values are told by what they hold, so that one met twice is like two that are equal.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from nbflow.fingerprint.code import constant

Pack = Callable[[Any], str | None]
Tell = Callable[[Any, "Walk"], None]

LEAVES = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)})
_DEEPEST = 100


class Unknown(Exception):  # noqa: N818 - it says what is not known; whoever asks decides whether that is an error
    """What something does cannot be known; `reason` is a sentence that says what, and what to do."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Walk:
    """One walk.

    Args:
        teller_of: Gives what tells values of a value's kind, None where only `pack` may know.
        pack: As by `fingerprint`.
    """

    def __init__(self, teller_of: Callable[[Any], Tell | None], pack: Pack) -> None:
        self._teller_of, self._pack = teller_of, pack
        self._hash = sha256(f"nbflow 1 {sys.implementation.cache_tag}".encode())
        self._met: dict[object, tuple[int, Any]] = {}
        self._waiting: deque[tuple[list[str], Callable[[], None]]] = deque()
        self._trail: list[str] = []
        self._depth = 0

    def say(self, *words: str) -> None:
        """Add words to the hash."""
        for word in words:
            data = word.encode("utf-8", "surrogatepass")
            self._hash.update(b"%d:%b" % (len(data), data))

    def place(self) -> str:
        """Return where the walk is, by the names that led there."""
        names = [name for name in self._trail if name] or ["it"]
        shown = names if len(names) <= 6 else [*names[:3], "…", *names[-2:]]
        return " → ".join(shown)

    def visit(self, value: Any, name: str) -> None:
        """Say what a value is; `name` is what the user calls it, if anything."""
        kind = type(value)
        if kind in LEAVES:
            self.say(kind.__name__, constant(value))
            return
        self._trail.append(name)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unknown(f"{self.place()} is nested deeper than {_DEEPEST} levels, or holds itself")
        tell = self._teller_of(value)
        if tell is not None:
            tell(value, self)
        else:
            self._pass_to_pack(value)
        self._trail.pop()
        self._depth -= 1

    def visit_all(self, values: Iterable[Any]) -> None:
        """Say what values are, in their order, and how many."""
        listed = list(values)
        self.say(str(len(listed)))
        if set(map(type, listed)) <= LEAVES:
            self.say(",".join(map(constant, listed)))
            return
        for value in listed:
            self.visit(value, "")

    def later(self, key: object, thing: Any, tell: Callable[[], None]) -> None:
        """Say the number of what the key stands for, and let it be told once, after all that was met before it."""
        if key not in self._met:
            self._met[key] = len(self._met), thing  # kept, as the id of what is gone is soon another's
            self._waiting.append(([*self._trail[:3], *self._trail[3:][-4:]], tell))
        self.say("met", str(self._met[key][0]))

    def end(self) -> str:
        """Go through all that was put off; return the hash."""
        while self._waiting:
            self._trail, tell = self._waiting.popleft()
            self.say("now")
            tell()
        return self._hash.hexdigest()

    def unknown(self, value: Any) -> Unknown:
        """Return the error of a value that cannot be told."""
        kind = type(value)
        return Unknown(
            f"{self.place()} is of {kind.__module__}.{kind.__qualname__}, whose state cannot be known; "
            "make it inside the function that uses it, or hand over plain values"
        )

    def _pass_to_pack(self, value: Any) -> None:
        text = self._pack(value)
        if text is None:
            raise self.unknown(value)
        self.visit(type(value), type(value).__name__)
        self.say(text)
