"""What the engine adds to tools that do nothing: chains, loops, fans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from figures import Figures, micro, ratio
from measuring import AsyncWay, Rounds, interleave, times
from peers import (
    burr_chain,
    langgraph_chain,
    langgraph_fan,
    langgraph_loop,
    pydantic_chain,
    pydantic_fan,
    pydantic_loop,
)
from workloads import bare_chain, bare_fan, chain, executing, fan, firings, loop

from nbflow.graph import GraphDefinition
from nbflow.scheduler import compile_plan

N = 1_000
Shape = Callable[[int], GraphDefinition]
SHAPES = [pytest.param(chain, id="chain"), pytest.param(loop, id="loop")]


def measure(rounds: int, *ways: AsyncWay) -> Rounds:
    return asyncio.run(interleave(rounds, *ways))


@pytest.mark.parametrize("shape", SHAPES)
def test_one_after_the_other_against_asyncio(shape: Shape, figures: Figures) -> None:
    found = measure(100, executing(shape(N)), bare_chain(N))
    note = f"{micro(found.median() / N)} a node, a bare task {micro(found.median(1) / N)}"
    figures.at_most(f"{shape.__name__} of {N} / one asyncio task a node", found.ratio(), 0.8, note)
    assert asyncio.run(firings(shape(N))) == N


@pytest.mark.parametrize(
    ("shape", "peer", "least"),
    [
        pytest.param(chain, langgraph_chain, 40, id="chain-langgraph"),
        pytest.param(loop, langgraph_loop, 40, id="loop-langgraph"),
        pytest.param(chain, pydantic_chain, 10, id="chain-pydantic-graph"),
        pytest.param(loop, pydantic_loop, 10, id="loop-pydantic-graph"),
        pytest.param(chain, burr_chain, None, id="chain-burr"),
        pytest.param(fan, langgraph_fan, None, id="fan-langgraph"),
        pytest.param(fan, pydantic_fan, None, id="fan-pydantic-graph"),
    ],
)
def test_against_a_peer(shape: Shape, peer: Callable[[int], AsyncWay], least: float | None, figures: Figures) -> None:
    found = measure(5, peer(N), executing(shape(N)))
    what = f"{shape.__name__} of {N}: {peer.__name__.partition('_')[0]} / nbflow"
    note = f"{micro(found.median() / N)} a node"
    if least is None:
        figures.tell(what, ratio(found.ratio()), note)
    else:
        figures.at_least(what, found.ratio(), least, note)
    assert asyncio.run(firings(shape(N))) >= N


@pytest.mark.parametrize("shape", SHAPES)
def test_a_nodes_time_does_not_grow_with_the_run(shape: Shape, figures: Figures) -> None:
    short = times(10, executing(shape(100)))
    found = measure(15, executing(shape(10_000)), short, bare_chain(10_000), times(10, bare_chain(100)))
    note = f"a bare task {ratio(found.ratio(2, 3) / 10)}"
    figures.at_most(f"{shape.__name__}: a node's time, 10000 / 100", found.ratio() / 10, 1.3, note)
    assert asyncio.run(firings(shape(10_000))) == 10_000


def test_a_fan_against_gather(figures: Figures) -> None:
    found = measure(100, executing(fan(N)), bare_fan(N))
    note = f"{micro(found.median() / N)} a branch, gather {micro(found.median(1) / N)}"
    figures.at_most(f"fan 1 → {N} → 1 / asyncio.gather", found.ratio(), 2.5, note)
    assert asyncio.run(firings(fan(N))) == N + 2


def test_a_branchs_time_does_not_grow_with_the_fan(figures: Figures) -> None:
    found = measure(
        15, executing(fan(10_000)), times(10, executing(fan(N))), bare_fan(10_000), times(10, bare_fan(N))
    )  # fmt: skip
    note = f"gather {ratio(found.ratio(2, 3))}"
    figures.at_most("fan: a branch's time, 10000 / 1000", found.ratio(), 1.3, note)
    assert asyncio.run(firings(fan(10_000))) == 10_002


def test_what_is_not_in_the_figures_above(figures: Figures) -> None:
    """Reading the log, and compiling, which is done once for a graph."""

    async def read() -> None:
        assert await firings(definition) == N

    async def compiled() -> None:
        compile_plan(definition)

    definition = chain(N)
    found = measure(20, read, executing(definition), compiled, partial(asyncio.sleep, 0))
    figures.tell("chain of 1000 with its log read / without", ratio(found.ratio()))
    figures.tell("compiling a chain of 1000 / running it", ratio(found.ratio(2, 1)), micro(found.median(2)))
