"""A run that waits for a person outlives its process, with every answer that it was given."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from nbflow import ask
from nbflow.engine import Run
from nbflow.events import Kind
from nbflow.session import Session


def session() -> Session:
    made = Session()

    @made.tool
    async def two(n: int) -> dict[str, Any]:
        return {"said": [await ask("first?"), await ask("second?", schema=dict[str, int])]}

    @made.tool
    async def before() -> dict[str, int]:
        return {"ran": 1}

    made.graph("g", "before -> two -> pass")
    return made


async def asks(run: Run) -> None:
    while not run.asking:
        await asyncio.sleep(0.005)


async def kept(run: Run) -> None:
    await run.until_stored(len(run.events))


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_run_whose_process_died_while_it_waited_asks_again_only_what_is_open(durability: str, tmp_path: Path) -> None:
    code = f"""
        import asyncio, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_runs_asking import asks, kept, session

        async def main():
            run = session().start("g", {{"n": 1}}, durability={durability!r})
            await asks(run)
            run.answer("one")
            await asks(run)
            await kept(run)
            print(run.id, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)

    async def main() -> tuple[Any, Any]:
        made = session()
        (row,) = made.runs(status="waiting")
        assert (row.id, row.owner) == (run_id, None)
        run = await made.reopen(run_id)
        await asks(run)
        assert [question.told["question"] for question in run.asking] == ["second?"]
        run.answer({"x": 2})
        result = await run
        stored = await asyncio.to_thread(made.history.read, run_id)
        made.history.close()
        return result.state, stored.events

    state, events = asyncio.run(main())

    assert state == {"n": 1, "ran": 1, "said": ["one", {"x": 2}]}
    told = [
        (event.kind, event.data["ordinal"]) for event in events if event.kind in (Kind.NODE_WAITING, Kind.NODE_ANSWERED)
    ]
    waiting, answered = Kind.NODE_WAITING, Kind.NODE_ANSWERED
    assert told == [(waiting, 1), (answered, 1), (waiting, 2), (waiting, 2), (answered, 2)]
    assert sum(event.kind is Kind.NODE_START and event.node == "before" for event in events) == 1


def test_a_stored_run_has_the_status_waiting_until_it_is_answered() -> None:
    async def main() -> None:
        made = session()
        run = made.start("g", {"n": 1}, durability="sync")
        for answer in ("one", {"x": 1}):
            await asks(run)
            await kept(run)
            (row,) = await asyncio.to_thread(lambda: made.history.open().runs(limit=1).result())
            assert row.status == "waiting"
            run.answer(answer)
        await run
        (row,) = await asyncio.to_thread(lambda: made.history.open().runs(limit=1).result())
        assert row.status == "completed"
        made.history.close()

    asyncio.run(main())


def test_a_fork_before_the_question_asks_again_and_one_after_it_has_the_answer() -> None:
    async def main() -> None:
        made = session()
        run = made.start("g", {"n": 1})
        for answer in ("one", {"x": 1}):
            await asks(run)
            run.answer(answer)
        await run
        answered = [event.seq for event in run.events if event.kind is Kind.NODE_ANSWERED]

        before = await made.reopen(run.id, at="two")
        await asks(before)
        assert before.asking[0].told["question"] == "first?"
        before.cancel()
        after = await made.reopen(run.id, at=answered[0])
        await asks(after)
        assert after.asking[0].told["question"] == "second?"
        after.answer({"y": 9})
        assert (await after).state["said"] == ["one", {"y": 9}]
        await before.wait()
        made.history.close()

    asyncio.run(main())


@pytest.mark.parametrize("durability", ["off", "async", "sync"])
def test_a_run_is_forked_while_it_waits_and_continues_itself(durability: Any) -> None:
    async def main() -> None:
        made = session()
        run = made.start("g", {"n": 1}, durability=durability)
        await asks(run)

        fork = await made.reopen(run.id, at="two", state={"n": 2})
        for each, word in ((fork, "other"), (run, "one")):
            for answer in (word, {"x": 1}):
                await asks(each)
                each.answer(answer)
        assert (await fork).state == {"n": 2, "ran": 1, "said": ["other", {"x": 1}]}
        assert (await run).state == {"n": 1, "ran": 1, "said": ["one", {"x": 1}]}
        if durability != "off":
            await kept(fork)
            assert made.history.open().head(fork.id).result().row.parent == run.id
        made.history.close()

    asyncio.run(main())
