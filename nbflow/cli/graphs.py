"""`nbflow show` and `nbflow export`: a graph as text, drawn or as a module; a run as a table of its attempts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbflow.cli.completion import run_begun
from nbflow.cli.errors import errors_told, tell
from nbflow.cli.options import AsJson, File, Graph, Tools, open_program, picked
from nbflow.cli.output import as_line, line_printer, show_result, show_table, write_file
from nbflow.cli.store_location import store_url
from nbflow.engine.record import RunRecord
from nbflow.errors import NbflowError
from nbflow.graph import GraphDefinition
from nbflow.graph.params import without_secrets
from nbflow.program.program import export_program, register_modules
from nbflow.secrets import MASK
from nbflow.session import current
from nbflow.session.serialization import definition_data, result_data

if TYPE_CHECKING:
    from nbflow.program.export import Module

_RUN_ID = re.compile("[0-9a-f]{1,32}")


def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|RUN",
            help="A notebook (.ipynb), a .flow text or a graph in JSON; or the id of a run or its beginning.",
            show_default=False,
            autocompletion=run_begun,
        ),
    ],
    graph: Graph = None,
    tools: Tools = None,
    svg: Annotated[Path | None, typer.Option(help="Draw it into this SVG file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Draw it into this PNG file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a graph as text, or draw it; of a run print its state and a row for each attempt of a node.

    To show a run, its tools are not needed, only its own reducers: --tools names the module that has them.

    With --json a graph in JSON, as nbflow run takes it; of a run one object as of nbflow run.

    Example: nbflow show flows.ipynb --graph daily --svg daily.svg

    Example: nbflow show 4f2a
    """
    with errors_told():
        if _RUN_ID.fullmatch(what) and not Path(what).exists():
            if graph is not None:
                raise typer.BadParameter("a run has one graph; --graph picks one of a file", param_hint="--graph")
            register_modules(tools or [])
            _show_run(what, svg, png, as_json=as_json)
        else:
            print_alone = line_printer() if as_json else None
            _show_graph(picked(open_program(Path(what), tools or []), graph), svg, png, print_alone)


def _show_graph(
    graph: GraphDefinition, svg: Path | None, png: Path | None, print_alone: Callable[[Any], None] | None
) -> None:
    from nbflow.view import RunView

    if svg is not None or png is not None:
        _draw(graph, RunView(graph).snapshot(0.0), svg, png)
    if print_alone is not None:
        print_alone(definition_data(graph))
    elif svg is None and png is None:
        typer.echo(without_secrets(graph, MASK).to_text(), nl=False)


def _show_run(run_id: str, svg: Path | None, png: Path | None, *, as_json: bool) -> None:
    from nbflow.store.archive import StoredRun
    from nbflow.view import RunPicture

    store_url()
    run = current().read(run_id)
    for note in run.notes if isinstance(run, StoredRun) else ():
        tell(note)
    if svg is not None or png is not None:
        _draw(run.graph, RunPicture(run).snapshot(), svg, png)
    if as_json:
        typer.echo(as_line(_data(run)), nl=False)
    elif svg is None and png is None:
        show_result(run)
        show_table(run.logs.table(), yielding="error")


def _data(run: RunRecord) -> dict[str, Any]:
    """Return the result of a run, or its state and log so far, as plain data."""
    from nbflow.engine import ExecutionResult
    from nbflow.store.archive import seconds_of

    result = run.result or ExecutionResult(run.id, run.status, run.state, seconds_of(run.events), None, run.events)
    return result_data(result, None) | {"error": result.error}


def _draw(graph: GraphDefinition, snapshot: Mapping[str, Any], svg: Path | None, png: Path | None) -> None:
    from nbflow.view import static_svg

    if svg is not None:
        write_file(svg, static_svg(graph, snapshot, title=graph.name).encode(), "--svg")
    if png is not None:
        from nbflow.view.render.png import static_png

        write_file(png, static_png(graph, snapshot), "--png")


def export(
    file: File,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The module to write, in place of standard output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the tools and graphs of a file as a Python module that needs no IPython.

    Importing it registers the tools and defines the graphs, so that `nbflow run graph.flow --tools flows` finds them.
    Left out are the cells that start, steer or serve runs, those that need what only these set, and magics that show
    something or set a notebook up; standard error says which. Other magics are refused.

    With --json one object: output (the file written, or null), text (the module, where no file is), tools, graphs, and
    what is not in it: left_out, cells with the reason, and dropped, magics of cells.

    Example: nbflow export flows.ipynb -o flows.py
    """
    with errors_told():
        if output is not None and output.exists() and file.exists() and output.samefile(file):
            raise NbflowError(f"-o {output} is FILE itself; name another")
        module = export_program(file)
        if output is not None:
            write_file(output, module.text.encode(), "-o")
        if as_json:
            typer.echo(as_line(_told(module, output)), nl=False)
            return
        for cell, reason in module.left_out:
            typer.echo(f"cell {cell} left out: {reason}", err=True)
        for cell, magic in module.dropped:
            typer.echo(f"cell {cell} without {magic}", err=True)
        if output is None:
            typer.echo(module.text, nl=False)


def _told(module: Module, output: Path | None) -> dict[str, Any]:
    return {
        "output": None if output is None else str(output),
        "text": module.text if output is None else None,
        "tools": list(module.tools),
        "graphs": list(module.graphs),
        "left_out": [{"cell": cell, "reason": reason} for cell, reason in module.left_out],
        "dropped": [{"cell": cell, "magic": magic} for cell, magic in module.dropped],
    }
