"""A session served from within its own process: what `%flow_serve` and `session.serve` do.

Rule: the server lives on the loop that runs its runs, and takes nothing from the process: no signal, no log.
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

    `url` is its page's address with the token, `address` the same without; `token_is_new` tells that nobody gave it.
    """

    def __init__(self, session: Session, settings: dict[str, Any]) -> None:
        options = _imported("nbflow.server.options").options(**settings)
        self._socket = bound(options.host, options.port)
        self._socket.listen(BACKLOG)  # now, so that who calls at once waits for the server and is not refused
        self._server = _imported("nbflow.server.running").Server(session, options)
        host, port = self._socket.getsockname()[:2]
        self.port, self.token = int(port), str(self._server.token)
        self.token_is_new = options.token is None
        self.address = public_address(host, self.port)
        self.url = page_address(self.address, self.token)
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))

    @property
    def running(self) -> bool:
        """Whether it still takes requests."""
        return not self._serving.done()

    async def stop(self) -> None:
        """Take no more requests, tell those who watch, and wait until they have gone; runs go on."""
        self._server.stop()
        await asyncio.shield(self._serving)

    def _ipython_display_(self) -> None:
        """Show nothing: where it is stands beneath the cell already."""

    def __repr__(self) -> str:
        return f"<Served at {self.address}>" if self.running else "<Served, stopped>"


def _imported(name: str) -> Any:
    """Return a module of the server, the one edge that a session starts by itself; tests/test_layers.py allows it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("nbflow"):
            raise
        raise ImportError(MISSING) from error


def require_server() -> None:
    """See that the extra is installed, and that of tracing where traces are asked for; load neither without need.

    Raises:
        ImportError: It is not; it says how to get it.
        NbflowError: Traces are asked for in a way that is not there.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise ImportError(MISSING)
    if any(name.startswith("OTEL_") for name in os.environ):
        _imported("nbflow.server.tracing").check_tracing()


def drain_time(token: str) -> float:
    """Return the seconds that runs get to end once their server is to end; loads much of what a server is made of."""
    return float(_imported("nbflow.server.options").options(token=token).drain)


def serve(session: Session, **settings: Any) -> Served:
    """Serve a session on the running loop; return at once.

    Raises:
        NbflowError: An option is not understood, or the address is taken.
        ImportError: The extra `server` is not installed.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise NbflowError("serving needs a loop that runs: a cell of a kernel, or an async function") from None
    return Served(session, settings)
