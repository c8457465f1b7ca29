"""The growth of a node's cost with the size of the run: chains, loops and fans of tools that do nothing.

`test_bench_peers.py` has the cost itself, with tools that take and write values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from figures import Figures, micro, ratio
from timing import AsyncWay, Rounds, interleave, times
from workloads import bare_chain, bare_fan, chain, executing, fan, firings, loop

from nbflow.graph import GraphDefinition
from nbflow.scheduler import compile_plan

N = 1_000
Shape = Callable[[int], GraphDefinition]
SHAPES = [pytest.param(chain, id="chain"), pytest.param(loop, id="loop")]


def measure(rounds: int, *ways: AsyncWay) -> Rounds:
    return asyncio.run(interleave(rounds, *ways))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_nodes_time_does_not_grow_with_the_run(shape: Shape, figures: Figures) -> None:
    short = times(10, executing(shape(100)))
    found = measure(15, executing(shape(10_000)), short, bare_chain(10_000), times(10, bare_chain(100)))
    note = f"a bare task {ratio(found.ratio(2, 3) / 10)}"
    figures.at_most(f"{shape.__name__}: a node's time, 10000 / 100", found.ratio() / 10, 1.3, note)
    assert asyncio.run(firings(shape(10_000))) == 10_000


def test_a_branchs_time_does_not_grow_with_the_fan(figures: Figures) -> None:
    found = measure(
        15, executing(fan(10_000)), times(10, executing(fan(N))), bare_fan(10_000), times(10, bare_fan(N))
    )  # fmt: skip
    note = f"gather {ratio(found.ratio(2, 3))}"
    figures.at_most("fan: a branch's time, 10000 / 1000", found.ratio(), 1.3, note)
    assert asyncio.run(firings(fan(10_000))) == 10_002


def test_costs_outside_the_figures_above(figures: Figures) -> None:
    """These costs are those of reading the log, and of compiling, which happens once per graph."""

    async def read() -> None:
        assert await firings(definition) == N

    async def compiled() -> None:
        compile_plan(definition)

    definition = chain(N)
    found = measure(20, read, executing(definition), compiled, partial(asyncio.sleep, 0))
    figures.add("chain of 1000 with its log read / without", ratio(found.ratio()))
    figures.add("compiling a chain of 1000 / running it", ratio(found.ratio(2, 1)), micro(found.median(2)))
