"""Observation of requests and of the events of runs, for logs, metrics and traces.

A request is described by its path and route, never by its query or headers, as these may contain the token. The events
of a run are read once a second and when the run ends, so that observation does not slow the run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nbflow.engine import Run

_ANSWERS = ("http.response.start", "websocket.http.response.start")
HANDED_ON = "nbflow.handed_on"
"""The key in the scope of a request that another worker answers."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and its response.

    Attributes:
        method: The HTTP method; `WS` for a WebSocket.
        path: The path of the request.
        route: The template that the path matches, such as `/graphs/{graph_id}`, or an empty text.
        status: The HTTP status; 101 for an accepted WebSocket, 0 if the client disconnected before a response.
        head_s: The seconds until the response started.
        whole_s: The seconds until it ended.
        handed_on: True if another worker answers the request.
    """

    method: str
    path: str
    route: str
    status: int
    head_s: float
    whole_s: float
    handed_on: bool


class Requests:
    """The middleware that reports each request once it is answered, and each WebSocket once it is closed."""

    def __init__(self, app: ASGIApp, told: Sequence[Callable[[Answered], None]]) -> None:
        self._app, self._told = app, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, then report the request."""
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
            status = status or 500  # an outer middleware answers it
            raise
        finally:
            whole = time.perf_counter() - began
            answered = Answered(
                scope.get("method", "WS"), scope["path"], getattr(scope.get("route"), "path", ""), status,
                head or whole, whole, HANDED_ON in scope,
            )  # fmt: skip
            for told in self._told:
                told(answered)


PACE_S = 1.0


class Followers:
    """Tasks that read the events of runs. Create it on any loop; call `follow` on the loop of the run."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, run: Run, look: Callable[[], bool], leave: Callable[[], None]) -> None:
        """Call `look` every second until a run ends and once after; then, or if the loop ends, call `leave`.

        `look` returns whether more events wait; it is then called again soon.
        """
        task = asyncio.ensure_future(_follow(run, look, leave))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _follow(run: Run, look: Callable[[], bool], leave: Callable[[], None]) -> None:
    ended = asyncio.ensure_future(run.wait())
    try:
        while not ended.done():
            await asyncio.wait({ended}, timeout=PACE_S)
            while look():
                await asyncio.sleep(0)
    finally:
        ended.cancel()
        leave()
