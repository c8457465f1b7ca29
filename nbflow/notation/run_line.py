"""Parse the line of `%flow_run NAME key=expr key2=expr2 --flag value`.

Outside brackets and quotes, an expression ends before white space that is followed by `NAME =` or `--word`, at the
first such position where the text so far is an expression. A `#` after white space starts a comment, so `NODE#3` is one
word. Nothing is evaluated here.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from nbflow.functions.parser import parse_expression
from nbflow.names import identifier
from nbflow.notation import constants
from nbflow.notation.lexer import QUOTED
from nbflow.notation.positions import Fault, Token, reading

_MAX_TRIES = 50  # places where one expression might end; each is tried by Python's parser
_SPACE = re.compile(r"\s*+")
_KEY = re.compile(r"([^\W\d]\w*+)\s*+=(?!=)")
_OPTION = re.compile(r"--[^\W\d][^\s#;]*+")
_BARE = re.compile(r"[^\s\"'=#;,()\[\]{}]++")
_QUOTED = re.compile(QUOTED, re.VERBOSE)
_STRING = re.compile(
    rf'"""(?:[^"\\]|\\.|"(?!""))*+""" | \'\'\'(?:[^\'\\]|\\.|\'(?!\'\'))*+\'\'\' | {QUOTED}', re.VERBOSE
)
_STOP = re.compile(r"""["'()\[\]{},;] | (?<!\S)\# | (?<!\s)\s++(?=[^\W\d]\w*+\s*+=(?!=) | --[^\W\d])""", re.VERBOSE)


@dataclass(frozen=True, slots=True)
class RunLine:
    """A parsed line.

    Attributes:
        name: The graph or run; None if the line starts with a key or an option.
        assignments: Keys of the state and the sources of their expressions.
        options: The words of `--word value`, in order.
        quiet: True if the line ends with `;`, which suppresses the display of the value.
    """

    name: str | None
    assignments: tuple[tuple[str, str], ...]
    options: tuple[str, ...]
    quiet: bool


def parse_run_line(line: str) -> RunLine:
    """Parse the line of `%flow_run`, `%flow_resume` or `%flow_show`.

    Raises:
        NotationError: The line cannot be parsed; the error has the column and names what was expected.
    """
    with reading(line):
        end, quiet = _end(line)
        name, at = _name(line, end)
        assignments: dict[str, str] = {}
        columns: dict[str, int] = {}
        options: list[str] = []
        while (at := _blank(line, at)) < end:
            if key := _KEY.match(line, at, end):
                name_of_key = identifier(key[1])
                if name_of_key in assignments:
                    raise Fault(f"the key {name_of_key!r} appears twice", at, earlier=columns[name_of_key])
                columns[name_of_key] = at
                assignments[name_of_key], at = _expression(line, key, end)
            elif option := _OPTION.match(line, at, end):
                words, at = _option(line, option, end)
                options += words
            else:
                raise _stray(line, at, end)
        return RunLine(name, tuple(assignments.items()), tuple(options), quiet)


def hides_value(line: str) -> bool:
    """Return whether the line of a magic ends in `;`, which hides its value; also of a line that cannot be read."""
    try:
        return _end(line)[1]
    except Fault:
        return line.rstrip().endswith(";")


def _blank(line: str, at: int) -> int:
    found = _SPACE.match(line, at)
    return found.end() if found else at


def _stops(line: str, at: int, end: int) -> Iterator[tuple[str, int]]:
    """Yield the signs outside brackets and quotes with their offsets; white space is a possible end."""
    opened: list[tuple[str, int]] = []
    while found := _STOP.search(line, at, end):
        sign, start = found.group(), found.start()
        at = found.end()
        if sign in "\"'":
            string = _STRING.match(line, start, end)
            if string is None:
                raise Fault("this quote is never closed", start)
            at = string.end()
        elif sign in "([{":
            opened.append((sign, start))
        elif sign in ")]}":
            if not opened or opened.pop()[0] + sign not in ("()", "[]", "{}"):
                raise Fault(f"{sign!r} closes no bracket", start)
        elif sign == "#" or not opened:
            yield sign, start
            if sign == "#":
                break
    if opened:
        raise Fault(f"{opened[-1][0]!r} is never closed", opened[-1][1])


def _end(line: str) -> tuple[int, bool]:
    """Return the end of the line without a comment and a last `;`, and whether there is such a `;`."""
    end = next((at for sign, at in _stops(line, 0, len(line)) if sign == "#"), len(line))
    kept = line[:end].rstrip()
    return (len(kept) - 1, True) if kept.endswith(";") else (len(kept), False)


def _name(line: str, end: int) -> tuple[str | None, int]:
    at = _blank(line, 0)
    if at >= end or line.startswith("--", at) or _KEY.match(line, at, end):
        return None, at
    if found := _QUOTED.match(line, at, end):
        name = constants.name(Token("NAME", found.group(), at))
    elif (found := _BARE.match(line, at, end)) and not found.group().startswith("-"):
        name = found.group()
    else:
        raise _stray(line, at, end)
    if found.end() < end and not line[found.end()].isspace():
        raise _stray(line, found.end() if line[found.end()] != "=" else at, end)
    return name, found.end()


def _expression(line: str, key: re.Match[str], end: int) -> tuple[str, int]:
    """Return the expression after `key =`, and the offset of its end."""
    start = _blank(line, key.end())
    if start >= end or _KEY.match(line, start, end):
        raise Fault(f"{key[1]!r} has no value; write '{key[1]}=EXPRESSION'", key.end() - 1)
    first = None
    ends = (stop for stop in _stops(line, start, end) if stop[0] == ";" or stop[0].isspace())
    for tries, (sign, at) in enumerate(ends):
        if sign == ";":
            raise Fault("';' is allowed only at the end of the line, where it hides the result", at)
        problem = _refusal(line, key[1], start, at)
        if problem is None:
            return line[start:at].strip(), at
        if problem.problem.startswith("','"):
            raise problem
        first = first or problem
        if tries >= _MAX_TRIES:
            raise first
    if problem := _refusal(line, key[1], start, end):
        raise problem
    return line[start:end].strip(), end


def _refusal(line: str, key: str, start: int, end: int) -> Fault | None:
    """Return the fault of a text that is not an expression of one value, or None."""
    source = line[start:end].strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns again where the expression is evaluated
            parsed = parse_expression(source)
            one_value = not isinstance(parsed, ast.Tuple) or _is_one_argument(source)
    except SyntaxError as error:
        problem = f"the value of {key!r} is no expression of Python: {error.msg}"
        return Fault(problem, min(start + max(error.offset or 1, 1) - 1, max(end - 1, start)))
    except (ValueError, RecursionError, MemoryError):
        return Fault(f"the value of {key!r} is no expression that Python can read", start)
    if one_value:
        return None
    comma = next(at for sign, at in _stops(line, start, end) if sign == ",")
    return Fault("',' separates nothing here; put a space between two keys, and brackets around a tuple", comma)


def _is_one_argument(source: str) -> bool:
    call = parse_expression(f"_({source})")
    if source.endswith(","):
        return False
    return isinstance(call, ast.Call) and len(call.args) == 1 and isinstance(call.args[0], ast.Tuple)


def _option(line: str, option: re.Match[str], end: int) -> tuple[list[str], int]:
    """Return an option and the words up to the next one or the next key, without their quotes."""
    words, at = [option.group()], option.end()
    while (start := _blank(line, at)) < end:
        if _KEY.match(line, start, end) or _OPTION.match(line, start, end):
            break
        if found := _QUOTED.match(line, start, end):
            words.append(constants.unquoted(Token("STRING", found.group(), start)))
        elif found := re.compile(r"[^\s\"';]++").match(line, start, end):
            words.append(found.group())
        else:
            raise _stray(line, start, end)
        at = found.end()
    return words, at


def _stray(line: str, at: int, end: int) -> Fault:
    if line[at] == ",":
        return Fault("',' separates nothing here; put a space between two keys", at)
    if line[at] == ";":
        return Fault("';' is allowed only at the end of the line, where it hides the result", at)
    if found := re.compile(r"([^\W\d]\w*+)\s*+==").match(line, at, end):
        return Fault(f"'==' gives no value; did you mean '{found[1]}=…'?", at)
    if line[at] == "-":
        return Fault("an option starts with '--'", at)
    word = re.compile(r"\S*+").match(line, at, end)
    said = word.group()[:40] if word else ""
    bare = said if said.isidentifier() else "key"
    return Fault(f"{said!r} is neither key=expression nor --option; did you mean '{bare}=…'?", at)
