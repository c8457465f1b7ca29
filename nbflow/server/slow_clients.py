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
"""The time (s) within which the head of a request must arrive."""
LEFT_S = 5.0
"""The time (s) without progress after which a closed connection is aborted."""
_LINE, _CONNECTIONS = "nbflow_line", "nbflow_connections"
_CROWDED = "%d connections are open, as many as NBFLOW_MAX_CONNECTIONS allows; those without a request give way"


class WebSocketLine(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which also closes the connection of a client that has stopped reading."""

    async def send(self, message: Any) -> None:
        """Send a message; a close does not wait for the write buffer, as it is queued behind what waits there.

        A denied handshake is marked complete, else uvicorn would log an error.
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
    """uvicorn's HTTP protocol, with deadlines, and with a way to end a response before its last chunk."""

    server_state: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Give each request its connection, in the `state` of its ASGI scope."""
        super().connection_made(transport)
        # Weak, as uvicorn's connections are freed without the collector.
        self.app_state = {**self.app_state, _LINE: ref(self), _CONNECTIONS: self.server_state}
        self._deadline: asyncio.TimerHandle | None = None
        self._wait_for_head()
        self.server_state.make_room()

    def data_received(self, data: bytes) -> None:
        """Read data. The deadline of a head starts with the connection, later with the first byte of the head."""
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
        """Wait for the next request, and for the client to read the response."""
        super().on_response_complete()
        _break_off_later(self.transport)
        if not self._is_answering() and not self.transport.is_closing():
            self.server_state.waiting[self] = None  # without a deadline of ours, as uvicorn has one until the next byte

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the resources of the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def leave(self) -> None:
        """Close the connection as if the client had disconnected, so that an incomplete response is not an error."""
        self.cycle.disconnected = True
        self.transport.close()
        _break_off_later(self.transport)


class Connections(ServerState):
    """The connections of a worker: at most `most`. A new one replaces the one that has waited longest for its head.

    So a client that opens connections without sending requests cannot block others: a new connection only needs to
    stay until its head has arrived.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.waiting: dict[RequestLine, None] = {}
        """Connections without a request, new or idle, the one that has waited longest first."""

    @property
    def full(self) -> bool:
        """True if more than `most` connections are open; a request on a further one is refused."""
        return len(self.connections) > self.most

    def make_room(self) -> None:
        """Abort the connection that has waited longest for its head, if too many are open and another one waits."""
        if self.full and len(self.waiting) > 1:
            longest = next(iter(self.waiting))
            longest.transport.abort()
            del self.waiting[longest]
            self.connections.discard(longest)  # at once: a request may arrive before the loop reports the loss
            logger.warning(_CROWDED, self.most)


def is_full(scope: Scope) -> bool:
    """Return whether the connection of a request exceeds the maximum."""
    connections: Connections | None = scope.get("state", {}).get(_CONNECTIONS)
    return connections is not None and connections.full


def leave(scope: Scope) -> None:
    """Close the connection of a request before its response is complete, so that the client reconnects."""
    if (line := scope["state"][_LINE]()) is not None:
        line.leave()


def _break_off_later(transport: asyncio.Transport) -> None:
    # A closed transport first sends its buffer, so it would stay open for as long as the client does not read.
    if waits := transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(LEFT_S, _look_again, transport, waits)


def _look_again(transport: asyncio.Transport, waited: int) -> None:
    if transport.get_write_buffer_size() == waited:
        transport.abort()
    else:
        _break_off_later(transport)
