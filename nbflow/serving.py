"""A session served from within its own process: what `%flow_serve` and `session.serve` do.

Rule: the server lives on the loop that runs its runs, and takes nothing from the process: no signal, no log.
"""

from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from nbflow.errors import NbflowError
from nbflow.installing import needs
from nbflow.supervisor import BACKLOG, bound

if TYPE_CHECKING:
    from nbflow.session import Session

MISSING = needs("serving", "server")
_NEEDED = ("fastapi", "uvicorn", "websockets", "httpx", "prometheus_client")


class Served:
    """A session that is served.

    `url` is its page's address with the token, `address` the same without; `token_is_new` tells that nobody gave it.
    """

    def __init__(self, session: Session, settings: dict[str, Any]) -> None:
        # The server is an edge, which a session knows nothing of but its name.
        options = _part("options").options(**settings)
        self._socket = bound(options.host, options.port)
        self._socket.listen(BACKLOG)  # now, so that who calls at once waits for the server and is not refused
        self._server = _part("running").Server(session, options)
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


def _part(name: str) -> Any:
    try:
        return import_module(f"nbflow.server.{name}")
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
        _part("tracing").check_tracing()


def drain_time(token: str) -> float:
    """Return the seconds that runs get to end once their server is to end; loads much of what a server is made of."""
    return float(_part("options").options(token=token).drain)


def public_address(host: str, port: int) -> str:
    """Return where a person's browser finds a server of this process: behind JupyterHub, by the way of its proxy."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    if prefix is None:
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
        return f"http://{name}:{port}/"
    public = os.environ.get("JUPYTERHUB_PUBLIC_URL") or prefix
    return f"{public.rstrip('/')}/proxy/{port}/"


def proxied_names() -> tuple[str, ...]:
    """Return the names that a browser calls a server of this process by when JupyterHub's proxy is between; `*` is any.

    The proxy hands on the browser's `Host`. Any name is safe where the hub does not tell its own: a page whose name was
    made to lead here (DNS rebinding) comes with its own name, and a browser sends it no cookie of another name, so that
    without the token it gets nothing but `/health`.
    """
    if "JUPYTERHUB_SERVICE_PREFIX" not in os.environ:
        return ()
    return (urlsplit(os.environ.get("JUPYTERHUB_PUBLIC_URL", "")).hostname or "*",)


def page_address(address: str, token: str) -> str:
    """Return the address that lets a person into the page, whatever is in the token."""
    return f"{address}?token={quote(token, safe='')}"


def login_address(address: str, folder: Path) -> str:
    """Return an address that lets one person into the page, once; `folder` is where workers look for what is unused."""
    code = token_urlsafe(24)
    (folder / sha256(code.encode()).hexdigest()).touch()
    return f"{address}?login={code}"


def redeem_login(folder: Path, code: str) -> bool:
    """Return whether a login link is unused, and use it up: of several workers one finds its file."""
    try:
        (folder / sha256(code.encode("utf-8", "replace")).hexdigest()).unlink()
    except OSError:
        return False
    return True


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
