"""Serve a session from its own process, as `%flow_serve` and `session.serve` do.

Invariant: the server runs on the loop of the runs, and changes nothing in the process: no signal handler, no logging.
"""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nbflow.errors import NbflowError
from nbflow.errors.extras import needs
from nbflow.serve.addresses import BACKLOG, bound, page_address, public_address

if TYPE_CHECKING:
    from nbflow.session import Session

MISSING = needs("serving", "server")
_NEEDED = ("fastapi", "uvicorn", "websockets", "httpx", "prometheus_client")


class Served:
    """A session that is served.

    Attributes:
        address: The address of the page.
        url: The same with the token.
        token_is_new: True if the token was generated, because none was set.
    """

    def __init__(self, session: Session, settings: dict[str, Any]) -> None:
        options = _imported("nbflow.server.options").options(**settings)
        self._socket = bound(options.host, options.port)
        self._socket.listen(
            BACKLOG
        )  # already here, so that an immediate request waits for the server and is not refused
        self._server = _imported("nbflow.server.app").Server(session, options)
        host, port = self._socket.getsockname()[:2]
        self.port, self.token = int(port), str(self._server.token)
        self.token_is_new = options.token is None
        self.address = public_address(host, self.port)
        self.url = page_address(self.address, self.token)
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))

    @property
    def running(self) -> bool:
        """True if the server accepts requests."""
        return not self._serving.done()

    async def stop(self) -> None:
        """Accept no more requests, close the connections, and wait until they are closed; runs continue."""
        self._server.stop()
        await asyncio.shield(self._serving)

    def _ipython_display_(self) -> None:
        """Display nothing, as the magic has displayed the address already."""

    def __repr__(self) -> str:
        return f"<Served at {self.address}>" if self.running else "<Served, stopped>"


def _imported(name: str) -> Any:
    """Import and return a module of the server, an import upwards that tests/test_layers.py allows."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("nbflow"):
            raise
        raise ImportError(MISSING) from error


def require_server() -> None:
    """Check that the extra `server` is installed and, if traces are configured, the extra for tracing.

    Raises:
        ImportError: An extra is not installed; the message has the command that installs it.
        NbflowError: The configuration of traces is not supported.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise ImportError(MISSING)
    if any(name.startswith("OTEL_") for name in os.environ):
        _imported("nbflow.server.telemetry.tracing").check_tracing()


def drain_time(token: str) -> float:
    """Return the seconds that active runs get to end when their server shuts down; imports parts of the server."""
    return float(_imported("nbflow.server.options").options(token=token).drain)


def serve(session: Session, **settings: Any) -> Served:
    """Serve a session on the running loop; return at once.

    Raises:
        NbflowError: An option is invalid, or the address is taken.
        ImportError: The extra `server` is not installed.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise NbflowError("serving needs a loop that runs: a cell of a kernel, or an async function") from None
    return Served(session, settings)
