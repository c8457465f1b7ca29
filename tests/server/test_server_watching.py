"""Watchers: they follow a run across a resume, and a page with many requests does not make a queue grow."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from served import Served

from nbflow import Run
from nbflow.server.options import options
from nbflow.server.routes.live_view import Outbox
from nbflow.server.service import Service
from nbflow.session import Session


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session without a store, with a graph that asks."""
    monkeypatch.setenv("NBFLOW_DURABILITY", "off")
    made = Session()
    made.graph("asking", 'ask = ask(question="Ship it?", choices=["yes", "no"])')
    return made


async def watched_and_stopped(service: Service) -> Run:
    """Return a run that ended after a watcher had followed it and disconnected."""
    run = service.session.start("asking")
    watching = service.events(run.id, 0)
    await anext(watching)
    assert len(service._broadcasts) == 1
    await watching.aclose()  # type: ignore[attr-defined]  # it is a generator
    run.cancel()
    await run.wait()
    return run


async def events(service: Service, run_id: str, after: int = 0) -> list[str]:
    return [json.loads(text)["event"] async for _, texts in service.events(run_id, after) for text in texts]


def test_a_watcher_follows_a_notebooks_run_that_was_resumed(session: Session) -> None:
    """This includes a watcher that arrives after another one followed the run before its resume, and disconnected."""

    async def main() -> None:
        service = Service(session, options())
        run = await watched_and_stopped(service)
        known = len(run.events)

        again = await session.reopen(run.id)
        watched = asyncio.ensure_future(events(service, run.id, known))
        while not again.asking:
            await again.changed()
        again.answer("yes")

        told = await watched
        assert (told[0], told[-1]) == ("execution_resumed", "execution_complete")

    asyncio.run(main())


def test_the_broadcast_that_watchers_share_ends_with_the_last_of_them(session: Session) -> None:
    async def main() -> None:
        service = Service(session, options())
        await watched_and_stopped(service)

        while service._broadcasts:  # the broadcast checks the run once more before it ends
            await asyncio.sleep(0.01)

    asyncio.run(main())


def waiting(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the queued messages for a page that does not read."""

    async def main() -> list[dict[str, Any]]:
        outbox, found = Outbox(), []
        for message in messages:
            outbox.put(message)
        await asyncio.sleep(0)
        while not outbox.empty:
            found.append(await outbox.take())
        return found

    return asyncio.run(main())


def test_only_the_newest_message_of_each_complete_state_is_queued() -> None:
    asked = [
        part
        for seq in range(20_000)
        for part in (
            {"type": "snapshot", "seq": seq},
            {"type": "breaks", "nodes": [str(seq)]},
            {"type": "inspector", "node": str(seq)},
        )
    ]

    assert waiting(*asked) == asked[-3:]


def test_a_snapshot_replaces_queued_patches_and_no_other_message() -> None:
    past = {"type": "inspector", "node": "a", "at": 3}
    scene, snapshot, now = {"type": "scene"}, {"type": "snapshot", "seq": 2}, {"type": "inspector", "node": "a"}

    assert waiting(scene, {"type": "patch", "seq": 1}, past, snapshot, now) == [scene, past, snapshot, now]


@pytest.mark.slow
def test_a_page_with_fast_requests_is_slowed_and_not_disconnected(sqlite_server: Served) -> None:
    run_id = sqlite_server.run("chain")
    with sqlite_server.socket(f"/ws/view/{run_id}") as page:
        for _ in range(230):
            page.send('{"type": "ready"}')
        page.send('{"type": "inspect", "node": "a"}')

        while json.loads(page.recv(timeout=300))["type"] != "inspector":
            pass
