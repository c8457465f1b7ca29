"""Past moments of a run: each is folded in pieces from the nearest checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_view_catch_up import ended, graphs, seen
from test_view_lookups import FixedRun
from view_samples import Story

from nbflow import GraphDefinition, Run
from nbflow.events import Event
from nbflow.live_view.lookups import Lookups
from nbflow.view import RunView, inspect
from nbflow.view.fold import catch_up
from nbflow.view.panels import time_travel
from nbflow.view.panels.time_travel import Checkpoints
from nbflow.view.recorded_run import empty_view


class Counted(list[Event]):
    """Events of which it is counted how many were read."""

    read = 0

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        self.read += len(found) if isinstance(index, slice) else 1
        return found


@pytest.fixture
def small() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def long(count: int) -> FixedRun:
    story = Story()("execution_start")
    while len(story.events) < count:
        story.ran("lint", 1.0, at=len(story.events))
    return FixedRun(Counted(story.events))


def asked(questions: Lookups, **message: Any) -> dict[str, Any]:
    """Ask on until the moment is reached."""
    while True:
        answer = questions.answer(message)
        assert answer is not None
        if not answer.get("more"):
            return answer


def folded(run: Run, upto: int) -> RunView:
    view = empty_view(run)
    view.apply(run.events[:upto])
    return view


@settings(max_examples=50)
@given(graphs(), st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(1, 40), st.booleans())
def test_moments_reached_by_pieces_in_any_order_are_as_folded_at_once(
    definition: GraphDefinition, moments: list[int], every: int, fetched: bool
) -> None:
    run = ended(definition, 300)
    questions = Lookups(run)
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in ((time_travel, "EVERY", every), (time_travel, "MOST", 3), (catch_up, "PIECE", 7)):
            patch.setattr(module, name, value)
        if fetched:
            questions.answer({"type": "history", "after": 0})
        for at in moments:
            told = seen(folded(run, at), run)
            for node, data in told["nodes"].items():
                assert asked(questions, type="inspect", node=node, at=at)["data"] == data
            for edge, why in told["edges"].items():
                assert asked(questions, type="why", edge=edge, at=at) == {"type": "why", "at": at, **(why or {})}


@settings(max_examples=50)
@given(graphs(), st.integers(0, 300))
def test_of_a_view_and_its_copy_neither_changes_with_the_other(definition: GraphDefinition, at: int) -> None:
    run = ended(definition, 300)
    view = folded(run, at)
    other = view.copy()

    other.apply(run.events[other.seq :])
    after = seen(other, run)

    assert seen(view, run) == seen(folded(run, at), run)
    view.apply(run.events[view.seq :])
    assert seen(view, run) == after == seen(folded(run, len(run.events)), run)


def test_a_copy_has_the_patches_that_the_view_would_have() -> None:
    view = RunView(FixedRun([]).graph)
    events = long(9).events
    view.apply(events[:4])
    other = view.copy()

    view.apply(events[4:])
    other.apply(events[4:])

    assert json.dumps(other.take_patch(0.0)) == json.dumps(view.take_patch(0.0))
    assert other.take_patch(0.0) is None


def test_a_question_folds_no_more_than_lies_between_two_checkpoints() -> None:
    told = long(3 * time_travel.EVERY)
    questions, read, more = Lookups(told), [], True
    while more:
        before = told.events.read  # type: ignore[attr-defined]
        answer = questions.answer({"type": "inspect", "node": "lint", "at": len(told.events)}) or {}
        more = "more" in answer
        read.append(told.events.read - before)  # type: ignore[attr-defined]

    assert len(read) >= 3
    assert max(read) <= time_travel.EVERY


@pytest.mark.parametrize("history", [False, True])
def test_going_back_costs_no_more_than_lies_between_two_checkpoints(history: bool) -> None:
    told = long(5 * time_travel.EVERY)
    questions = Lookups(told)
    asked(questions, type="inspect", node="lint", at=len(told.events))
    if history:
        seq = 0
        while seq < len(told.events):
            seq = (questions.answer({"type": "history", "after": seq}) or {})["seq"]
    before = told.events.read  # type: ignore[attr-defined]

    answer = questions.answer({"type": "inspect", "node": "lint", "at": len(told.events) - 900}) or {}

    assert "data" in answer
    assert told.events.read - before <= time_travel.EVERY  # type: ignore[attr-defined]


def test_checkpoints_of_a_growing_run_are_bounded_and_become_sparser(small: pytest.MonkeyPatch) -> None:
    small.setattr(time_travel, "EVERY", 10)
    told = long(5_000)
    kept, view = Checkpoints(told, None), empty_view(told)
    for event in told.events:
        view.apply([event])
        kept.store(view)

        assert len(kept._views) <= time_travel.MOST
        assert view.seq - kept.last(view.seq) < kept.every

    assert kept.every == 320


@pytest.mark.parametrize(("limit", "count"), [("NODES", 3), ("LARGE", 0)])
def test_a_large_graph_has_few_or_no_checkpoints(limit: str, count: int, small: pytest.MonkeyPatch) -> None:
    told = long(200)
    small.setattr(time_travel, "EVERY", 10)
    small.setattr(time_travel, limit, count * len(told.graph.nodes))
    questions = Lookups(told)

    for at in (200, 150, 199):
        answer = asked(questions, type="inspect", node="lint", at=at)
        assert answer["data"] == inspect(told.events[:at], told.graph, "lint")

    assert len(questions._answering.popitem()[1]._checkpoints._views) <= count  # type: ignore[attr-defined]
