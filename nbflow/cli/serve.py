"""`nbflow serve FILE`: the graphs of a file over REST and WebSocket, and a page to watch them.

Rule: this process holds the socket and looks after the workers; it runs none of the file's code itself, and loads
nothing that only they need, as they are begun the later for it.
"""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from nbflow.cli.errors import errors_told, tell
from nbflow.cli.options import AsJson, File, Tools
from nbflow.cli.output import line_printer
from nbflow.errors import NbflowError
from nbflow.program.text_file import check_there
from nbflow.serve.addresses import bound, login_address, page_address, public_address
from nbflow.serve.embedded import drain_time, require_server
from nbflow.serve.supervisor import Supervisor


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

    The address opens the page: by the token if it was made now or a person reads it, else by a login link that is good
    for once, as a token that was given goes to no log.

    A notebook's cells run once in each worker, but those that start runs. Limits and names are settings, such as
    NBFLOW_MAX_RUNS and NBFLOW_ALLOWED_HOSTS. SIGTERM lets runs end for NBFLOW_DRAIN seconds; the others go on after
    the next start. Several workers share their runs through PostgreSQL (NBFLOW_DATABASE_URL).

    With --json one object once requests are taken: address, token, and url, which is both.

    Example: nbflow serve flows.ipynb --port 8000 --reload
    """
    print_alone = line_printer() if as_json else None
    with ExitStack() as exits, errors_told():
        require_server()
        _check(file, workers)
        listening = bound(host, port)
        own = public_address(*listening.getsockname()[:2])
        environment = {**os.environ, "NBFLOW_HOST": host, "NBFLOW_TOKEN": token or secrets.token_urlsafe(24)}
        told = {"address": own, "token": environment["NBFLOW_TOKEN"]}
        told["url"] = page_address(told["address"], told["token"])
        logins = exits.enter_context(TemporaryDirectory(prefix="nbflow-login-"))
        environment["NBFLOW_LOGINS"] = logins
        # What is said here often goes to a log, where a token that was given does not belong; a link is good for once.
        given = token is not None and token != "" and not sys.stderr.isatty()

        def tell_served() -> None:
            tell(f"{file.name} is served at {login_address(own, Path(logins)) if given else told['url']}")

        supervisor = Supervisor(
            file, tools or [], listening, workers=workers, reload=reload, environment=environment,
            # For a program once, as its line is; for people at each reload.
            on_ready=tell_served if print_alone is None else cache(partial(print_alone, told)),
            drain=partial(drain_time, environment["NBFLOW_TOKEN"]),
        )  # fmt: skip
        code = supervisor.run()
    raise typer.Exit(code)


def _check(file: Path, workers: int) -> None:
    if sys.platform == "win32":
        raise NbflowError("nbflow serve hands a socket to its workers, which Windows cannot; use %flow_serve there")
    check_there(file)
    if workers > 1 and not _shares():
        raise NbflowError("several workers share their runs through PostgreSQL; set NBFLOW_DATABASE_URL to one")


def _shares() -> bool:
    from nbflow.settings import settings

    return (settings().database_url or "").startswith("postgresql")
