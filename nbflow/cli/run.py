"""`nbflow run` and `nbflow resume`: a graph of a file from its start, or a stored run from where it ended.

An option is honoured or refused, never silently ignored. The store knows what a run did; files and modules of the user
say what its tools do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbflow.cli.completion import resumable_run
from nbflow.cli.errors import errors_told, tell, warnings_told
from nbflow.cli.options import AsJson, File, Graph, Tools, assignments, open_program, picked, state_file
from nbflow.cli.output import printer
from nbflow.cli.run_loop import carry
from nbflow.cli.store_location import store_url
from nbflow.errors import GraphError, NbflowError, SecretsNeededError
from nbflow.program.origin import file_of, origin_of
from nbflow.program.program import register_modules
from nbflow.secrets import KEYS_VARIABLE, variable_of
from nbflow.session import Session, current
from nbflow.settings import Durability, settings

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.store.rows import RunRow

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
    bool, typer.Option("--allow-unstored", help="With sync, continue if a value cannot be stored.")
]
NewSecret = Annotated[
    list[str] | None,
    typer.Option(
        "--secret", metavar="KEY",
        help="A key of the initial state whose value is secret: from NBFLOW_SECRET_KEY in the environment, else asked "
        "for on a terminal, else a line of standard input; may be given again.",
    ),
]  # fmt: skip
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compute what `cache` would reuse, and keep that.")]


def run(
    file: File, graph: Graph = None, set_: Keys = None, state: StateFile = None, tools: Tools = None,
    max_parallel: MaxParallel = None, durability: Kept = None, allow_unstored: AllowUnstored = False,
    no_cache: NoCache = False, secret: NewSecret = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run a graph to its end, showing how it goes; exit code 1 and the node's name if it fails.

    The run is stored in .nbflow beside FILE, or in the database of NBFLOW_DATABASE_URL; nbflow resume continues a run
    that did not complete. With --json the result is one object: run_id, status, state, logs (an entry for each attempt
    of a node), execution_time (seconds), error. A value that JSON has no form for is an object whose type names its
    form, such as {"type": "set", "items": [7]} or, of a frame, its shape, schema and records; nbflow.json_values lists
    them.

    Example: nbflow run flows.ipynb --graph daily --set pages=4 --durability sync --json
    """
    warnings_told()
    print_result = printer(as_json=as_json)
    with errors_told():
        settings()  # an invalid one is refused before any code of the file runs
        session = _session_beside(file)
        program = open_program(file, tools or [])
        definition = picked(program, graph)
        initial = {**state_file(state), **assignments(set_), **_new_secrets(secret or [])}

        async def begin() -> Run:
            started = session.start(
                definition.name, initial,
                max_parallel=max_parallel, durability=durability, allow_unstored=allow_unstored or None,
                cache=not no_cache,
            )  # fmt: skip
            for notice in [*session.lint(definition.name, given=initial), *session.unread(definition.name, initial)]:
                tell(f"warning: {notice}")
            return started

        carry(begin, print_result, session)


def _new_secrets(keys: list[str]) -> dict[str, str]:
    """Return the secrets of a new run by key; from now on, this process treats these keys as secret everywhere."""
    values = {key: os.environ.get(variable_of(key)) or _secret(key) for key in keys}
    if values:
        os.environ[KEYS_VARIABLE] = ",".join(filter(None, [os.environ.get(KEYS_VARIABLE), *values]))
    return values


def _session_beside(file: Path) -> Session:
    """Return the session, set up to store its runs beside a file."""
    session = current()
    folder = Path.cwd() if settings().database_url else file.absolute().parent
    session.history.folder, session.history.origin = folder, origin_of(file, folder)
    return session


RunId = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="Its id or the beginning of it; by default the last unfinished, and to fork the last.",
        show_default=False,
        autocompletion=resumable_run,
    ),
]
ToolsFile = Annotated[Path | None, typer.Option(help="Where its tools are, in place of the file it was started from.")]
Edits = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Fork with this key of the state; may be given again."),
]
Moment = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="NODE|NODE#K|SEQ",
        help="Fork before the last (or K-th) start of a node, or after an event.",
    ),
]


Secret = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Ask for this secret of the run, or read it as a line of standard input; may be given again.",
    ),
]


def resume(
    run: RunId = None, file: ToolsFile = None, tools: Tools = None, set_: Edits = None, from_: Moment = None,
    secret: Secret = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Resume a run that failed, was stopped, or whose process died; nodes that completed do not run again.

    With --set or --from a new run starts from the past of the old run, which is not changed. The store is .nbflow in
    the working directory, or the database of NBFLOW_DATABASE_URL. Tools come from --file, else from the file that the
    run was started from if it lies beside the store, and from --tools. Secrets are never stored: a terminal asks for
    those that the run had, else --secret reads them, or NBFLOW_SECRET_NAME has them.

    Example: nbflow resume --tools mytools

    Example: nbflow resume 4f2a --from score --set bonus=0.5 --json
    """
    warnings_told()
    print_result = printer(as_json=as_json)
    from nbflow.notation.time_spans import parse_place

    with errors_told():
        session, here = current(), Path.cwd()
        edits = assignments(set_)
        at = None if from_ is None else parse_place(from_)
        store_url()
        session.history.folder = here
        row = _row(session, run, unfinished=at is None and not edits)
        for line in session.take_notices():
            tell(line)
        _load_tools(row, file, tools or [], here)

        given = {name: _secret(name) for name in secret or []}

        async def begin() -> Run:
            try:
                return await session.reopen(row.id, at=at, state=edits or None, secrets=given)
            except SecretsNeededError as error:
                if not sys.stdin.isatty():
                    raise
                asked = {name: _secret(name) for name in error.names}
                return await session.reopen(row.id, at=at, state=edits or None, secrets=given | asked)
            except GraphError as error:
                raise NbflowError(
                    f"{error}\n  tools come from --file FILE and --tools MODULE; a store names no modules"
                ) from error

        carry(begin, print_result, session)


def _secret(name: str) -> str:
    """Return a secret from a hidden prompt, or from the next line of piped input."""
    if sys.stdin.isatty():
        return str(typer.prompt(name, hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _row(session: Session, run_id: str | None, *, unfinished: bool) -> RunRow:
    """Return the row of a run; without an id, that of the last unfinished run or, for a fork, of the last run."""
    store = session.history.open()
    return store.head(session.default_run_id(unfinished=unfinished) if run_id is None else run_id).result().row


def _load_tools(row: RunRow, file: Path | None, modules: list[str], here: Path) -> None:
    try:
        if file is None and row.origin is not None:
            file = file_of(row.origin, here)
    except NbflowError as error:
        tell(f"run {row.id}: {error}; --file FILE names one")
    if file is None:
        register_modules(modules)
    else:
        tell(f"run {row.id} resumes with the tools of {file}")
        open_program(file, modules)
