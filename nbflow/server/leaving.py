"""How a WebSocket is left: its client is told why, though it takes nothing, and then it is gone.

Rule: what was sent before stays whole as long as the client takes any of it; else the line is broken off.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LEFT_S = 5.0
"""How long a client may take nothing once its socket is closed."""


class WebSocketLine(WebSocketsSansIOProtocol):
    """uvicorn's own protocol, but for the close of a client that takes nothing."""

    async def send(self, message: Any) -> None:
        """Send a message; a close at once, as the place behind all that waits is where it belongs."""
        closes = message["type"] == "websocket.close" and self.handshake_complete
        if closes:
            self.writable.set()
        await super().send(message)
        if closes:
            self._break_off_later(self.transport.get_write_buffer_size())

    def _break_off_later(self, waits: int) -> None:
        # A transport that is closed sends what waits first, so it would be open for as long as nobody takes that.
        if waits and not self.disconnected:
            self.loop.call_later(LEFT_S, self._look_again, waits)

    def _look_again(self, waited: int) -> None:
        waits = self.transport.get_write_buffer_size()
        if waits == waited:
            self.transport.abort()
        else:
            self._break_off_later(waits)
