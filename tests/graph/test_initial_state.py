"""The check of an initial state refuses exactly the keys without which no run can complete."""

from __future__ import annotations

import asyncio
from typing import Any

import pydantic
import pytest

from nbflow.errors import ExecutionError, GraphError, InitialStateError
from nbflow.graph import needs
from nbflow.graph.needs import Flow
from nbflow.session import Session


class Wanted(pydantic.BaseModel):
    rows: list[str]


def fetch(pages: int) -> dict[str, Any]:
    return {"rows": ["a"] * pages}


def score(rows: list[str], bonus: float = 0) -> dict[str, Any]:
    return {"score": len(rows) + bonus}


def publish(title: str, score: float) -> dict[str, Any]:
    return {"published": title}


def unclear() -> Any:
    return {"title": "t"} | {"score": 1.0, "rows": []}


def whole(state: dict[str, Any]) -> dict[str, Any]:
    return {"keys": len(state)}


def modelled(state: Wanted) -> dict[str, Any]:
    return {"count": len(state.rows)}


def breaks() -> dict[str, Any]:
    raise ValueError("broken")


def session_of(text: str, **graphs: str) -> Session:
    session = Session()
    for function in (fetch, score, publish, unclear, whole, modelled, breaks):
        session.tool(function)
    for name, inner in graphs.items():
        session.graph(name, inner)
    session.graph("g", text)
    return session


def start(session: Session, **state: Any) -> str:
    """Return the status with which a run of g ends."""

    return start_with(session, state)


def start_with(session: Session, state: dict[str, Any]) -> str:
    """Return the status with which a run of g ends, of any keys."""

    async def main() -> str:
        run = session.start("g", state, durability="off")
        await run.wait()
        return run.status.value

    return asyncio.run(main())


def missing(text: str, state: dict[str, Any], **graphs: str) -> dict[str, str]:
    session = session_of(text, **graphs)
    with pytest.raises(InitialStateError) as caught:
        start(session, **state)
    assert not session.live  # nothing was started
    return caught.value.faults


@pytest.mark.parametrize(
    ("text", "state", "keys"),
    [
        ("fetch -> score", {}, ["pages"]),
        ("fetch -> score -> publish", {}, ["pages", "title"]),
        ("fetch -> score -> publish", {"pages": 1}, ["title"]),
        ("fetch & score -> publish", {}, ["pages", "rows", "title"]),
        ("pass -> fetch if x else score\nscore -> publish", {"x": 1}, ["pages", "rows"]),
        ("pass -> fetch if x else score\nscore -> last\nfetch -> last\nlast = publish(score=1)", {"rows": []}, ["title"]),
        ("fetch -> score\nscore -> publish if score > 3 else fetch", {"pages": 2}, ["title"]),
        ("m = fetch [map=counts]", {}, ["counts"]),
        ("inner = graph sub", {}, ["pages"]),
        ("inner = graph sub(depth=1)\nfetch -> inner", {"pages": 1}, ["title"]),
        ("fetch -> score\nreduce rows with extend", {}, ["pages"]),
    ],
)  # fmt: skip
def test_a_key_that_every_way_through_the_graph_needs_is_refused_before_anything_starts(
    text: str, state: dict[str, Any], keys: list[str]
) -> None:
    sub = "score -> publish" if "fetch" in text else "fetch -> score"

    assert sorted(missing(text, state, sub=sub)) == keys


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("score = score(rows=[])", {}),  # a default, and a param of the node
        ("unclear -> score -> publish", {}),  # a tool before it may write what it needs
        ("pass -> fetch if x else whole", {"x": False}),  # a way that this run does not take
        ("pass -> END if x\npass -> fetch", {"x": True}),
        ("fetch -> END\nfetch -> whole on error", {}),  # its failure is handled
        ("inner = graph sub\ninner -> whole on error", {}),  # that of a subgraph too
        ("m = fetch [map=counts]", {"counts": []}),  # a map of no items calls nothing
        ("m = fetch [map=counts, as=pages]", {"counts": [1, 2]}),
        ("inner = graph sub [map=counts, as=pages]", {"counts": [1, 2]}),
        ("inner = graph sub(pages=3)", {}),  # a subgraph's params are keys of its state
        ("whole", {}),
        ("unclear -> modelled", {}),
        ("pass -> whole if missing_key else fetch", {"missing_key": 1}),
    ],
)
def test_a_run_that_can_complete_is_never_refused(text: str, state: dict[str, Any]) -> None:
    assert start(session_of(text, sub="fetch -> score"), **state) == "completed"


def test_a_race_may_cancel_what_lacks_a_key() -> None:
    text = "slow = pass()\npass -> slow & quick\nquick = pass()\nslow -> fetch -> end\nquick -> end\nend = whole [join=race]"

    assert start(session_of(text)) == "completed"


def test_a_key_is_compared_as_python_compares_names() -> None:
    session = session_of("pass")
    session.tool(name="tool")(eval("lambda µ: {'x': µ}"))  # the parameter is the Greek letter, the key is not
    session.graph("g", "tool")

    assert start_with(session, {"\u00b5": 1}) == "completed"


def test_the_error_has_two_lines_that_name_the_keys_the_nodes_and_what_was_given() -> None:
    with pytest.raises(InitialStateError) as caught:
        start(session_of("fetch -> score -> publish"), page=3)

    assert str(caught.value).splitlines() == [
        "graph 'g' cannot start without 'pages' (node 'fetch'), 'title' (node 'publish')",
        "  give them in the initial state, or as params of nodes; keys given: 'page'; did you mean 'pages'?",
    ]


def test_a_tool_that_is_not_there_is_refused_first() -> None:
    with pytest.raises(GraphError, match="unknown tool 'nowhere'"):
        start(session_of("fetch -> nowhere"))


def test_a_tool_that_no_longer_needs_a_key_is_looked_at_again() -> None:
    def tool(gone: int) -> dict[str, Any]:
        return {"x": gone}

    session = session_of("pass")
    session.tool(tool)
    session.graph("g", "tool")
    with pytest.raises(InitialStateError):
        start(session)

    tool.__defaults__ = (1,)

    assert start(session) == "completed"


def test_a_tool_that_only_raises_may_be_skipped_with_any_output() -> None:
    assert start(session_of("breaks -> score")) == "failed"


def test_what_fails_for_another_reason_fails_as_before() -> None:
    async def main() -> None:
        await session_of("breaks").start("g", {}, durability="off")

    with pytest.raises(ExecutionError, match="broken"):
        asyncio.run(main())


def test_a_tool_without_a_return_is_named_where_a_key_is_missing() -> None:
    def load(pages: int) -> Any:
        rows = ["a"] * pages  # noqa: F841 - never returned

    session = session_of("pass")
    session.tool(load)
    session.graph("g", "load -> score")

    with pytest.raises(InitialStateError) as caught:
        start(session, pages=1)

    assert str(caught.value).endswith("keys given: 'pages'; load returns nothing (is a 'return' missing?)")
    assert caught.value.faults["rows"].endswith("; load returns nothing (is a 'return' missing?)")


def test_nodes_that_run_one_subgraph_with_the_same_keys_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    look = needs.missing_keys

    def counted(flow: Flow, given: frozenset[str]) -> dict[str, str]:
        looked.append(",".join(flow.nodes))
        return look(flow, given)

    session = session_of(
        "\n".join(f"n{n} = graph sub\nn{n} -> n{n + 1}" for n in range(50)) + "\nn50 = pass", sub="fetch -> score"
    )
    with monkeypatch.context() as patch:
        patch.setattr("nbflow.graph.needs.missing_keys", counted)
        with pytest.raises(InitialStateError):
            start(session)

    assert looked.count("fetch,score") <= 2  # before the first one, and where the first one has written its keys


def test_a_key_that_no_node_and_no_condition_reads_is_named() -> None:
    session = session_of("fetch -> score if go\ninner = graph sub\nscore -> inner", sub="publish")

    assert session.unread("g", {"pages": 1, "go": True, "title": "t", "bonus": 1}) == []
    assert session.unread("g", {"pagse": 1, "other": 2}) == [
        "no node of g reads 'pagse'; did you mean 'pages'?",
        "no node of g reads 'other'",
    ]


@pytest.mark.parametrize("text", ["fetch -> whole", "fetch -> score if state", "fetch -> nowhere"])
def test_no_key_is_named_where_a_node_may_read_any(text: str) -> None:
    assert session_of(text).unread("g", {"other": 1}) == []
