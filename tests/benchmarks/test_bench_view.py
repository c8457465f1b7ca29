"""What a view that is open costs the run that it shows, without a page: the fold and the patches, which go nowhere."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from figures import Figures, micro
from measuring import AsyncWay, interleave
from workloads import engine, executing, ring

from nbflow.feed import Feed
from nbflow.graph import GraphDefinition
from nbflow.view.recorded import unfed

NODES, FIRINGS, ROUNDS = 1_000, 100_000, 7
TARGET = 1.3


def viewed(definition: GraphDefinition, seen: list[tuple[float, int]]) -> AsyncWay:
    """Return a way that executes a graph with its view open; `seen` gets each patch's time and how far behind it is."""

    async def way() -> None:
        run = engine.start(definition, {})

        def send(message: dict[str, Any]) -> None:
            seen.append((time.perf_counter(), len(run.events) - message["seq"]))

        feed = Feed(run, unfed(run), send=send, describe=lambda tool: "", reopen=None)  # type: ignore[arg-type]
        feed.start()
        feed.handle({"type": "ready"})
        await run
        feed.close()
        assert feed.snapshot["run"]["status"] == "completed"

    return way


def test_a_view_costs_its_run_little(figures: Figures) -> None:
    definition, seen = ring(NODES, FIRINGS), list[tuple[float, int]]()
    rounds = asyncio.run(interleave(ROUNDS, viewed(definition, seen), executing(definition)))
    what = f"{FIRINGS:,} firings of {NODES:,} nodes: with a view / without"
    note = f"{micro(rounds.median(1))} without; {len(seen) / (ROUNDS + 1):.0f} messages a run"
    figures.at_most(what, rounds.ratio(), TARGET, note)
    assert seen
