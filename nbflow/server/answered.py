"""What came of each request, for those who log and count: told once it was answered, of a socket once it is closed.

Rule: a request is told by its path and its route, never by its query or its headers, as a token may be in these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ANSWERS = ("http.response.start", "websocket.http.response.start")
HANDED_ON = "nbflow.handed_on"
"""What the scope of a request says that another worker answers."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and its answer.

    `method` is `WS` for a socket; `route` the template that its path fits, such as `/graphs/{graph_id}`, or nothing;
    `status` 101 for a socket that was accepted and 0 where the client left before an answer; `head_s` until the answer
    began and `whole_s` until it ended.
    """

    method: str
    path: str
    route: str
    status: int
    head_s: float
    whole_s: float
    handed_on: bool


class Requests:
    """The middleware that tells of them."""

    def __init__(self, app: ASGIApp, told: Sequence[Callable[[Answered], None]]) -> None:
        self._app, self._told = app, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and tell of it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began, status, head = time.perf_counter(), 0, 0.0

        async def sending(message: Message) -> None:
            nonlocal status, head
            kind = message["type"]
            if not status and (kind in _ANSWERS or kind == "websocket.accept"):
                status, head = message.get("status", 101), time.perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            status = status or 500  # it is answered further out
            raise
        finally:
            whole = time.perf_counter() - began
            answered = Answered(
                scope.get("method", "WS"), scope["path"], getattr(scope.get("route"), "path", ""), status,
                head or whole, whole, HANDED_ON in scope,
            )  # fmt: skip
            for told in self._told:
                told(answered)
