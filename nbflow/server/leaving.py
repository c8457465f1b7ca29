"""How a line is left whose client takes nothing: a WebSocket's is told why, a request's finds no end, then it is gone.

Rule: what was sent before stays whole as long as the client takes any of it; else the line is broken off.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import ref

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LEFT_S = 5.0
"""How long a client may take nothing once its line is closed."""
_LINE = "nbflow_line"


class WebSocketLine(WebSocketsSansIOProtocol):
    """uvicorn's own protocol, but for the close of a client that takes nothing."""

    async def send(self, message: Any) -> None:
        """Send a message; a close at once, as the place behind all that waits is where it belongs."""
        closes = message["type"] == "websocket.close" and self.handshake_complete
        if closes:
            self.writable.set()
        await super().send(message)
        if closes:
            _break_off_later(self.transport)


class RequestLine(H11Protocol):
    """uvicorn's own protocol, but that a request may be left in the midst of its answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Let each request know its line, by what ASGI calls its state."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, _LINE: ref(self)}  # weak, as uvicorn's lines go without the collector

    def leave(self) -> None:
        """Close it, as it is when a client has gone: nothing more is sent, and an answer without an end is no error."""
        self.cycle.disconnected = True
        self.transport.close()
        _break_off_later(self.transport)


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
