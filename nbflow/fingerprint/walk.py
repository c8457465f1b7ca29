"""Walk from an object to everything that it uses, and hash what is found.

The walk is a depth-first traversal of values, and a breadth-first traversal of functions and classes: a function or
class is numbered when it is first found, its number is hashed, and its content is hashed later, from a queue. So cycles
of functions end, and long chains of calls need no recursion. Values are hashed in full each time they are found, so
that one list used twice has the same hash as two equal lists.

Code objects are hashed independently of their location: files, lines, names of functions and docstrings, which do not
affect execution, are left out.

Invariant: the order of hashing depends only on the objects themselves: names are sorted, containers keep their order.
"""

from __future__ import annotations

import dis
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from types import CodeType
from typing import Any


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of a code object, including the code objects nested in it.

    Attributes:
        text: The hash of its instructions, 64 hex digits.
        reads: The names that it looks up among the globals.
        names: All names that it mentions, including attributes.
        imports: The modules that it imports itself, each with its level: 0, or the dots of a relative import.
    """

    text: str
    reads: tuple[str, ...]
    names: frozenset[str]
    imports: tuple[tuple[str, int], ...]


@lru_cache(maxsize=4096)
def read_code(code: CodeType) -> Reading:
    """Return the content of a code object; results are cached."""
    inner = [read_code(const) for const in code.co_consts if isinstance(const, CodeType)]
    instructions = [each for each in dis.get_instructions(code) if each.opname not in ("EXTENDED_ARG", "NOP")]
    reads = {each.argval for each in instructions if _looks_up(each.opname)}
    imports = dict.fromkeys(_imports(instructions))
    return Reading(
        _text(code, instructions),
        tuple(sorted(reads.union(*(each.reads for each in inner)))),
        frozenset(code.co_names).union(*(each.names for each in inner)),
        tuple(imports | dict.fromkeys(one for each in inner for one in each.imports)),
    )


def _looks_up(operation: str) -> bool:
    # In a class body LOAD_NAME may find the class's own name; looking that up among the globals too does no harm.
    return operation in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


def _imports(instructions: list[dis.Instruction]) -> Iterator[tuple[str, int]]:
    for index, each in enumerate(instructions):
        if each.opname == "IMPORT_NAME":
            level = instructions[index - 2].argval  # the compiler emits the level, the names, then the import
            yield each.argval, level if isinstance(level, int) else 0


def _text(code: CodeType, instructions: list[dis.Instruction]) -> str:
    count = code.co_argcount + code.co_kwonlyargcount
    head = (
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_IGNORED_FLAGS,
        code.co_varnames[:count], code.co_exceptiontable,
    )  # fmt: skip
    digest = sha256(ascii(head).encode())
    for each in instructions:
        digest.update(f"{each.opname} {_argument(each)}\n".encode())
    return digest.hexdigest()


_IGNORED_FLAGS = 0x4000000 | 0x8000000
"""Flags of Python 3.14 that do not affect execution: the code has a docstring, and it is defined in a class."""
_BY_NAME = frozenset([*dis.hasname, *dis.haslocal, *dis.hasfree])


def _argument(each: dis.Instruction) -> str:
    """Return an instruction's argument: its meaning where known, since a docstring shifts the numbers of constants."""
    if each.opcode in dis.hasconst:
        return constant(each.argval)
    named = each.argval if each.opcode in _BY_NAME or each.opcode in dis.hasjrel or each.opcode in dis.hasjabs else ""
    return f"{named!r} {'' if each.opcode in dis.hasname else each.arg}"


def constant(value: Any) -> str:
    """Return a constant as a text that is the same in every process."""
    if isinstance(value, CodeType):
        return f"code {read_code(value).text}"
    if isinstance(value, tuple):
        return f"({', '.join(map(constant, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(constant, value)))}}}"
    # In hexadecimal: Python refuses to convert an integer of more than 4 300 digits to decimal.
    return hex(value) if type(value) is int else ascii(value)


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
            thing: The object, or another object that must stay alive as long as the key is in use.
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
