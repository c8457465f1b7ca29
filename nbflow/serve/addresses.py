"""Addresses of servers: their sockets, the address that a browser uses, and links that log a person in once."""

from __future__ import annotations

import os
import socket
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import quote, urlsplit

from nbflow.errors import NbflowError

BACKLOG = 2_048
"""Connections that wait to be accepted."""
_USED = ".used"


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address and that child processes inherit.

    Raises:
        NbflowError: The address cannot be bound, for example because it is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        reason = error.strerror or error
        raise NbflowError(f"{host}:{port} cannot be served: {reason}; take another with --port, 0 for any") from error
    found.set_inheritable(True)
    return found


def public_address(host: str, port: int) -> str:
    """Return the address at which a browser reaches a server of this process; behind JupyterHub, that of its proxy."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    if prefix is None:
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
        return f"http://{name}:{port}/"
    public = os.environ.get("JUPYTERHUB_PUBLIC_URL") or prefix
    return f"{public.rstrip('/')}/proxy/{port}/"


def proxied_names() -> tuple[str, ...]:
    """Return the host names of requests that come through JupyterHub's proxy; `*` allows any, none without a proxy.

    The proxy forwards the browser's `Host`. Any name is safe if the hub does not say its own: a page of another name
    that resolves to this address (DNS rebinding) gets no cookie of the real name from the browser, and without the
    token it can read only `/health`.
    """
    if "JUPYTERHUB_SERVICE_PREFIX" not in os.environ:
        return ()
    return (urlsplit(os.environ.get("JUPYTERHUB_PUBLIC_URL", "")).hostname or "*",)


def page_address(address: str, token: str) -> str:
    """Return the address of the page with the token, which is quoted."""
    return f"{address}?token={quote(token, safe='')}"


def login_address(address: str, folder: Path) -> str:
    """Return an address that logs one person in, once; the workers look up unused codes in `folder`."""
    code = token_urlsafe(24)
    _file_of(folder, code).touch()
    return f"{address}?login={code}"


def redeem_login(folder: Path, code: str) -> bool:
    """Mark the code of a login link as used; return False if it was used or is unknown. One worker finds the file."""
    file = _file_of(folder, code)
    try:
        file.rename(file.with_suffix(_USED))
    except OSError:
        return False
    return True


def is_used_login(folder: Path, code: str) -> bool:
    """Return whether a login link was used before."""
    return _file_of(folder, code).with_suffix(_USED).exists()


def _file_of(folder: Path, code: str) -> Path:
    return folder / sha256(code.encode("utf-8", "replace")).hexdigest()
