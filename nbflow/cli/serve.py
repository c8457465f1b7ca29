"""`nbflow serve FILE`: the graphs of a file over REST and WebSocket, and a page to watch them.

This process owns the socket and supervises the workers. It runs no code of the file, and imports nothing that only the
workers need, because that would delay their start.
"""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import typer

from nbflow.cli.errors import errors_told, tell
from nbflow.cli.options import AsJson, File, Tools
from nbflow.cli.output import line_printer
from nbflow.errors import NbflowError
from nbflow.program.text_file import check_there
from nbflow.serve.addresses import bound, login_address, page_address, public_address
from nbflow.serve.embedded import drain_time, require_server
from nbflow.serve.supervisor import Supervisor, scratch_folder


def serve(
    file: File,
    host: Annotated[str, typer.Option(envvar="NBFLOW_HOST", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="NBFLOW_PORT", min=0, max=65_535, help="The port; 0 for any.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="NBFLOW_TOKEN", help="The token that requests must send; by default a new one.", show_default=False
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

    A notebook's cells run once in each worker, except those that start runs. Limits and names are settings, such as
    NBFLOW_MAX_RUNS and NBFLOW_ALLOWED_HOSTS. After SIGTERM, runs have NBFLOW_DRAIN seconds to end; the others are
    resumed after the next start. Several workers share their runs through PostgreSQL (NBFLOW_DATABASE_URL).

    With --json one object once requests are taken: address, token, and url, which is both.

    Example: nbflow serve flows.ipynb --port 8000 --reload
    """
    print_alone = line_printer() if as_json else None
    with ExitStack() as exits, errors_told():
        require_server()
        _check(file, workers)
        listening = bound(host, port)
        logins = exits.enter_context(scratch_folder())
        served = _Served(public_address(*listening.getsockname()[:2]), token or secrets.token_urlsafe(24))
        environment = {"NBFLOW_HOST": host, "NBFLOW_TOKEN": served.token, "NBFLOW_LOGINS": str(logins)}
        # Standard error often goes to a log, where a token that the user gave does not belong; a login link works once.
        hidden = bool(token) and not sys.stderr.isatty()

        def tell_served() -> None:
            tell(f"{file.name} is served at {login_address(served.address, logins) if hidden else served.url}")

        supervisor = Supervisor(
            file, tools or [], listening, workers=workers, reload=reload, environment={**os.environ, **environment},
            # A program gets one line of JSON; people get a line at each reload.
            on_ready=tell_served if print_alone is None else cache(partial(print_alone, served.data())),
            drain=partial(drain_time, served.token),
        )  # fmt: skip
        code = supervisor.run()
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class _Served:
    """The address of a server, and the token that its requests must bring."""

    address: str
    token: str

    @property
    def url(self) -> str:
        """The address that opens the page."""
        return page_address(self.address, self.token)

    def data(self) -> dict[str, str]:
        """Return the address, the token and the URL, as `--json` prints them."""
        return {"address": self.address, "token": self.token, "url": self.url}


def _check(file: Path, workers: int) -> None:
    if sys.platform == "win32":
        raise NbflowError("nbflow serve hands a socket to its workers, which Windows cannot; use %flow_serve there")
    check_there(file)
    if workers > 1 and not _shares():
        raise NbflowError("several workers share their runs through PostgreSQL; set NBFLOW_DATABASE_URL to one")


def _shares() -> bool:
    from nbflow.settings import settings

    return (settings().database_url or "").startswith("postgresql")
