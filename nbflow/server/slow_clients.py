"""Close connections whose client has stopped reading, or does not finish the head of a request.

A response is complete as long as the client reads; else the connection is aborted. A WebSocket is closed with a reason;
a streamed response ends without its last chunk, by which a client sees that it is incomplete.

The states of a connection, and what ends each:

    waiting for a head --(request)--> answering --(response)--> waiting for a head
      HEAD_S, or its place is needed      Guard, Stream            LEFT_S without progress of what is sent
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from weakref import ref

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

logger = logging.getLogger("nbflow.server.connections")
HEAD_S = 10.0
"""How long (s) the head of a request may take to come."""
LEFT_S = 5.0
"""How long a client may take nothing once its line is closed."""
_LINE, _CONNECTIONS = "nbflow_line", "nbflow_connections"
_CROWDED = "%d connections are open, as many as NBFLOW_MAX_CONNECTIONS allows; those without a request give way"


class WebSocketLine(WebSocketsSansIOProtocol):
    """uvicorn's own protocol, but for the close of a client that takes nothing."""

    async def send(self, message: Any) -> None:
        """Send a message; a close at once, as the place behind all that waits is where it belongs.

        A handshake that was denied is complete, as one that was closed is; uvicorn would log an error.
        """
        closes = message["type"] == "websocket.close" and self.handshake_complete
        if closes:
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True
        if closes:
            _break_off_later(self.transport)


class RequestLine(H11Protocol):
    """uvicorn's own protocol, with deadlines; and a request may be left in the midst of its answer."""

    server_state: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Let each request know its connection, by what ASGI calls its state."""
        super().connection_made(transport)
        # Weak, as uvicorn's connections are freed without the collector.
        self.app_state = {**self.app_state, _LINE: ref(self), _CONNECTIONS: self.server_state}
        self._deadline: asyncio.TimerHandle | None = None
        self._wait_for_head()
        self.server_state.make_room()

    def data_received(self, data: bytes) -> None:
        """Read on. The deadline of a head begins with the connection, later with the head's first byte."""
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()
        elif self._deadline is None:
            self._wait_for_head()

    def _is_answering(self) -> bool:
        upgraded = self.transport.get_protocol() is not self
        return upgraded or (self.cycle is not None and not self.cycle.response_complete)

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_S, self.transport.abort)
        self.server_state.waiting[self] = None

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.server_state.waiting.pop(self, None)

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the client to take the response."""
        super().on_response_complete()
        _break_off_later(self.transport)
        if not self._is_answering() and not self.transport.is_closing():
            self.server_state.waiting[self] = None  # without a deadline of ours, as uvicorn has one until the next byte

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what the connection had."""
        self._stop_waiting()
        super().connection_lost(exc)

    def leave(self) -> None:
        """Close it, as it is when a client has gone: nothing more is sent, and an answer without an end is no error."""
        self.cycle.disconnected = True
        self.transport.close()
        _break_off_later(self.transport)


class Connections(ServerState):
    """The connections of a worker: at most `most`, of which those that wait for a head give way to new ones.

    So whoever opens connections without sending requests shuts nobody out: each new connection takes the place of the
    one that has waited longest, and only needs its place for as long as its head takes to come.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.waiting: dict[RequestLine, None] = {}
        """Connections without a request, new or kept alive, those that wait longest first."""

    @property
    def full(self) -> bool:
        """Whether there are more connections than may be; a request that comes by one more is refused."""
        return len(self.connections) > self.most

    def make_room(self) -> None:
        """Close the connection that has waited longest for its head, if there are too many and others wait too."""
        if self.full and len(self.waiting) > 1:
            longest = next(iter(self.waiting))
            longest.transport.abort()
            del self.waiting[longest]
            self.connections.discard(longest)  # at once: a request may arrive before the loop reports the loss
            logger.warning(_CROWDED, self.most)


def is_full(scope: Scope) -> bool:
    """Return whether a request came by a connection beyond those that there may be."""
    connections: Connections | None = scope.get("state", {}).get(_CONNECTIONS)
    return connections is not None and connections.full


def leave(scope: Scope) -> None:
    """Close the line of a request without an end of its answer, by which the client sees that it is to come again."""
    if (line := scope["state"][_LINE]()) is not None:
        line.leave()


def _break_off_later(transport: asyncio.Transport) -> None:
    # A transport that is closed sends what waits first, so it would be open for as long as nobody takes that.
    if waits := transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(LEFT_S, _look_again, transport, waits)


def _look_again(transport: asyncio.Transport, waited: int) -> None:
    if transport.get_write_buffer_size() == waited:
        transport.abort()
    else:
        _break_off_later(transport)
