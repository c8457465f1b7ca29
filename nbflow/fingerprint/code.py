"""Hash code objects independently of their location, and list the names that they refer to.

Invariant: the hash leaves out what does not affect execution: files, lines, names of functions, docstrings.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
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
def read(code: CodeType) -> Reading:
    """Return the content of a code object; results are cached."""
    inner = [read(const) for const in code.co_consts if isinstance(const, CodeType)]
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
        return f"code {read(value).text}"
    if isinstance(value, tuple):
        return f"({', '.join(map(constant, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(constant, value)))}}}"
    # In hexadecimal: Python refuses to convert an integer of more than 4 300 digits to decimal.
    return hex(value) if type(value) is int else ascii(value)
