"""The same graphs in other engines, each built as the documentation of the engine shows, without tracing or storage.

Each tool takes two keys, `x` and `by`, and writes one. A timed function returns the result of the graph.

Invariant: a peer that is not installed is skipped, and the time to build a graph is not measured if it is built once.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any, TypedDict

import pytest
from timing import AsyncWay
from workloads import FAST_S, SLOW_S

START = {"x": 0, "by": 1}


class Counted(TypedDict):
    """The state of peers that need one declared."""

    x: int
    by: int
    total: Annotated[int, operator.add]


def need(module: str) -> Any:
    """Import a peer, or skip the test."""
    return pytest.importorskip(module, reason=f"{module} is not installed; the extra `bench` has it")


# asyncio


async def _step(x: int, by: int) -> dict[str, int]:
    return {"x": x + by}


def awaited(count: int) -> AsyncWay:
    """Return a function that awaits the tool, one call after the other."""

    async def way() -> int:
        state = dict(START)
        for _ in range(count):
            state.update(await _step(state["x"], state["by"]))
        return state["x"]

    return way


def tasks(count: int) -> AsyncWay:
    """Return a function that creates and awaits one asyncio task per node."""

    async def way() -> int:
        state = dict(START)
        for _ in range(count):
            state.update(await asyncio.create_task(_step(state["x"], state["by"])))
        return state["x"]

    return way


def gathered(count: int) -> AsyncWay:
    """Return a function that gathers `count` calls, each in a task, and adds up their results."""

    async def way() -> int:
        return sum(found["x"] for found in await asyncio.gather(*(_step(**START) for _ in range(count))))

    return way


# langgraph


def langgraph(
    nodes: dict[str, Callable[[Any], Any]],
    edges: Sequence[tuple[Any, str]],
    choose: Callable[[Any], str] | None = None,
    key: str = "x",
) -> AsyncWay:
    """Return a function that runs a graph of LangGraph; `choose` returns the successor of node `b`."""
    module = need("langgraph.graph")
    builder = module.StateGraph(Counted)
    for name, function in nodes.items():
        builder.add_node(name, function)
    builder.set_entry_point(next(iter(nodes)))
    for source, target in edges:
        builder.add_edge(source, target)
    if choose is not None:
        builder.add_conditional_edges("b", choose, ["a", module.END])
    app = builder.compile()

    async def way() -> int:
        state: dict[str, int] = await app.ainvoke({**START, "total": 0}, {"recursion_limit": 1_000_000})
        return state[key]

    return way


async def _langgraph_step(state: Any) -> dict[str, Any]:
    return {"x": state["x"] + state["by"]}


async def _langgraph_branch(state: Any) -> dict[str, Any]:
    return {"total": state["x"] + state["by"]}


async def _langgraph_pass(state: Any) -> dict[str, Any]:
    return {}


def langgraph_chain(count: int) -> AsyncWay:
    """Return a function that runs a chain of nodes."""
    names = [f"n{i}" for i in range(count)]
    return langgraph(dict.fromkeys(names, _langgraph_step), list(pairwise(names)))


def langgraph_loop(count: int) -> AsyncWay:
    """Return a function that runs a loop of two nodes."""
    nodes = dict.fromkeys("ab", _langgraph_step)
    return langgraph(nodes, [("a", "b")], lambda state: "a" if state["x"] < count else "__end__")


def langgraph_fan(count: int) -> AsyncWay:
    """Return a function that runs branches that join."""
    names = [f"n{i}" for i in range(count)]
    nodes = {
        "split": _langgraph_pass,
        **dict.fromkeys(names, _langgraph_branch),
        "join": _langgraph_pass,
    }
    return langgraph(nodes, [*(("split", name) for name in names), (names, "join")], key="total")


def langgraph_diamond() -> AsyncWay:
    """Return a function that runs the uneven diamond."""

    async def slow(state: Any) -> dict[str, Any]:
        await asyncio.sleep(SLOW_S)
        return {}

    async def fast(state: Any) -> dict[str, Any]:
        await asyncio.sleep(FAST_S)
        return {}

    nodes = {"split": _langgraph_pass, "a1": slow, "a2": fast, "b1": fast, "b2": slow, "join": _langgraph_pass}
    edges = [("split", "a1"), ("split", "b1"), ("a1", "a2"), ("b1", "b2"), (["a2", "b2"], "join")]
    return langgraph(nodes, edges)


# pydantic-graph


def _pydantic_builder() -> Any:
    return need("pydantic_graph").GraphBuilder(auto_instrument=False, state_type=dict, output_type=int)


def _pydantic_way(built: Any) -> AsyncWay:
    async def way() -> int:
        return int(await built.run(state=dict(START)))

    return way


async def _pydantic_step(context: Any) -> int:
    context.state["x"] += context.state["by"]
    return int(context.state["x"])


async def _pydantic_branch(context: Any) -> int:
    return int(context.state["x"] + context.state["by"])


def pydantic_chain(count: int) -> AsyncWay:
    """Return a function that runs a chain of nodes."""
    builder = _pydantic_builder()
    steps = [builder.step(_pydantic_step, node_id=f"n{i}") for i in range(count)]
    for source, target in zip([builder.start_node, *steps], [*steps, builder.end_node], strict=True):
        builder.add_edge(source, target)
    return _pydantic_way(builder.build())


def pydantic_loop(count: int) -> AsyncWay:
    """Return a function that runs a loop of two nodes."""
    builder = _pydantic_builder()
    a, b = (builder.step(_pydantic_step, node_id=name) for name in "ab")
    again = builder.match(int, matches=lambda x: x < count).to(a)
    builder.add(
        builder.edge_from(builder.start_node).to(a),
        builder.edge_from(a).to(b),
        builder.edge_from(b).to(builder.decision().branch(again).branch(builder.match(int).to(builder.end_node))),
    )
    return _pydantic_way(builder.build())


def pydantic_fan(count: int) -> AsyncWay:
    """Return a function that runs branches that join."""
    builder = _pydantic_builder()

    async def nothing(context: Any) -> None:
        pass

    split = builder.step(nothing, node_id="split")
    steps = [builder.step(_pydantic_branch, node_id=f"n{i}") for i in range(count)]
    join = builder.join(need("pydantic_graph").reduce_sum, initial=0, node_id="join")
    builder.add(
        builder.edge_from(builder.start_node).to(split),
        builder.edge_from(split).to(*steps),
        builder.edge_from(*steps).to(join),
        builder.edge_from(join).to(builder.end_node),
    )
    return _pydantic_way(builder.build())


# burr; an application runs once, so building it is timed too


def _burr_way(names: Sequence[str], transitions: Sequence[tuple[Any, ...]], last: str) -> AsyncWay:
    need("burr")
    core = import_module("burr.core")

    @core.action(reads=["x", "by"], writes=["x"])
    async def step(state: Any) -> Any:
        return state.update(x=state["x"] + state["by"])

    builder = core.ApplicationBuilder().with_actions(**dict.fromkeys(names, step))
    builder = builder.with_transitions(*transitions).with_entrypoint(names[0]).with_state(**START)

    async def way() -> int:
        _, _, state = await builder.build().arun(halt_after=[last])
        return int(state["x"])

    return way


def burr_chain(count: int) -> AsyncWay:
    """Return a function that runs a chain of nodes."""
    names = [f"n{i}" for i in range(count)]
    return _burr_way(names, list(pairwise(names)), names[-1])


def burr_loop(count: int) -> AsyncWay:
    """Return a function that runs a loop of two nodes; a third node, where it halts, is the last firing."""
    need("burr")
    again = import_module("burr.core").expr(f"x < {count - 1}")
    return _burr_way("abc", [("a", "b", again), ("b", "a", again), ("a", "c"), ("b", "c")], "c")


# pocketflow


def _pocketflow_nodes(count: int, last: int) -> tuple[Any, list[Any]]:
    module = need("pocketflow")

    class Step(module.AsyncNode):  # type: ignore[misc]
        async def prep_async(self, shared: Any) -> tuple[int, int]:
            return shared["x"], shared["by"]

        async def exec_async(self, taken: tuple[int, int]) -> int:
            x, by = taken
            return x + by

        async def post_async(self, shared: Any, taken: Any, found: int) -> str:
            shared["x"] = found
            return "default" if found < last else "end"

    return module, [Step() for _ in range(count)]


def _pocketflow_way(module: Any, first: Any) -> AsyncWay:
    flow = module.AsyncFlow(start=first)

    async def way() -> int:
        shared = dict(START)
        await flow.run_async(shared)
        return shared["x"]

    return way


def pocketflow_chain(count: int) -> AsyncWay:
    """Return a function that runs a chain of nodes."""
    module, nodes = _pocketflow_nodes(count, count + 1)
    for source, target in pairwise(nodes):
        _ = source >> target
    return _pocketflow_way(module, nodes[0])


def pocketflow_loop(count: int) -> AsyncWay:
    """Return a function that runs a loop of two nodes; a third node is the last firing."""
    module, (a, b, end) = _pocketflow_nodes(3, count - 1)
    _ = a >> b, b >> a, a - "end" >> end, b - "end" >> end
    return _pocketflow_way(module, a)


def pocketflow_fan(count: int) -> AsyncWay:
    """Return a function that runs a batch whose items are processed in parallel."""
    module = need("pocketflow")

    class Branches(module.AsyncParallelBatchNode):  # type: ignore[misc]
        async def prep_async(self, shared: Any) -> list[tuple[int, int]]:
            return [(shared["x"], shared["by"])] * count

        async def exec_async(self, taken: tuple[int, int]) -> int:
            x, by = taken
            return x + by

        async def post_async(self, shared: Any, taken: Any, found: list[int]) -> None:
            shared["x"] = sum(found)

    return _pocketflow_way(module, Branches())
