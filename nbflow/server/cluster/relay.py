"""Relay requests about a run to the worker that owns the run.

A run lives in one process, and requests about it are answered there. A worker that does not own the run sends the
request over a Unix socket to the worker that does, and streams the response back.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from nbflow.errors import NbflowError
from nbflow.serve.supervisor import socket_of
from nbflow.server.routes.sockets import GOING_DOWN, TOO_SLOW, Closing
from nbflow.server.service import Service
from nbflow.server.slow_clients import leave
from nbflow.server.telemetry import HANDED_ON

_OF_A_RUN = re.compile(r"^/(?:executions/(?:result/)?|ws/(?:runs|view)/)([0-9A-Za-z_-]+)(?:/[a-z]+)?$")
_OWNER = re.compile(r"^process (\d+) on (.*)$", re.DOTALL)
_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
_SOCKET_HEAD = re.compile(rb"^(?:sec-websocket-.*|host|content-length)$")


class Siblings:
    """The workers that share a folder; each listens there on a socket named by its process id."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._own = folder, socket_of(folder, os.getpid())

    def listen(self) -> socket.socket:
        """Return the socket that receives relayed requests."""
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.bind(str(self._own))
        return found

    def leave(self) -> None:
        """Remove the socket, so that no more requests are relayed here."""
        self._own.unlink(missing_ok=True)

    def of_process(self, owner: str | None) -> Path | None:
        """Return the socket of the worker that the store names as the owner of a run."""
        found = _OWNER.match(owner or "")
        if found is None or found[2] != socket.gethostname():
            return None
        path = socket_of(self._folder, int(found[1]))
        return path if path != self._own and path.exists() else None

    def of_key(self, key: str) -> Path | None:
        """Return the socket of the worker for an Idempotency-Key, or None for this worker; repetitions meet there."""
        there = sorted(self._folder.glob("*.sock"))
        chosen = there[int(hashlib.sha256(key.encode()).hexdigest(), 16) % len(there)] if there else self._own
        return None if chosen == self._own else chosen


class Relay:
    """The middleware that relays requests to other workers."""

    def __init__(self, app: ASGIApp, service: Service, siblings: Siblings) -> None:
        self._app, self._service, self._siblings = app, service, siblings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay a request to its worker, or pass it to the application."""
        there = await self._place(scope) if scope["type"] in ("http", "websocket") else None
        if there is None or not await self._handed_on(there, scope, receive, send):
            await self._app(scope, receive, send)

    async def _handed_on(self, there: Path, scope: Scope, receive: Receive, send: Send) -> bool:
        """Relay a request; return False if the other worker cannot be reached, and nothing was sent."""
        import httpx

        scope[HANDED_ON], silence = True, self._service.options.max_silence
        try:
            if scope["type"] == "http":
                await _hand_on_request(there, scope, receive, send, silence)
            else:
                await _hand_on_socket(there, scope, receive, send, silence)
        except (httpx.ConnectError, ConnectionRefusedError, FileNotFoundError):
            del scope[HANDED_ON]
            return False
        return True

    async def _place(self, scope: Scope) -> Path | None:
        if scope["path"] == "/executions/run":
            keys = [value for name, value in scope["headers"] if name == b"idempotency-key"]
            return self._siblings.of_key(keys[0].decode("latin-1")) if keys else None
        found = _OF_A_RUN.match(scope["path"])
        if found is None:
            return None
        try:
            if await self._service.session.local_run(found[1]) is not None:
                return None
            store = await asyncio.to_thread(self._service.session.history.open_existing)
            if store is None:
                return None
            head = await asyncio.wrap_future(store.head(found[1]))
        except NbflowError:  # the route reports it
            return None
        return self._siblings.of_process(head.row.owner)


def _target(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")


async def _hand_on_request(there: Path, scope: Scope, receive: Receive, send: Send, silence: float) -> None:
    import httpx

    async def body() -> Any:
        while True:
            message = await receive()
            if part := message.get("body", b""):
                yield part
            if not message.get("more_body"):
                return

    transport = httpx.AsyncHTTPTransport(uds=str(there))
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _HOP]
    async with httpx.AsyncClient(transport=transport, timeout=None) as client:  # noqa: S113 - a stream may be quiet long
        request = client.build_request(
            scope["method"], f"http://sibling{_target(scope)}", headers=headers,
            content=body() if scope["method"] not in ("GET", "HEAD") else None,
        )  # fmt: skip
        answer = await client.send(request, stream=True)
        try:
            await _while_client_is_there(_pass_out(answer, send, silence), receive)
        except (TimeoutError, httpx.TransportError):  # the client has stopped reading, or the other worker has ended
            leave(scope)


async def _pass_out(answer: Any, send: Send, silence: float) -> None:
    kept = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _HOP]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
    async for part in answer.aiter_raw():  # unbuffered, so that an event does not wait for the next
        async with asyncio.timeout(silence):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _while_client_is_there(passing: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Send a response until it ends or the client disconnects."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.ensure_future(passing), asyncio.ensure_future(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        failed, _ = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(failed, Exception):
        raise failed


async def _hand_on_socket(there: Path, scope: Scope, receive: Receive, send: Send, silence: float) -> None:
    from websockets.asyncio.client import unix_connect
    from websockets.exceptions import InvalidStatus

    headers = [(n.decode(), v.decode("latin-1")) for n, v in scope["headers"] if not _SOCKET_HEAD.match(n.lower())]
    headers = [(name, value) for name, value in headers if name.encode() not in _HOP]
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "localhost")
    try:
        async with unix_connect(
            str(there), f"ws://{host}{_target(scope)}", additional_headers=headers, compression=None, max_size=None,
            user_agent_header=None, close_timeout=1,
        ) as other:  # fmt: skip
            await receive()  # the request to connect
            await send({"type": "websocket.accept"})
            code, reason = await _pass_texts(other, receive, send, silence)
            await send({"type": "websocket.close", "code": code, "reason": reason})
    except InvalidStatus as refused:
        await _deny(refused.response.status_code, bytes(refused.response.body or b""), send)


async def _pass_texts(other: Any, receive: Receive, send: Send, silence: float) -> Closing:
    """Relay texts in both directions; return the code and reason to close the client's socket with."""
    from websockets.exceptions import ConnectionClosed

    hearing, text = asyncio.ensure_future(_pass_in(receive, other)), "{}"
    try:
        async for coming in other:
            async with asyncio.timeout(silence):
                await send({"type": "websocket.send", "text": coming})
            text = coming
    except ConnectionClosed:
        pass
    except TimeoutError:
        seq = json.loads(text).get("seq")
        return TOO_SLOW, "too slow; " + ("connect again" if seq is None else f"continue with after={seq}")
    finally:
        hearing.cancel()
    # Codes of a lost connection; RFC 6455 does not allow to send them.
    broken = other.close_code in (None, 1005, 1006, 1015)
    return (GOING_DOWN, "") if broken else (other.close_code, other.close_reason or "")


async def _deny(status: int, body: bytes, send: Send) -> None:
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def _pass_in(receive: Receive, other: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            await other.close()
            return
        if (text := message.get("text")) is not None:
            await other.send(text)
