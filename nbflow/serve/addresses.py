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


def bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address, which processes begun from here may share.

    Raises:
        NbflowError: It cannot be had, such as one that is taken.
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
