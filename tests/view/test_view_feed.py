"""The messages of a feed to a page that inspects one node or edge of a running run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from view_samples import graph

from nbflow import ToolRegistry, WorkflowEngine
from nbflow.live_view.stream import Feed
from nbflow.view import RunView

JOINED = graph(
    "joined",
    ["begin", {"node_id": "slow", "tool": "wait"}, "quick", "join"],
    [("begin", "slow"), ("begin", "quick"), ("slow", "join"), ("quick", "join")],
)


def told(*asked: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the messages to a page that sends requests while `slow` runs: those before its end, and those after."""

    async def main() -> tuple[list[Any], list[Any]]:
        registry, sent, go = ToolRegistry(), list[Any](), asyncio.Event()

        @registry.tool(name="wait")
        async def wait() -> None:
            await go.wait()

        @registry.tool(name="work")
        async def work() -> None:
            await asyncio.sleep(0)

        run = WorkflowEngine(registry).start(JOINED, {})
        feed = Feed(run, RunView(JOINED), send=sent.append, describe=lambda tool: "", reopen=None)  # type: ignore[arg-type]
        feed.start()
        await asyncio.sleep(0.1)
        for message in asked:
            feed.handle(message)
        before = list(sent)
        go.set()
        await run
        feed.close()
        return before, sent[len(before) :]

    return asyncio.run(main())


def test_an_inspected_join_is_sent_again_when_the_node_it_waits_for_ends() -> None:
    before, after = told({"type": "inspect", "node": "join"})

    assert before[-1]["data"]["waits_for"] == ["slow"]
    assert [m["data"]["waits_for"] for m in after if m["type"] == "inspector"][-1] == []


def test_an_inspected_node_has_its_share_of_the_critical_path() -> None:
    slow, quick = (told({"type": "inspect", "node": node})[1] for node in ("slow", "quick"))

    assert [m["data"]["timing"]["share"] > 0 for m in slow if m["type"] == "inspector"][-1]
    assert {m["data"]["timing"]["share"] for m in quick if m["type"] == "inspector"} <= {0.0}


def test_an_edge_is_explained_and_an_unknown_edge_is_ignored() -> None:
    before, _ = told({"type": "why", "edge": "quick>join"}, {"type": "why", "edge": "a>b"}, {"type": "why", "edge": 7})

    assert [m["text"] for m in before if m["type"] == "why"] == ["Taken: it has no condition"]


def test_each_view_of_a_page_receives_the_node_that_it_inspects() -> None:
    before, after = told(
        {"type": "inspect", "node": "join", "view": "a"}, {"type": "inspect", "node": "slow", "view": "b"}
    )

    for heard in (before, after):
        assert {(m["view"], m["node"]) for m in heard if m["type"] == "inspector"} == {("a", "join"), ("b", "slow")}


def test_an_answer_and_a_refusal_repeat_which_view_asked() -> None:
    before, _ = told(
        {"type": "log", "node": None, "level": "all", "text": "", "at": None, "first": 0, "count": 9, "view": "a"},
        {"type": "command", "name": "skip", "node": "join", "view": "b"},
    )

    assert [(m["type"], m["view"]) for m in before if "view" in m] == [("log", "a"), ("refused", "b")]


def test_a_view_that_inspects_nothing_receives_nothing() -> None:
    _, after = told({"type": "inspect", "node": "slow", "view": "a"}, {"type": "inspect", "node": None, "view": "a"})

    assert not [m for m in after if m["type"] == "inspector"]


@pytest.mark.parametrize("name", ["pause", "continue", "step", "stop", "break", "answer"])
def test_requests_that_need_a_running_run_are_refused_after_its_end(name: str) -> None:
    sent: list[Any] = []

    async def main() -> None:
        run = WorkflowEngine(ToolRegistry()).start(graph("one", [{"node_id": "a", "tool": "pass"}], []), {})
        await run
        feed = Feed(run, RunView(run.graph), send=sent.append, describe=lambda tool: "", reopen=None)  # type: ignore[arg-type]
        feed.handle({"type": "command", "name": name, "node": "a", "on": True, "question": 1, "value": 1})

    asyncio.run(main())

    assert [(told["type"], told["name"]) for told in sent] == [("refused", name)]
    assert "has ended with status completed" in sent[0]["message"]
