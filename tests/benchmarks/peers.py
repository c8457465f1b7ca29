"""The same graphs by other engines, each as its own documentation builds them, without tracing or storage.

Rule: a peer that is not installed is skipped, and what it can build beforehand is not timed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, TypedDict

import pytest
from measuring import AsyncWay
from workloads import FAST_S, SLOW_S


class Counted(TypedDict):
    """The state of peers that need one declared."""

    n: int


def need(module: str) -> Any:
    """Import a peer, or skip the test."""
    return pytest.importorskip(module, reason=f"{module} is not installed; the extra nbflow[bench] has it")


# langgraph


def langgraph(
    nodes: dict[str, Callable[[Any], Any]], edges: Sequence[tuple[Any, str]], way_on: Callable[[Any], str] | None = None
) -> AsyncWay:
    """Return a way that runs a graph of LangGraph; `way_on` chooses what follows node `b`."""
    module = need("langgraph.graph")
    builder = module.StateGraph(Counted)
    for name, function in nodes.items():
        builder.add_node(name, function)
    builder.set_entry_point(next(iter(nodes)))
    for source, target in edges:
        builder.add_edge(source, target)
    if way_on is not None:
        builder.add_conditional_edges("b", way_on, ["a", module.END])
    app = builder.compile()
    return lambda: app.ainvoke({"n": 0}, {"recursion_limit": 1_000_000})


async def _nothing(state: Any) -> dict[str, Any]:
    return {}


def langgraph_chain(count: int) -> AsyncWay:
    """Return a way through nodes one after the other."""
    names = [f"n{i}" for i in range(count)]
    return langgraph(dict.fromkeys(names, _nothing), list(pairwise(names)))


def langgraph_loop(count: int) -> AsyncWay:
    """Return a way through two nodes that take turns."""

    async def counts(state: Any) -> dict[str, Any]:
        return {"n": state["n"] + 1}

    nodes = {"a": _nothing, "b": counts}
    return langgraph(nodes, [("a", "b")], lambda state: "a" if state["n"] < count // 2 else "__end__")


def langgraph_fan(count: int) -> AsyncWay:
    """Return a way through branches that join."""
    names = [f"n{i}" for i in range(count)]
    edges = [("split", name) for name in names]
    return langgraph(dict.fromkeys(["split", *names, "join"], _nothing), [*edges, (names, "join")])


def langgraph_diamond() -> AsyncWay:
    """Return a way through the uneven diamond."""

    async def slow(state: Any) -> dict[str, Any]:
        await asyncio.sleep(SLOW_S)
        return {}

    async def fast(state: Any) -> dict[str, Any]:
        await asyncio.sleep(FAST_S)
        return {}

    nodes = {"split": _nothing, "a1": slow, "a2": fast, "b1": fast, "b2": slow, "join": _nothing}
    edges = [("split", "a1"), ("split", "b1"), ("a1", "a2"), ("b1", "b2"), (["a2", "b2"], "join")]
    return langgraph(nodes, edges)


# pydantic-graph


def _pydantic_builder() -> Any:
    return need("pydantic_graph").GraphBuilder(auto_instrument=False, state_type=dict, output_type=int)


async def _step(context: Any) -> None:
    pass


def pydantic_chain(count: int) -> AsyncWay:
    """Return a way through nodes one after the other."""
    builder = _pydantic_builder()
    steps = [builder.step(_step, node_id=f"n{i}") for i in range(count)]
    for source, target in zip([builder.start_node, *steps], [*steps, builder.end_node], strict=True):
        builder.add_edge(source, target)
    built = builder.build()
    return lambda: built.run(state={})


def pydantic_loop(count: int) -> AsyncWay:
    """Return a way through two nodes that take turns."""
    builder = _pydantic_builder()

    async def counts(context: Any) -> int:
        context.state["n"] += 1
        return int(context.state["n"])

    a, b = builder.step(_step, node_id="a"), builder.step(counts, node_id="b")
    again = builder.match(int, matches=lambda n: n < count // 2).to(a)
    builder.add(
        builder.edge_from(builder.start_node).to(a),
        builder.edge_from(a).to(b),
        builder.edge_from(b).to(builder.decision().branch(again).branch(builder.match(int).to(builder.end_node))),
    )
    built = builder.build()
    return lambda: built.run(state={"n": 0})


def pydantic_fan(count: int) -> AsyncWay:
    """Return a way through branches that join."""
    builder = _pydantic_builder()
    split = builder.step(_step, node_id="split")
    steps = [builder.step(_step, node_id=f"n{i}") for i in range(count)]
    join = builder.join(need("pydantic_graph").reduce_null, initial=None, node_id="join")
    builder.add(
        builder.edge_from(builder.start_node).to(split),
        builder.edge_from(split).to(*steps),
        builder.edge_from(*steps).to(join),
        builder.edge_from(join).to(builder.end_node),
    )
    built = builder.build()
    return lambda: built.run(state={})


# burr


def burr_chain(count: int) -> AsyncWay:
    """Return a way through nodes one after the other; an application runs once, so building it is timed too."""
    need("burr")
    core = import_module("burr.core")

    @core.action(reads=[], writes=[])
    async def step(state: Any) -> Any:
        return state

    names = [f"n{i}" for i in range(count)]
    builder = core.ApplicationBuilder().with_actions(**dict.fromkeys(names, step))
    builder = builder.with_transitions(*pairwise(names)).with_entrypoint(names[0]).with_state()
    return lambda: builder.build().arun(halt_after=[names[-1]])
