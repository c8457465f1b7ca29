"""Errors that can be found before the run are raised before any node starts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from running import engine_of, graph, others

from nbflow.errors import GraphError


async def add(n: int) -> dict[str, int]:
    return {"n": n + 1}


async def naps() -> None:
    await asyncio.sleep(0.02)


def refused(text: str, *tools: Any, **options: Any) -> GraphError:
    async def main() -> GraphError:
        with pytest.raises(GraphError) as caught:
            engine_of(*tools, **options).start(graph(text, name="g"))
        assert not others()
        return caught.value

    return asyncio.run(main())


def test_all_unknown_tools_are_refused_in_one_error_with_the_names_most_alike() -> None:
    error = refused("ad -> sub -> nothing_like_it\nsub = graph inner", add, graphs={"inner": "brokn"})

    known = "known tools: pass, add"
    assert [fault.partition("; known tools")[0] for fault in error.faults] == [
        "node 'ad' names unknown tool 'ad'; did you mean 'add'?",
        "node 'brokn' names unknown tool 'brokn'",
        "node 'nothing_like_it' names unknown tool 'nothing_like_it'",
    ]
    assert all(known in fault for fault in error.faults)
    assert str(error).startswith("graph 'g': 3 faults:")


def test_unknown_subgraphs_predicates_and_reducers_are_refused_in_one_error() -> None:
    error = refused(
        "pass -> sub if odd(1)\nsub = graph iner\nreduce x with ad", graphs={"inner": "pass", "loop": "l = graph loop"}
    )

    assert len(error.faults) == 3
    assert any("names unknown graph 'iner'; did you mean 'inner'?" in fault for fault in error.faults)
    assert any("unknown reducer 'ad'; did you mean 'add'?" in fault for fault in error.faults)
    assert any("odd" in fault for fault in error.faults)


def test_a_subgraph_that_contains_itself_is_refused() -> None:
    error = refused("l = graph loop", graphs={"loop": "m = graph more", "more": "again = graph loop"})

    assert error.faults == ("subgraph 'loop' contains itself: loop -> more -> loop; take one of these away",)


def test_a_graph_without_a_running_loop_cannot_be_started() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        engine_of().start(graph("pass"))
