"""An answer that goes on for as long as its client takes it.

Rule: what makes it is closed when it ends, whatever ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, aclosing

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from nbflow.server.leaving import leave


class Stream(StreamingResponse):
    """The texts of a generator; a client that takes nothing for `silence` seconds is let go, and `place` with it."""

    def __init__(self, texts: AsyncGenerator[str], place: ExitStack, *, media_type: str, silence: float) -> None:
        super().__init__(texts, media_type=media_type)
        self._texts, self._place, self._silence = texts, place, silence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the place is left though the client goes before anything was sent."""

        async def sending(message: Message) -> None:
            async with asyncio.timeout(self._silence):
                await send(message)

        with self._place:
            try:
                await super().__call__(scope, receive, sending)
            except TimeoutError:
                leave(scope)

    async def stream_response(self, send: Send) -> None:
        """Send them until they end, or nobody takes them."""
        async with aclosing(self._texts):
            await super().stream_response(send)


async def in_thread(texts: Iterator[str]) -> AsyncGenerator[str]:
    """Give texts that are made in a thread, one after the other as they are taken."""
    while (text := await asyncio.to_thread(next, texts, None)) is not None:
        yield text
