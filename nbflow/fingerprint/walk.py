"""Walk from an object to everything that it uses, and hash what is found.

The walk is a depth-first traversal of values, and a breadth-first traversal of functions and classes: a function or
class is numbered when it is first found, its number is hashed, and its content is hashed later, from a queue. So cycles
of functions end, and long chains of calls need no recursion. Values are hashed in full each time they are found, so
that one list used twice has the same hash as two equal lists.

Invariant: the order of hashing depends only on the objects themselves: names are sorted, containers keep their order.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from nbflow.fingerprint.code import constant

Pack = Callable[[Any], str | None]
Hasher = Callable[[Any, "Walk"], None]

LEAVES = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)})
_DEEPEST = 100


class Unknown(Exception):  # noqa: N818 - the caller decides whether this is an error
    """The fingerprint of an object cannot be known; `reason` is a sentence with the object, the cause and the cure."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Walk:
    """One walk from an object.

    Args:
        hasher_of: Returns the function that hashes a value, or None if the value is left to `pack`.
        pack: As in `fingerprint`.
    """

    def __init__(self, hasher_of: Callable[[Any], Hasher | None], pack: Pack) -> None:
        self._hasher_of, self._pack = hasher_of, pack
        self._hash = sha256(f"nbflow 1 {sys.implementation.cache_tag}".encode())
        self._met: dict[object, tuple[int, Any]] = {}
        self._queue: deque[tuple[list[str], Callable[[], None]]] = deque()
        self._trail: list[str] = []
        self._depth = 0

    def add(self, *texts: str) -> None:
        """Add texts to the hash, each with its length, so that no two sequences of texts run together."""
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            self._hash.update(b"%d:%b" % (len(data), data))

    def path(self) -> str:
        """Return the names that led to the current object, for error messages: `clean → helper → cache`."""
        names = [name for name in self._trail if name] or ["it"]
        shown = names if len(names) <= 6 else [*names[:3], "…", *names[-2:]]
        return " → ".join(shown)

    def visit(self, value: Any, name: str) -> None:
        """Hash a value; `name` is its name in the user's code, empty if it has none.

        Raises:
            Unknown: Its state cannot be known.
        """
        kind = type(value)
        if kind in LEAVES:
            self.add(kind.__name__, constant(value))
            return
        self._trail.append(name)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unknown(f"{self.path()} is nested deeper than {_DEEPEST} levels, or contains itself")
        hasher = self._hasher_of(value)
        if hasher is not None:
            hasher(value, self)
        else:
            self._hash_by_pack(value)
        self._trail.pop()
        self._depth -= 1

    def visit_all(self, values: Iterable[Any]) -> None:
        """Hash the number of values, then each of them in order."""
        listed = list(values)
        self.add(str(len(listed)))
        if set(map(type, listed)) <= LEAVES:
            self.add(",".join(map(constant, listed)))
            return
        for value in listed:
            self.visit(value, "")

    def later(self, key: object, thing: Any, hash_content: Callable[[], None]) -> None:
        """Hash the number of an object, and queue its content if it is new.

        Args:
            key: Identifies the object within the walk, such as its id.
            thing: The object, or what else must stay alive as long as the key is in use.
            hash_content: Hashes the content; called once.
        """
        if key not in self._met:
            self._met[key] = len(self._met), thing  # retained: the id of a deleted object may be used again
            self._queue.append(([*self._trail[:3], *self._trail[3:][-4:]], hash_content))
        self.add("met", str(self._met[key][0]))

    def end(self) -> str:
        """Hash the queued contents and return the fingerprint."""
        while self._queue:
            self._trail, hash_content = self._queue.popleft()
            self.add("now")
            hash_content()
        return self._hash.hexdigest()

    def unknown(self, value: Any) -> Unknown:
        """Return the error for a value whose state cannot be known."""
        kind = type(value)
        return Unknown(
            f"{self.path()} is of {kind.__module__}.{kind.__qualname__}, whose state cannot be known; "
            "create it inside the function that uses it, or pass plain values"
        )

    def _hash_by_pack(self, value: Any) -> None:
        text = self._pack(value)
        if text is None:
            raise self.unknown(value)
        self.visit(type(value), type(value).__name__)
        self.add(text)
