"""Active runs: their session answers and cancels them from any thread."""

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


def test_an_answer_to_a_run_of_another_thread_is_given_on_the_runs_loop(
    made: Session, elsewhere: Callable[..., Run]
) -> None:
    run = elsewhere(made, "ships")

    with pytest.raises(AnswerError, match="none of 'yes', 'no'"):
        made.answer("perhaps")
    assert made.answer("yes") is run

    assert ended(run).state == {"shipped": "yes"}


def test_an_answer_goes_to_the_only_waiting_run_or_to_the_named_one(
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


def test_an_ended_or_missing_run_can_neither_be_answered_nor_cancelled(
    made: Session, elsewhere: Callable[..., Run]
) -> None:
    run = ended(elsewhere(made, "nothing"))

    with pytest.raises(RunStateError, match=f"run {run.id} has ended with status completed"):
        made.cancel(run.id)
    with pytest.raises(RunStateError, match="no run of this session is active"):
        made.cancel()
    with pytest.raises(RunStateError, match="no run of this session waits for an answer"):
        made.answer("yes")
    with pytest.raises(RunNotFoundError):
        made.answer("yes", run_id="ffffffffffff")


def test_an_answer_from_the_loop_of_the_run_takes_effect_at_once(made: Session) -> None:
    async def main() -> None:
        run = made.start("ships")
        while not run.asking:
            await asyncio.sleep(0)
        made.answer("no")
        assert (await run).state == {"shipped": "no"}

    asyncio.run(main())
