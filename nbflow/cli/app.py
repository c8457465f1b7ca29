"""The commands and their options.

Rule: an option is honoured or refused, never silently ignored.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from nbflow.cli.program import Program, open_program, picked
from nbflow.cli.progress import follow, show_result
from nbflow.engine import capture
from nbflow.errors import ConditionError, ExecutionCancelled, ExecutionError, NbflowError, NotationError

app = typer.Typer(
    name="nbflow",
    help="Run and draw nbflow graphs from a terminal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

File = Annotated[Path, typer.Argument(help="A notebook (.ipynb), a .flow text or a graph in JSON.", show_default=False)]
Graph = Annotated[str | None, typer.Option(help="Which graph, where the file defines several.")]
Tools = Annotated[list[str] | None, typer.Option(help="A module whose functions are tools; may be given again.")]


@app.command()
def run(
    file: File,
    graph: Graph = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of the initial state: a constant, or else text; may be given again."),
    ] = None,
    state: Annotated[Path | None, typer.Option(help="A JSON file with the initial state; --set wins over it.")] = None,
    tools: Tools = None,
    max_parallel: Annotated[int | None, typer.Option(help="How many nodes may run at once.")] = None,
) -> None:
    """Run a graph to its end, showing how it goes; exit code 1 and the node's name if it fails."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        program = open_program(file, tools or [])
        definition = picked(program, graph)
        initial = {**_state_file(state), **dict(map(_assignment, set_ or []))}
        asyncio.run(_run(program, definition.name, initial, max_parallel))
    except (ExecutionError, ConditionError) as error:
        _fail_run(error)
    except NbflowError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        typer.echo("cancelled", err=True)
        raise SystemExit(130) from None


async def _run(program: Program, name: str, initial: dict[str, Any], max_parallel: int | None) -> None:
    capture.install()
    run = program.session.start(name, initial, max_parallel=max_parallel)
    await follow(run)
    show_result(run)
    await run


@app.command()
def show(
    file: File,
    graph: Graph = None,
    svg: Annotated[Path | None, typer.Option(help="Draw it into this SVG file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Draw it into this PNG file.")] = None,
) -> None:
    """Print a graph as text, or draw it."""
    try:
        definition = picked(open_program(file, []), graph)
        if svg is None and png is None:
            typer.echo(definition.to_text(), nl=False)
            return
        _draw(definition, svg, png)
    except NbflowError as error:
        _fail(str(error))


def _draw(definition: Any, svg: Path | None, png: Path | None) -> None:
    from nbflow.view import RunView, static_svg

    snapshot = RunView(definition).snapshot(0.0)
    if svg is not None:
        svg.write_text(static_svg(definition, snapshot, title=definition.name), encoding="utf-8")
    if png is not None:
        from nbflow.view.png import static_png

        png.write_bytes(static_png(definition, snapshot))


def _assignment(text: str) -> tuple[str, Any]:
    from nbflow.notation import parse_constant

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise NbflowError(f"--set takes KEY=VALUE, got {text!r}")
    try:
        return key.strip(), parse_constant(value)
    except NotationError:
        return key.strip(), value


def _state_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NbflowError(f"--state {path}: cannot be opened: {error.strerror or error}") from error
    except ValueError as error:
        raise NbflowError(f"--state {path}: is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise NbflowError(
            f"--state {path}: holds {type(data).__name__}; an initial state is an object of keys and values"
        )
    return data


def _fail_run(error: ExecutionError | ConditionError) -> NoReturn:
    from nbflow.engine.journal import describe

    if error.__cause__ is not None and not isinstance(error, ExecutionCancelled):
        typer.echo(describe(error)["traceback"], err=True, nl=False)
    _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(f"nbflow: {message}", err=True)
    sys.exit(1)
