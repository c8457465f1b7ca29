"""An answer that goes on for as long as its client takes it.

Rule: what makes it is closed when it ends, whatever ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from starlette.responses import StreamingResponse
from starlette.types import Message, Send


class Stream(StreamingResponse):
    """The texts of a generator; a client that takes nothing for `silence` seconds is let go."""

    def __init__(self, texts: AsyncGenerator[str], *, media_type: str, silence: float) -> None:
        super().__init__(texts, media_type=media_type)
        self._texts, self._silence = texts, silence

    async def stream_response(self, send: Send) -> None:
        """Send them until they end, or nobody takes them."""

        async def sending(message: Message) -> None:
            async with asyncio.timeout(self._silence):
                await send(message)

        async with aclosing(self._texts):
            with suppress(TimeoutError):  # its answer has no end then, by which it sees that it is to come again
                await super().stream_response(sending)
