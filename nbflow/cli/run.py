"""`nbflow run FILE`: a graph of a file, run to its end.

Rule: an option is honoured or refused, never silently ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbflow.cli.carrying import carry
from nbflow.cli.options import AsJson, File, Graph, Tools, assignments, state_file
from nbflow.cli.program import open_program, picked
from nbflow.cli.results import printer
from nbflow.cli.telling import errors_told, warnings_told
from nbflow.files.origin import origin_of
from nbflow.session import Session, current
from nbflow.settings import Durability, settings

if TYPE_CHECKING:
    from nbflow.engine import Run

Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A key of the initial state: a constant, or else text; may be given again."
    ),
]
StateFile = Annotated[Path | None, typer.Option(help="A JSON file with the initial state; --set wins over it.")]
MaxParallel = Annotated[int | None, typer.Option(help="How many nodes may run at once.")]
Kept = Annotated[
    Durability | None,
    typer.Option(
        help="Keep the run ahead of what follows (sync), in groups behind it (async), or not at all; "
        "by default as NBFLOW_DURABILITY says, else async."
    ),
]
AllowUnstored = Annotated[
    bool, typer.Option("--allow-unstored", help="With sync, go on where a value cannot be stored.")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compute what `cache` would reuse, and keep that.")]


def run(
    file: File, graph: Graph = None, set_: Keys = None, state: StateFile = None, tools: Tools = None,
    max_parallel: MaxParallel = None, durability: Kept = None, allow_unstored: AllowUnstored = False,
    no_cache: NoCache = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run a graph to its end, showing how it goes; exit code 1 and the node's name if it fails.

    The run is kept in .nbflow beside FILE, or where NBFLOW_DATABASE_URL says; nbflow resume goes on with one that did
    not complete. With --json the result is one object: run_id, status, state, logs (an entry for each attempt of a
    node), execution_time (seconds), error. A value that JSON has no form for is an object whose type names its form,
    such as {"type": "set", "items": [7]} or, of a frame, its shape, schema and records; nbflow.json_values lists them.

    Example: nbflow run flows.ipynb --graph daily --set pages=4 --durability sync --json
    """
    warnings_told()
    print_result = printer(as_json=as_json)
    with errors_told():
        settings()  # one that is not understood is refused before anything of the file runs
        session = _session_beside(file)
        program = open_program(file, tools or [])
        definition = picked(program, graph)
        initial = {**state_file(state), **assignments(set_)}

        async def begin() -> Run:
            return session.start(
                definition.name, initial,
                max_parallel=max_parallel, durability=durability, allow_unstored=allow_unstored or None,
                cache=not no_cache,
            )  # fmt: skip

        carry(begin, print_result, session)


def _session_beside(file: Path) -> Session:
    """Return the session, which keeps its runs beside a file."""
    session = current()
    folder = Path.cwd() if settings().database_url else file.absolute().parent
    session.history.folder, session.history.origin = folder, origin_of(file, folder)
    return session
