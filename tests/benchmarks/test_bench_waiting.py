"""The time that the engine adds to tools that wait, alone and in parallel."""

from __future__ import annotations

import asyncio

from figures import Figures, micro, ratio
from peers import langgraph_diamond
from timing import interleave
from workloads import (
    BRANCH_S,
    FAST_S,
    SLOW_S,
    bare_diamond,
    bare_fan,
    bare_threads,
    chain,
    executing,
    fan,
    firings,
    uneven_diamond,
)

N = 100


def test_branches_that_wait(figures: Figures) -> None:
    found = asyncio.run(interleave(30, executing(fan(N, "branch")), bare_fan(N, BRANCH_S)))
    note = f"{micro(found.median())}, gather {micro(found.median(1))}"
    figures.at_most(f"{N} branches of sleep({BRANCH_S}) / asyncio.gather", found.ratio(), 1.03, note)
    assert asyncio.run(firings(fan(N, "branch"))) == N + 2


def test_a_branch_continues_while_the_other_waits(figures: Figures) -> None:
    path = SLOW_S + FAST_S
    found = asyncio.run(interleave(20, executing(uneven_diamond()), bare_diamond))
    note = f"asyncio alone {ratio(found.median(1) / path)}"
    figures.at_most("uneven diamond / its critical path", found.median() / path, 1.04, note)
    assert asyncio.run(firings(uneven_diamond())) == 6


def test_a_branch_continues_while_the_other_waits_in_a_peer(figures: Figures) -> None:
    found = asyncio.run(interleave(5, langgraph_diamond()))
    figures.add("uneven diamond / its critical path: langgraph", ratio(found.median() / (SLOW_S + FAST_S)))
    assert found.median() >= SLOW_S + FAST_S


def test_sync_tools(figures: Figures) -> None:
    found = asyncio.run(interleave(60, executing(chain(N, "blocking")), bare_threads(N)))
    note = f"{micro(found.median() / N)} a node, to_thread {micro(found.median(1) / N)}"
    figures.at_most(f"chain of {N} sync tools / asyncio.to_thread of each", found.ratio(), 1.25, note)
    assert asyncio.run(firings(chain(N, "blocking"))) == N
