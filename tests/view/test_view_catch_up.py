"""A view that coalesces repeated firings equals a view that folds each event."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine, progress
from nbflow.engine.run import Run
from nbflow.errors import NbflowError
from nbflow.event_log import EventLog
from nbflow.view import RunView, inspect
from nbflow.view.fold import catch_up
from nbflow.view.fold.catch_up import CatchUp
from nbflow.view.fold.coalesce import Coalescer
from nbflow.view.panels.inspector import why
from nbflow.view.recorded_run import empty_view

NAMES = "abcde"
CONDITIONS = (None, None, "n % 2 == 0", "n % 3 == 1", "n > 9")
INNER = GraphDefinition.from_text("x -> y\ny -> x if n % 2 == 1 [max=3]\nx = plain\ny = plain", name="inner")


def tools() -> ToolRegistry:
    """Return tools that count their calls, and that now and then wait, fail, say something or do not end in turn."""
    registry, calls = ToolRegistry(), iter(range(1, 1 << 30))

    @registry.tool
    async def plain() -> dict[str, int]:
        return {"n": next(calls)}

    @registry.tool
    async def waits() -> dict[str, int]:
        n = next(calls)
        for _ in range(n % 4):
            await asyncio.sleep(0)
        return {"n": n}

    @registry.tool
    async def says() -> dict[str, int]:
        n = next(calls)
        sys.stdout.write(f"call {n}\n")
        progress(n % 10 / 10, f"call {n}")
        return {"n": n}

    @registry.tool
    async def fails() -> dict[str, int]:
        n = next(calls)
        if n % 3 == 0:
            raise ValueError(f"call {n}")
        return {"n": n}

    return registry


@st.composite
def graphs(draw: st.DrawFn) -> GraphDefinition:
    """Graphs with loops, choices, joins of all kinds, retries, error edges, a map and a subgraph."""
    names = NAMES[: draw(st.integers(2, 5))]
    nodes: list[dict[str, Any]] = []
    for name in names:
        tool = draw(st.sampled_from(["plain", "plain", "plain", "waits", "says", "fails"]))
        node: dict[str, Any] = {"node_id": name, "tool": tool, "join": draw(st.sampled_from(["all", "each", "first"]))}
        if draw(st.integers(0, 5)) == 0:
            del node["tool"]
            node["graph"] = "inner"
        elif draw(st.integers(0, 5)) == 0:
            node |= {"map": "many", "on_error": "collect"}
        elif tool == "fails":
            node["retries"] = draw(st.integers(0, 1))
        node["route"] = draw(st.sampled_from(["first", "first", "all"]))
        nodes.append(node)
    edges = []
    for source in names:
        for target in draw(st.lists(st.sampled_from([*names, "END"]), min_size=1, max_size=3, unique=True)):
            condition = draw(st.sampled_from(CONDITIONS))
            edges.append({"from_node": source, "to_node": target, "condition": condition})
        if draw(st.booleans()):
            edges.append({"from_node": source, "to_node": draw(st.sampled_from([*names, "END"])), "type": "error"})
    for edge in edges:
        if edge.get("condition") is None:
            edge.pop("condition", None)
    limit = draw(st.integers(2, 12))
    return GraphDefinition.model_validate({
        "name": "any", "nodes": nodes, "edges": edges, "entry_node": "a", "max_iterations": limit,
        "reducers": {"n": "last", **dict.fromkeys(names, "last")},
    })  # fmt: skip


def ended(definition: GraphDefinition, most: int = 700, **state: Any) -> Run:
    """Return a run that has ended, or that was cancelled after so many events."""

    async def main() -> Run:
        registry = tools()
        engine = WorkflowEngine(registry, graphs={"inner": INNER})
        run = engine.start(definition, {"n": 0, "many": [1, 2, 3], **state})

        def look() -> None:
            if run.result is None:
                run.cancel() if len(run.events) > most else run.on_change(look)

        run.on_change(look)
        try:
            await run
        except NbflowError:
            pass
        return run

    return asyncio.run(main())


def seen(view: RunView, run: Run) -> dict[str, Any]:
    """Return all that a person can see of a run."""
    return {
        "snapshot": view.snapshot(0.0),
        "nodes": {name: inspect(view, run.graph, name) for name in view.nodes},
        "edges": {key: why(view, key) for key in view.edges.states},
    }


def folded(run: Run) -> RunView:
    view = empty_view(run)
    view.apply(run.events)
    return view


def by_pieces(run: Run, cuts: list[int], fold: Callable[[CatchUp, RunView], Any] | None = None) -> RunView:
    """Return the view of a run of which more is there at each look."""
    log, view = EventLog(run.events.epoch), empty_view(run)  # type: ignore[attr-defined]  # it is an EventLog
    behind = CatchUp(view, log)
    for begin, end in zip([0, *cuts], [*cuts, len(run.events)], strict=True):
        for record in run.events.records(begin, end):  # type: ignore[attr-defined]
            log.add(record)
        behind.fold() if fold is None else fold(behind, view)
    behind.fold()
    return view


@settings(max_examples=100)
@given(graphs(), st.data())
def test_any_pacing_ends_in_the_same_state(definition: GraphDefinition, data: st.DataObject) -> None:
    run = ended(definition)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(run.events)), max_size=6)))

    assert seen(by_pieces(run, cuts), run) == seen(folded(run), run)


@settings(max_examples=50)
@given(graphs(), st.integers(1, 40), st.integers(2, 200))
def test_small_pieces_equal_the_view_after_an_event_and_end_in_the_same_state(
    definition: GraphDefinition, piece: int, looked: int
) -> None:
    run = ended(definition)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catch_up, "PIECE", piece)
        patch.setattr(catch_up, "LOOKED", looked)
        view = empty_view(run)
        behind = CatchUp(view, run.events)
        while behind.left:
            before = view.seq
            behind.fold_piece()
            upto = empty_view(run)
            upto.apply(run.events[: view.seq])

            assert view.seq > before
            assert view.snapshot(0.0) == upto.snapshot(0.0)

    assert seen(view, run) == seen(folded(run), run)


@settings(max_examples=50)
@given(graphs(), st.lists(st.integers(0, 400), max_size=6))
def test_patches_of_a_view_that_catches_up_applied_to_the_first_snapshot_give_the_last(
    definition: GraphDefinition, cuts: list[int]
) -> None:
    run = ended(definition)
    shown = empty_view(run).snapshot(0.0)

    def patched(behind: CatchUp, view: RunView) -> None:
        behind.fold()
        patch = view.take_patch(0.0)
        for part in ("nodes", "edges"):
            for key, fields in (patch or {}).get(part, {}).items():
                shown[part][key] |= fields
        shown["run"] |= (patch or {}).get("run", {})

    view = by_pieces(run, sorted(min(cut, len(run.events)) for cut in cuts), patched)
    whole = view.snapshot(0.0)

    assert {part: shown[part] for part in ("run", "nodes", "edges")} == {
        part: whole[part] for part in ("run", "nodes", "edges")
    }


def test_of_a_node_that_went_round_and_round_little_is_folded() -> None:
    run = ended(GraphDefinition.from_text("a -> b\nb -> a [max=99]\nb -> END on error\na = plain\nb = plain"))
    stretch = Coalescer(run.events.records(1, len(run.events)))  # type: ignore[attr-defined]

    steps = stretch.steps(empty_view(run))

    assert stretch.length > 500
    assert len(steps) < 30
