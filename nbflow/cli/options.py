"""Options that several commands share, the parsers of their values, and the program in FILE.

Invariant: a value that cannot be parsed is refused, and the message shows the accepted forms.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbflow.cli.completion import graph_of_file
from nbflow.errors import NbflowError, NotationError, did_you_mean, name_list
from nbflow.graph import GraphDefinition
from nbflow.names import identifier, normalised
from nbflow.program.text_file import FileError, read_text

if TYPE_CHECKING:
    from nbflow.program.program import Program

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A notebook (.ipynb), a .flow text or a graph in JSON.", show_default=False),
]
Graph = Annotated[
    str | None, typer.Option(help="Which graph, where the file defines several.", autocompletion=graph_of_file)
]
Tools = Annotated[
    list[str] | None,
    typer.Option(metavar="MODULE", help="A module whose functions are tools; may be given again."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to standard output, and nothing else there.")]


def moment(text: str, *, now: float) -> float:
    """Return the time of `--since` in seconds since 1970; `now` has the same unit."""
    from nbflow.notation.time_spans import parse_since

    return _read(lambda: parse_since(text, now=now), "--since")


def span(text: str, option: str) -> float:
    """Return the time span of an option in seconds."""
    from nbflow.notation.time_spans import parse_span

    return _read(lambda: parse_span(text), option)


def _read(read: Callable[[], float], option: str) -> float:
    try:
        return read()
    except NbflowError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def assignments(texts: list[str] | None) -> dict[str, Any]:
    """Return the keys and values of `--set KEY=VALUE`: a constant of the notation, or else the text itself.

    Raises:
        NbflowError: An assignment has no `=` or no key, is nested too deeply, or is not text; or two keys have one
            name.
    """
    return normalised(dict(map(_assignment, texts or [])), "--set")


def _assignment(text: str) -> tuple[str, Any]:
    from nbflow.notation import parse_constant

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise NbflowError(f"--set takes KEY=VALUE, got {text!r}")
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise NbflowError(f"--set {key.strip()!a}: holds bytes that are no text in the terminal's encoding")
    try:
        return key.strip(), parse_constant(value)
    except NotationError as error:
        if _looks_like_data(value):
            raise NbflowError(
                f"--set {key.strip()}: {error.problem}; --state takes data from a file, and quotes inside the value "
                "make it a text"
            ) from None
        return key.strip(), value


def _looks_like_data(text: str) -> bool:
    """Return whether a text starts and ends with the brackets of a list or an object."""
    text = text.strip()
    return (text[:1], text[-1:]) in (("[", "]"), ("{", "}"))


def state_file(path: Path | None) -> dict[str, Any]:
    """Return the state in a JSON file; an empty state without a file.

    Raises:
        NbflowError: The file cannot be read, or does not contain an object.
    """
    if path is None:
        return {}
    try:
        data = json.loads(read_text(path))
    except FileError as error:
        raise NbflowError(f"--state {error}") from error
    except RecursionError:
        raise NbflowError(f"--state {path}: the JSON is nested too deep") from None
    except ValueError as error:
        raise NbflowError(f"--state {path}: is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise NbflowError(
            f"--state {path}: holds {type(data).__name__}; an initial state is an object of keys and values"
        )
    return normalised(data, f"--state {path}")


def open_program(path: Path, modules: list[str]) -> Program:
    """Return the program of a file, as `nbflow.program.program` does; report skipped cells."""
    from nbflow.program import program

    opened = program.open_program(path, modules)
    for note in opened.notes:
        typer.echo(note, err=True)
    return opened


def picked(program: Program, name: str | None) -> GraphDefinition:
    """Return the named graph of a program, or its only one.

    Raises:
        NbflowError: There is none of that name, or several and none was named.
    """
    if name is not None:
        name = identifier(name)
        if name not in program.graphs:
            near = did_you_mean(name, program.graphs)
            raise NbflowError(f"no graph {name!r} in the file{near}; it defines: {name_list(program.graphs)}")
        return program.session.find(name)
    if len(program.graphs) != 1:
        known = name_list(program.graphs)
        raise NbflowError(f"the file defines {len(program.graphs)} graphs ({known}); say which with --graph NAME")
    return program.session.find(program.graphs[0])
