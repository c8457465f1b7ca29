"""Runs that go on, answered and stopped by their session from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from nbflow import Run, ask
from nbflow.errors import AnswerError, RunNotFoundError, RunStateError
from nbflow.session import Session


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("NBFLOW_DURABILITY", "off")
    own = Session()

    @own.tool
    async def ship() -> dict[str, object]:
        return {"shipped": await ask("Ship it?", choices=["yes", "no"])}

    @own.tool
    async def stuck() -> None:
        await asyncio.Event().wait()

    own.graph("ships", "ship")
    own.graph("sticks", "stuck")
    own.graph("nothing", "pass")
    return own


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Run]]:
    """Start a run on a loop of another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def start(made: Session, name: str) -> Run:
        async def begin() -> Run:
            run = made.start(name)
            while name == "ships" and not run.asking:
                await asyncio.sleep(0)
            return run

        return asyncio.run_coroutine_threadsafe(begin(), loop).result(10)

    yield start
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def ended(run: Run) -> Run:
    asyncio.run_coroutine_threadsafe(run.wait(), run.loop).result(10)
    return run


def test_a_run_of_another_thread_is_answered_on_its_own_loop(made: Session, elsewhere: Callable[..., Run]) -> None:
    run = elsewhere(made, "ships")

    with pytest.raises(AnswerError, match="none of 'yes', 'no'"):
        made.answer("perhaps")
    assert made.answer("yes") is run

    assert ended(run).state == {"shipped": "yes"}


def test_the_only_run_that_waits_is_meant_and_else_the_one_that_is_named(
    made: Session, elsewhere: Callable[..., Run]
) -> None:
    stuck, first, second = (elsewhere(made, name) for name in ("sticks", "ships", "ships"))

    with pytest.raises(RunStateError, match=r"2 runs wait for an answer: .*; pass a run id"):
        made.answer("yes")
    made.answer("yes", run_id=first.id[:8])
    ended(first)
    made.answer("no", node="ship")
    ended(second)

    assert made.cancel() is stuck
    assert ended(stuck).status == "cancelled"


def test_a_run_that_has_ended_or_is_not_there_cannot_be_spoken_to(made: Session, elsewhere: Callable[..., Run]) -> None:
    run = ended(elsewhere(made, "nothing"))

    with pytest.raises(RunStateError, match=f"run {run.id} has ended with status completed"):
        made.cancel(run.id)
    with pytest.raises(RunStateError, match="no run of this session is active"):
        made.cancel()
    with pytest.raises(RunStateError, match="no run of this session waits for an answer"):
        made.answer("yes")
    with pytest.raises(RunNotFoundError):
        made.answer("yes", run_id="ffffffffffff")


def test_in_a_cell_that_awaits_the_answer_is_given_at_once(made: Session) -> None:
    async def main() -> None:
        run = made.start("ships")
        while not run.asking:
            await asyncio.sleep(0)
        made.answer("no")
        assert (await run).state == {"shipped": "no"}

    asyncio.run(main())
