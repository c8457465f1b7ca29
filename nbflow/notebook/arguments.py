"""The arguments of magics: split, typed, and refused where they are not known.

Rule: an option is honoured or refused with a UsageError that says what there is; none is guessed or dropped.
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
    """Describe one argument of a magic, as argparse does."""
    return magic_arguments.argument(*names, **settings)  # type: ignore[no-untyped-call]  # IPython is untyped here


def takes(*described: Any, sign: str = "%") -> Callable[[object], Any]:
    """Give a magic its arguments, and the help that `%magic?` shows; `sign` is what it is called with."""

    def decorate(magic: object) -> Any:
        for one in reversed(described):
            magic = one(magic)
        magic = magic_arguments.magic_arguments()(magic)  # type: ignore[no-untyped-call]
        magic.__doc__ = (magic.__doc__ or "").replace("%", sign, 1)  # IPython's usage knows one
        return magic

    return decorate


def words(line: str) -> list[str]:
    """Split a magic's line like a shell, without comments and a last `;`.

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


class HelpAsked(Exception):  # noqa: N818 - it is no error: `readable` shows the help in place of the magic's work
    """A magic was given `--help`; its text is the help."""


def arguments(magic: Any, tokens: list[str]) -> argparse.Namespace:
    """Read tokens by the arguments that the magic `takes`.

    Raises:
        UsageError: A token is unknown, missing or of the wrong type.
        HelpAsked: One of them is `--help`.
    """
    if "--help" in tokens:
        raise HelpAsked((inspect.getdoc(magic) or "").removeprefix("::").strip())
    parser: argparse.ArgumentParser = magic.parser
    parser.allow_abbrev = False  # `--back` is not `--background`
    return parser.parse_args(tokens)


def count(text: str) -> int:
    """Return a whole number from 0."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def positive(text: str) -> int:
    """Return a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def place(text: str) -> int | str:
    """Return a place in a run: the number of an event, or a node."""
    try:
        return parse_place(text)
    except NbflowError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def since(text: str) -> float:
    """Return a moment that is a span ago (`2d`) or a date, in seconds since 1970."""
    try:
        return parse_since(text, now=time.time())
    except NbflowError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def versioned(text: str) -> tuple[str, int | None]:
    """Return the name and the version of `NAME@VERSION`, or of `NAME` None."""
    name, _, version = text.rpartition("@")
    return (name, int(version)) if name and version.isdecimal() else (text, None)


def seconds(text: str) -> float:
    """Return a time in seconds above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time above 0 s")
    return number
