"""Runs of loops that extend a list of messages: each moment of a run has the list of that moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nbflow.engine import Run
from nbflow.session import Session

ROUNDS = 25


def session() -> Session:
    made = Session()

    @made.tool
    async def say(n: int, messages: list[dict[str, Any]]) -> dict[str, Any]:
        if n == 15:
            messages[3]["content"] = "changed in place"
        messages.append({"role": "user", "content": f"message {n}"})
        return {"n": n + 1, "messages": messages}

    @made.tool
    def read(messages: list[dict[str, Any]]) -> dict[str, Any]:
        messages.clear()
        return {"read": True}

    made.graph("g", f"say -> read\nread -> say if n < {ROUNDS} [max={ROUNDS}]")
    return made


def messages(count: int) -> list[dict[str, Any]]:
    """Return the messages after a number of rounds."""
    found = [{"role": "user", "content": f"message {n}"} for n in range(count)]
    if count > 15:
        found[3]["content"] = "changed in place"
    return found


@pytest.mark.parametrize("durability", ["off", "async", "sync"])
def test_each_moment_of_a_run_has_the_list_of_that_moment(durability: str) -> None:
    async def main() -> tuple[Run, Any]:
        made = session()
        run = made.start("g", {"n": 0, "messages": []}, durability=durability)
        await run.wait()
        return run, run if durability == "off" else await asyncio.to_thread(session().read, run.id)

    for run in asyncio.run(main()):
        said = [row for row in run.logs if row.node_id == "say"]
        assert [row.output["messages"] for row in said] == [messages(n + 1) for n in range(ROUNDS)]
        assert [row.input["messages"] for row in said] == [messages(n) for n in range(ROUNDS)]
        ends = [event.seq for event in run.events if event.kind == "node_complete" and event.node == "say"]
        assert [run.at(seq).state["messages"] for seq in ends] == [messages(n + 1) for n in range(ROUNDS)]


def test_a_fork_of_any_round_continues_with_the_list_of_that_round() -> None:
    async def main() -> list[Run]:
        made = session()
        run = made.start("g", {"n": 0, "messages": []})
        await run.wait()
        ends = [event.seq for event in run.events if event.kind == "node_complete" and event.node == "say"]
        forks = [await made.resume(run.id, at=ends[at], state={"note": at}) for at in (2, 12, 20)]
        for fork in forks:
            await fork.wait()
        return forks

    forks = asyncio.run(main())

    assert [fork.state["messages"] for fork in forks] == [messages(ROUNDS)] * 3
