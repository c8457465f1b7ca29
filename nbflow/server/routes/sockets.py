"""WebSockets that start a run and send its events, or send the events of a run.

A slow client delays only its own socket. A client that has stopped reading is disconnected, with the `seq` to continue
from as the reason. A run continues when its client disconnects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from nbflow.errors import NbflowError
from nbflow.json_values.pieces import json_text
from nbflow.server.errors import LimitError, Problem, RequestError, answer, problem_of
from nbflow.server.rate_limit import Rates
from nbflow.server.routes import Serving
from nbflow.server.service import Service
from nbflow.server.validation import InPath, checked_size, read_body

router = APIRouter()
FIRST_S = 10.0
"""The time (s) within which the first message, the initial state, must arrive."""
MESSAGES = 20.0
"""The messages a second that a client may send, averaged over ten seconds."""
TOO_SLOW, GOING_DOWN, TOO_MANY, NORMAL = 4008, 1012, 1008, 1000
"""Close codes: 4008 is ours, the others are from RFC 6455. A refusal closes with 4000 plus the HTTP status."""
Closing = tuple[int, str]
"""A close code and the reason."""


@router.websocket("/ws/execute/{graph_id:path}")
async def execute(
    socket: WebSocket,
    graph_id: InPath,
    service: Serving,
) -> None:
    """Start a run with the initial state of the first message, then send its events."""
    if (place := await watching(socket, service)) is None:
        return
    with place:  # counted from the start, as the state may arrive late
        await socket.accept()
        try:
            state = await _first_state(socket, service)
            run = await service.start(graph_id, state)
        except NbflowError as error:
            await _close_refused(socket, problem_of(error))
        except WebSocketDisconnect:
            pass
        else:
            await _follow(socket, service, run.id, 0)


@router.websocket("/ws/runs/{run_id}")
async def watch(
    socket: WebSocket, run_id: Annotated[str, Path(max_length=64)], service: Serving,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> None:  # fmt: skip
    """Send the events of a run after `after`, until the run ends."""
    if (place := await watching(socket, service)) is None:
        return
    with place:
        try:
            await service.read(run_id)
        except NbflowError as error:
            await socket.send_denial_response(answer(problem_of(error)))
            return
        await socket.accept()
        await _follow(socket, service, run_id, after)


async def watching(socket: WebSocket, service: Service) -> ExitStack | None:
    """Count the client of a socket as a watcher; return None if there are too many and the socket was refused."""
    try:
        return service.watch()
    except LimitError as error:
        await socket.send_denial_response(answer(problem_of(error)))
        return None


async def _first_state(socket: WebSocket, service: Service) -> dict[str, Any]:
    try:
        async with asyncio.timeout(FIRST_S):
            state = await read_object(await socket.receive_text(), service.options.max_body)
    except TimeoutError:
        raise RequestError(408, f"no initial state came within {FIRST_S:g} s") from None
    except KeyError:
        raise RequestError(422, "the first message is to be the initial state, as text") from None
    return state


async def read_object(text: str, limit: int) -> dict[str, Any]:
    """Return the JSON object of a message of at most `limit` bytes.

    Raises:
        RequestError: It is none.
        LimitError: It is too large.
    """
    body = text.encode()
    if len(body) > limit:
        raise LimitError(413, "the message is too large", "max_body", limit)
    try:
        data = await read_body(body)
    except (ValueError, RecursionError):
        raise RequestError(422, "a message is to be a JSON object, and this one is no JSON") from None
    if not isinstance(data, dict):
        raise RequestError(422, "a message is to be a JSON object")
    return data


async def _follow(socket: WebSocket, service: Service, run_id: str, after: int) -> None:
    """Send the events of a run and carry out the client's messages, until either ends."""
    await both(socket, service, _send_events(socket, service, run_id, after), _hear(socket, service, run_id))


async def both(
    socket: WebSocket, service: Service, sending: Coroutine[Any, Any, Closing], hearing: Coroutine[Any, Any, Closing]
) -> None:
    """Run both until one ends or the server shuts down; close the socket with the returned code."""
    tasks = [asyncio.ensure_future(sending), asyncio.ensure_future(hearing)]
    stopping = asyncio.ensure_future(service.draining.wait())
    try:
        await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        ended = next((task.result() for task in tasks if task.done()), (GOING_DOWN, "the server is going down"))
        await close(socket, *ended)
    finally:
        for task in (*tasks, stopping):
            task.cancel()


async def _send_events(socket: WebSocket, service: Service, run_id: str, after: int) -> tuple[int, str]:
    """Send events until the run ends; return the code and reason to close the socket with."""
    sent = after
    try:
        async for seq, texts in service.events(run_id, after):
            for at, text in enumerate(texts, start=seq - len(texts) + 1):
                async with asyncio.timeout(service.options.max_silence):
                    await socket.send_text(text)
                sent = at
    except TimeoutError:
        return TOO_SLOW, f"too slow; continue with after={sent}"
    except NbflowError as error:
        return 4000 + problem_of(error).status, "the run cannot be read any longer"
    except (WebSocketDisconnect, RuntimeError):
        pass
    return NORMAL, ""


async def _hear(socket: WebSocket, service: Service, run_id: str) -> tuple[int, str]:
    """Carry out the messages of a client until it disconnects; return the code and reason to close with."""
    rates, loop = Rates(MESSAGES), asyncio.get_running_loop()
    while True:
        try:
            message = await read_object(await socket.receive_text(), service.options.max_body)
            await _act(message, service, run_id)
        except (WebSocketDisconnect, RuntimeError):
            return NORMAL, ""
        except KeyError:
            return TOO_MANY, "messages are texts here"
        except NbflowError as error:
            await socket.send_text(json_text({"problem": problem_of(error).model_dump(exclude_none=True)}))
        if not rates.allows("", loop.time()):
            return TOO_MANY, "messages come too fast"


async def _act(message: dict[str, Any], service: Service, run_id: str) -> None:
    match message:
        case {"type": "cancel"}:
            await service.cancel(run_id)
        case {"type": "answer", "value": value, **rest}:
            node, question = rest.get("node"), rest.get("question")
            if not (node is None or isinstance(node, str)) or not (question is None or isinstance(question, int)):
                raise RequestError(422, "an answer's node is a text, and its question a number")
            await checked_size(value, "the answer")
            await service.steer(run_id, lambda run: run.answer(value, node=node, question=question))
        case _:
            raise RequestError(422, 'a message is {"type": "cancel"} or {"type": "answer", "value": …}')


async def _close_refused(socket: WebSocket, problem: Problem) -> None:
    await _quietly(socket.send_text, json_text({"problem": problem.model_dump(exclude_none=True)}))
    await close(socket, 4000 + problem.status, problem.title)


async def close(socket: WebSocket, code: int, reason: str) -> None:
    """Close a socket that is still open, even if its client has stopped reading."""
    if socket.application_state is WebSocketState.CONNECTED and socket.client_state is WebSocketState.CONNECTED:
        await _quietly(socket.close, code, reason[:120])


async def _quietly(action: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Call an action on a socket whose client may have disconnected or stopped reading."""
    try:
        async with asyncio.timeout(1.0):
            await action(*args)
    except (TimeoutError, RuntimeError, WebSocketDisconnect):
        pass
