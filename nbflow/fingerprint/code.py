"""Code objects as texts that do not depend on where they stand, and what they refer to.

Invariant: what has no say in what the code does is left out: files, lines, names of functions, docstrings.
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
    """What a code object says, with those inside it.

    `text` tells it from others; `reads` are the names that it looks up among the globals, `names` all those that it
    mentions, attributes too, and `imports` the modules that it imports itself, each with the level of a relative one.
    """

    text: str
    reads: tuple[str, ...]
    names: frozenset[str]
    imports: tuple[tuple[str, int], ...]


@lru_cache(maxsize=4096)
def read(code: CodeType) -> Reading:
    """Return what a code object says."""
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
    # In the body of a class a name may be the class's own; that it is looked up among the globals too does no harm.
    return operation in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


def _imports(instructions: list[dis.Instruction]) -> Iterator[tuple[str, int]]:
    for index, each in enumerate(instructions):
        if each.opname == "IMPORT_NAME":
            level = instructions[index - 2].argval  # the level, the names and then the import
            yield each.argval, level if isinstance(level, int) else 0


def _text(code: CodeType, instructions: list[dis.Instruction]) -> str:
    count = code.co_argcount + code.co_kwonlyargcount
    head = (
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_SAYS_NOTHING,
        code.co_varnames[:count], code.co_exceptiontable,
    )  # fmt: skip
    digest = sha256(ascii(head).encode())
    for each in instructions:
        digest.update(f"{each.opname} {_argument(each)}\n".encode())
    return digest.hexdigest()


_SAYS_NOTHING = 0x4000000 | 0x8000000
"""Flags of Python 3.14 without a say in what code does: it has a docstring, and it is defined in a class."""
_BY_NAME = frozenset([*dis.hasname, *dis.haslocal, *dis.hasfree])


def _argument(each: dis.Instruction) -> str:
    """Return an instruction's argument: what it means where that is known, as its number shifts with the docstring."""
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
    # Python refuses to write an integer of more than some thousand digits in tens.
    return hex(value) if type(value) is int else ascii(value)
