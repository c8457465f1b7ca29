"""Parse the arguments of magics: split a line into words, convert their types, and refuse unknown ones.

Invariant: every option is either obeyed or refused with a UsageError that lists the valid ones; none is ignored.
"""

from __future__ import annotations

import argparse
import inspect
import shlex
import time
from collections.abc import Callable
from typing import Any

from IPython.core import magic_arguments
from IPython.core.error import UsageError

from nbflow.errors import NbflowError
from nbflow.notation.time_spans import parse_place, parse_since


def argument(*names: str, **settings: Any) -> Any:
    """Describe one argument of a magic; names and settings are those of `argparse.add_argument`."""
    return magic_arguments.argument(*names, **settings)  # type: ignore[no-untyped-call]  # IPython is untyped here


def takes(*described: Any, sign: str = "%") -> Callable[[object], Any]:
    """Decorate a magic with its arguments, and with the help that `%magic?` shows.

    Args:
        described: What `argument` returned, in the order of the help.
        sign: `%` or `%%`, with which the magic is called.
    """

    def decorate(magic: object) -> Any:
        for one in reversed(described):
            magic = one(magic)
        magic = magic_arguments.magic_arguments()(magic)  # type: ignore[no-untyped-call]
        magic.__doc__ = (magic.__doc__ or "").replace("%", sign, 1)  # IPython's usage always shows one
        return magic

    return decorate


def words(line: str) -> list[str]:
    """Split the line of a magic into words as a shell does, without comments and a final `;`.

    Raises:
        UsageError: A quote is not closed.
    """
    try:
        found = shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError(f"{error}, in: {line.strip()}") from None
    if found:
        found[-1] = found[-1].removesuffix(";")
    return [word for word in found if word]


class HelpAsked(Exception):  # noqa: N818 - not an error: `readable` prints the help
    """A magic was called with `--help`; the text of this exception is the help."""


def arguments(magic: Any, tokens: list[str]) -> argparse.Namespace:
    """Parse tokens by the arguments that were declared with `takes`.

    Raises:
        UsageError: A token is unknown, missing or of the wrong type.
        HelpAsked: One of the tokens is `--help`.
    """
    if "--help" in tokens:
        raise HelpAsked((inspect.getdoc(magic) or "").removeprefix("::").strip())
    parser: argparse.ArgumentParser = magic.parser
    parser.allow_abbrev = False  # `--back` is not `--background`
    return parser.parse_args(tokens)


def count(text: str) -> int:
    """Parse an integer of at least 0."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def position(text: str) -> int | str:
    """Parse a position in a run: the number of an event, or a node."""
    try:
        return parse_place(text)
    except NbflowError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def since(text: str) -> float:
    """Parse a time span before now (`2d`) or a date; return seconds since 1970."""
    try:
        return parse_since(text, now=time.time())
    except NbflowError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def versioned(text: str) -> tuple[str, int | None]:
    """Parse `NAME@VERSION` or `NAME`; return the name, and the version or None."""
    name, _, version = text.rpartition("@")
    return (name, int(version)) if name and version.isdecimal() else (text, None)


def seconds(text: str) -> float:
    """Parse a finite number of seconds above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time above 0 s")
    return number
