"""The cost of an open view for its run, without a page: the fold and the patches, which are dropped."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from figures import Figures, micro
from timing import AsyncWay, interleave
from workloads import chain, engine, executing, ring

from nbflow.graph import GraphDefinition
from nbflow.live_view.stream import Feed
from nbflow.view import RunView
from nbflow.view.recorded_run import empty_view

NODES, FIRINGS, ROUNDS = 1_000, 100_000, 7
TARGET = 1.3
BYTES = 120


def viewed(definition: GraphDefinition, behind: list[int]) -> AsyncWay:
    """Return a function that executes a graph with its view open; `behind` gets the lag of each message, in events."""
    views = [RunView(definition) for _ in range(ROUNDS + 1)]

    async def way() -> None:
        view = views.pop()
        run = engine.start(definition, {})

        def send(message: dict[str, Any]) -> None:
            if "seq" in message:
                behind.append(len(run.events) - message["seq"])

        feed = Feed(run, view, send=send, describe=lambda tool: "", reopen=None)  # type: ignore[arg-type]
        feed.start()
        feed.handle({"type": "ready"})
        await run
        feed.close()
        assert feed.snapshot["run"]["status"] == "completed"

    return way


def test_a_view_costs_its_run_little(figures: Figures) -> None:
    definition, behind = ring(NODES, FIRINGS), list[int]()
    rounds = asyncio.run(interleave(ROUNDS, viewed(definition, behind), executing(definition)))
    what = f"{FIRINGS:,} firings of {NODES:,} nodes: with a view / without"
    note = f"{micro(rounds.median(1))} without; {len(behind) / (ROUNDS + 1):.0f} messages a run, {max(behind)} events behind at most"
    figures.at_most(what, rounds.ratio(), TARGET, note)
    assert behind


async def sent(definition: GraphDefinition) -> list[dict[str, Any]]:
    """Return the messages that a page gets for a run whose nodes wait."""
    run, messages = engine.start(definition, {}), list[dict[str, Any]]()
    feed = Feed(run, empty_view(run), send=messages.append, describe=lambda tool: "", reopen=None)  # type: ignore[arg-type]
    feed.start()
    await run
    feed.close()
    return messages


def test_a_change_of_a_node_takes_few_bytes(figures: Figures) -> None:
    patches = [message for message in asyncio.run(sent(chain(200, "slow"))) if message["type"] == "patch"]
    changes = sum(len(patch.get("nodes", ())) for patch in patches)
    whole = sum(len(json.dumps(patch, separators=(",", ":"))) for patch in patches)
    nodes = sum(len(json.dumps(patch.get("nodes", {}), separators=(",", ":"))) for patch in patches)
    note = f"{len(patches)} patches; {nodes / changes:.0f} bytes of it say what changed of the node itself"
    figures.at_most("a node's change, with the edges and counts beside it", whole / changes, BYTES, note, unit="bytes")
    assert changes >= 400
