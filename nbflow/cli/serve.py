"""`nbflow serve FILE`: the graphs of a file over REST and WebSocket, and a page to watch them.

Rule: this process holds the socket and looks after the workers; it runs none of the file's code itself, and loads
nothing that only they need, as they are begun the later for it.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from nbflow.cli.options import AsJson, Tools
from nbflow.cli.results import line_printer
from nbflow.cli.telling import errors_told, tell
from nbflow.errors import NbflowError
from nbflow.serving import public_address, require_server
from nbflow.supervisor import Supervisor, bound

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A notebook (.ipynb), a .flow text or a graph in JSON.", show_default=False),
]


def serve(
    file: File,
    host: Annotated[str, typer.Option(envvar="NBFLOW_HOST", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="NBFLOW_PORT", min=0, max=65_535, help="The port; 0 for any.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="NBFLOW_TOKEN", help="What requests must bring; by default one made now.", show_default=False
        ),
    ] = None,
    tools: Tools = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes share the work.")] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Begin anew when FILE changes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the graphs of a file: REST, WebSocket, and a page at the address that it prints.

    The address has the token in it if it was made now, or if a person reads it; one that was given goes to no log.

    A notebook's cells run once in each worker, but those that start runs. Limits and names are settings, such as
    NBFLOW_MAX_RUNS and NBFLOW_ALLOWED_HOSTS. SIGTERM lets runs end for NBFLOW_DRAIN seconds; the others go on after
    the next start. Several workers share their runs through PostgreSQL (NBFLOW_DATABASE_URL).

    With --json one object once requests are taken: address, token, and url, which is both.

    Example: nbflow serve flows.ipynb --port 8000 --reload
    """
    print_alone = line_printer() if as_json else None
    with errors_told():
        require_server()
        if sys.platform == "win32":
            raise NbflowError("nbflow serve hands a socket to its workers, which Windows cannot; use %flow_serve there")
        if not file.is_file():
            raise NbflowError(f"no file {str(file)!r} here; give a notebook, a .flow text or a graph in JSON")
        if workers > 1:
            _check_shared()
        listening = bound(host, port)
        given = token or secrets.token_urlsafe(24)
        address = public_address(*listening.getsockname()[:2])
        # Whoever gave it knows it, and what is said here often goes to a log.
        shown = address if token and not sys.stderr.isatty() else f"{address}?token={given}"
        environment = {**os.environ, "NBFLOW_HOST": host, "NBFLOW_TOKEN": given}
        supervisor = Supervisor(
            file, tools or [], listening, workers=workers, reload=reload, environment=environment,
            on_ready=lambda: _tell_served(file.name, shown, {"address": address, "token": given}, print_alone),
        )  # fmt: skip
        code = supervisor.run()
    raise typer.Exit(code)


def _check_shared() -> None:
    from nbflow.settings import settings

    if not (settings().database_url or "").startswith("postgresql"):
        raise NbflowError("several workers share their runs through PostgreSQL; set NBFLOW_DATABASE_URL to one")


def _tell_served(
    name: str, shown: str, told: dict[str, str], print_alone: Callable[[Any], None] | None
) -> None:  # fmt: skip
    if print_alone is None:
        tell(f"{name} is served at {shown}")
    else:
        print_alone(told | {"url": f"{told['address']}?token={told['token']}"})
