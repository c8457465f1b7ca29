"""The WebSocket of the live view, which shows one run on one page.

A slow page gets fewer messages, and no queue grows: beyond a few waiting messages patches are dropped, and a snapshot
replaces them once the page has read the rest. The page's own messages are delayed to the rate that any client may have.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import NbflowError
from nbflow.json_values.pieces import json_text
from nbflow.live_view.controls import Message, refusal
from nbflow.live_view.page import Page, scene_of
from nbflow.server.errors import answer, problem_of
from nbflow.server.event_stream import folded, newer, pause_after
from nbflow.server.rate_limit import Rates
from nbflow.server.responses import sent, without_paths
from nbflow.server.routes import Serving
from nbflow.server.routes.sockets import MESSAGES, NORMAL, TOO_SLOW, Closing, both, close, read_object, watching
from nbflow.server.service import Service
from nbflow.server.validation import InPath
from nbflow.view import scene
from nbflow.view.recorded_run import empty_view

router = APIRouter(include_in_schema=False)
MOST = 32
"""The messages that may wait for a page; a patch beyond them is dropped."""
_WHOLE = {"snapshot": {"snapshot", "patch"}, "inspector": {"inspector"}, "breaks": {"breaks"}}
"""The types of messages that replace waiting messages, and the types that each replaces."""


class Outbox:
    """The messages that wait to be sent to one page."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Message] = deque()
        self._rung = asyncio.Event()
        self.behind = False

    def put(self, message: Message) -> None:
        """Add a message, from any thread."""
        self._loop.call_soon_threadsafe(self._add, message)

    def _add(self, message: Message) -> None:
        kind = message["type"]
        if kind == "patch" and (self.behind or len(self._waiting) >= MOST):
            self.behind = True
            return
        if kind == "snapshot":
            self.behind = False
        if stale := _WHOLE.get(kind):
            left = [each for each in self._waiting if each["type"] not in stale or each.get("at") != message.get("at")]
            self._waiting = deque(left)
        self._waiting.append(message)
        self._rung.set()

    async def take(self) -> Message:
        """Wait for the next message."""
        while not self._waiting:
            self._rung.clear()
            await self._rung.wait()
        return self._waiting.popleft()

    @property
    def empty(self) -> bool:
        """True if no message waits."""
        return not self._waiting


@router.websocket("/ws/view/{run_id}")
async def view_run(socket: WebSocket, run_id: Annotated[str, Path(max_length=64)], service: Serving) -> None:
    """Show a run to a page, in the protocol of the live view."""
    if (place := await watching(socket, service)) is None:
        return
    with place:
        try:
            run = await service.read(run_id)
        except NbflowError as error:
            await socket.send_denial_response(answer(problem_of(error)))
            return
        await socket.accept()
        await _show(socket, service, run)


async def _show(socket: WebSocket, service: Service, run: RunRecord) -> None:
    outbox = Outbox()
    page = await _made(run, service, outbox)
    outbox.put(await service.shelf.work.run(scene_of, run))
    growing = asyncio.ensure_future(_grow(socket, page, service))
    try:
        sending = _send(socket, outbox, page, service.options.max_silence)
        await both(socket, service, sending, _hear(socket, page, service, outbox))
    finally:
        growing.cancel()
        page.leave()


async def _grow(socket: WebSocket, page: Page, service: Service) -> None:
    """Poll for the progress of a run in other processes; also for one that has ended, as it may be resumed there."""
    pause = pause_after(page.feed.run, page.feed.run)
    try:
        while True:
            await asyncio.sleep(pause)
            shown = page.feed.run
            found = await newer(service, shown)
            pause = pause_after(shown, found)
            if found is not None:
                await _turn(page, shown, found)
    except NbflowError as error:  # the page tries again
        await close(socket, 4000 + problem_of(error).status, "the run cannot be read any longer")


async def _turn(page: Page, shown: RunRecord, found: RunRecord) -> None:
    view = await folded(found)
    if page.feed.run is shown:  # else it was turned to another meanwhile
        page.show(found, view)


async def _made(run: RunRecord, service: Service, outbox: Outbox) -> Page:
    """Return a page of a run, created on the loop of the run, which may differ from the server's."""
    home, view = asyncio.get_running_loop(), await folded(run)

    async def reopen(run_id: str, at: int | None, state: Mapping[str, Any] | None) -> Run:
        return await service.reopen(await service.read(run_id), at=at, state=state)

    async def make() -> Page:
        page = Page(
            run, view, send=outbox.put, describe=service.session.describe, reopen=reopen, home=home,
            returns=service.session.on_resume, on_run=lambda other: page.show(other, empty_view(other)),
        )  # fmt: skip
        return page

    if not isinstance(run, Run) or run.loop is home or not run.loop.is_running():
        return await make()
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), run.loop))


async def _send(socket: WebSocket, outbox: Outbox, page: Page, silence: float) -> Closing:
    try:
        while True:
            message = await outbox.take()
            text = await _text(_without_paths(message))
            async with asyncio.timeout(silence):
                await socket.send_text(text)
            if outbox.behind and outbox.empty:
                page.receive({"type": "ready"})
    except TimeoutError:
        return TOO_SLOW, "too slow; connect again"
    except (WebSocketDisconnect, RuntimeError):
        return NORMAL, ""


async def _text(message: Message) -> str:
    """Return a message as JSON; only a patch, which is small, is encoded on the loop."""
    return json_text(message) if message["type"] == "patch" else await asyncio.to_thread(json_text, message)


def _without_paths(message: Message) -> Message:
    data = message.get("data")
    if message["type"] != "inspector" or not isinstance(data, Mapping) or not data.get("error"):
        return message
    return {**message, "data": {**data, "error": {**without_paths(data["error"]), "traceback": ""}}}


async def _hear(socket: WebSocket, page: Page, service: Service, outbox: Outbox) -> Closing:
    rates, loop = Rates(MESSAGES), asyncio.get_running_loop()
    while True:
        # Delayed, not disconnected: a page that scrolls through the past sends a request after each response.
        while not rates.allows("", loop.time()):
            await asyncio.sleep(1 / MESSAGES)
        try:
            await _act(await read_object(await socket.receive_text(), service.options.max_body), page, service, outbox)
        except (WebSocketDisconnect, RuntimeError, KeyError):
            return NORMAL, ""
        except NbflowError:
            continue  # like messages that are not in the protocol


async def _act(message: Message, page: Page, service: Service, outbox: Outbox) -> None:
    match message:
        case {"type": "command", "name": "stop"}:  # in any process
            try:
                await service.cancel(page.feed.run.id)
            except NbflowError as error:
                outbox.put(refusal(message, error))
        case _:
            page.receive(message)


@router.get("/scenes/{graph_id:path}")
async def show_graph(
    graph_id: InPath,
    service: Serving,
) -> Response:
    """Return the drawing of a graph without a run."""
    graph = await service.shelf.find(graph_id)
    drawn = await service.shelf.work.run(scene, graph, subgraphs=dict(service.session.graphs))
    return sent(dict(drawn))
