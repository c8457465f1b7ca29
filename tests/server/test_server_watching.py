"""Who watches: a resumed run is told as it goes on now, and a page that asks much leaves no queue that grows."""

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
    """Return a run that ended after somebody had watched it and left."""
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


def test_a_notebooks_run_that_was_resumed_is_watched_as_it_goes_on(session: Session) -> None:
    """Also by who comes after one that watched what it was before, and left."""

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


def test_what_is_shared_by_watchers_goes_with_the_last_of_them(session: Session) -> None:
    async def main() -> None:
        service = Service(session, options())
        await watched_and_stopped(service)

        while service._broadcasts:  # it looks at the run once more
            await asyncio.sleep(0.01)

    asyncio.run(main())


def waiting(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what waits for a page that takes nothing."""

    async def main() -> list[dict[str, Any]]:
        outbox, found = Outbox(), []
        for message in messages:
            outbox.put(message)
        await asyncio.sleep(0)
        while not outbox.empty:
            found.append(await outbox.take())
        return found

    return asyncio.run(main())


def test_of_what_tells_how_all_stands_the_newest_alone_waits() -> None:
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


def test_a_snapshot_takes_the_place_of_patches_and_of_nothing_else() -> None:
    past = {"type": "inspector", "node": "a", "at": 3}
    scene, snapshot, now = {"type": "scene"}, {"type": "snapshot", "seq": 2}, {"type": "inspector", "node": "a"}

    assert waiting(scene, {"type": "patch", "seq": 1}, past, snapshot, now) == [scene, past, snapshot, now]


@pytest.mark.slow
def test_a_page_that_asks_fast_is_heard_more_slowly_and_not_let_go(sqlite_server: Served) -> None:
    run_id = sqlite_server.run("chain")
    with sqlite_server.socket(f"/ws/view/{run_id}") as page:
        for _ in range(230):
            page.send('{"type": "ready"}')
        page.send('{"type": "inspect", "node": "a"}')

        while json.loads(page.recv(timeout=300))["type"] != "inspector":
            pass
