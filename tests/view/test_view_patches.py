"""A page that was given a snapshot and every patch since sees what a page opened now sees."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_samples import ERROR, PAIR, PULL, Story

from nbflow.events import Event, Kind
from nbflow.view import RunView
from nbflow.view.text import standing

NODES = [node.node_id for node in PULL.nodes]
INNER = [*NODES, "security_scan/a", "review_files[0]", "review_files[1]", "review_files[1]/x", "ghost"]
EDGES = [e.model_dump() for e in PULL.edges]


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Any sequence of events, sensible or not."""
    listed = []
    for seq in range(1, draw(st.integers(1, 60)) + 1):
        kind = draw(st.sampled_from(list(Kind)))
        node: str | None = None if kind.value.startswith("execution") else draw(st.sampled_from(INNER))
        data: dict[str, Any] = {"attempt": draw(st.integers(1, 3)), "progress": draw(st.floats(-1, 2)), "text": "t"}
        if kind in (Kind.NODE_ERROR, Kind.NODE_RETRY, Kind.EXECUTION_ERROR):
            data |= {"error": ERROR, "delay": 1.5}
        if kind in (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN):
            edge = draw(st.sampled_from(EDGES))
            node = edge["from_node"]
            data = {"from": node, "to": edge["to_node"], "type": edge["type"], "condition": edge["condition"]}
            data["values"] = {"failed": draw(st.integers()), "n_files": 3}
        listed.append(Event(kind, seq, 1000.0 + seq, node, data))
    return listed


def laid_over(seen: dict[str, Any], patch: dict[str, Any]) -> None:
    """Apply a patch to a snapshot, as the page does."""
    seen["seq"] = patch["seq"]
    seen["run"] |= patch.get("run", {})
    for part in ("nodes", "edges"):
        for key, fields in patch.get(part, {}).items():
            seen[part][key] |= fields


@given(events(), st.integers(1, 7))
def test_patches_laid_over_the_first_snapshot_give_the_last(listed: list[Event], step: int) -> None:
    view = RunView(PULL)
    seen = deepcopy(view.snapshot(0.0))
    for start in range(0, len(listed), step):
        view.apply(listed[start : start + step])
        patch = view.take_patch(0.0)
        if patch is not None:
            laid_over(seen, json.loads(json.dumps(patch)))

    whole = json.loads(json.dumps(view.snapshot(0.0)))

    assert {**seen, "seq": None} == {**whole, "seq": None}


@given(events())
def test_one_fold_gives_what_many_give(listed: list[Event]) -> None:
    at_once, one_by_one = RunView(PULL), RunView(PULL)
    at_once.apply(listed)
    for event in listed:
        one_by_one.apply([event])

    assert at_once.snapshot(0.0) == one_by_one.snapshot(0.0)


@pytest.mark.slow
@given(events())
def test_a_run_is_waiting_while_people_are_asked_and_nothing_else_runs(listed: list[Event]) -> None:
    view = RunView(PULL)
    view.apply(listed)
    seen = view.snapshot(0.0)

    counts = standing(seen["nodes"])

    if seen["run"]["status"] in ("running", "waiting"):
        idle = counts["waiting"] > 0 and not counts["running"] + counts["retrying"]
        assert seen["run"]["status"] == ("waiting" if idle else "running")


def test_what_is_sent_can_be_written_as_strict_utf8() -> None:
    view = RunView(PAIR)
    story = Story()("node_start", "a")("node_progress", "a", progress=0.5, text="\ud800")
    view.apply(story("node_start", "b")("node_error", "b", error="\udfff").events)

    json.dumps(view.take_patch(0.0), ensure_ascii=False, allow_nan=False).encode()


def test_nothing_changed_is_no_patch() -> None:
    view = RunView(PAIR)
    view.apply(Story()("execution_start").events)

    assert view.take_patch(0.0) is not None
    assert view.take_patch(0.0) is None


def test_a_patch_names_only_what_changed() -> None:
    view = RunView(PAIR)
    view.apply(Story()("execution_start").ran("a").events)
    view.take_patch(0.0)
    view.apply([Event(Kind.NODE_START, 4, 1003.0, "b", {"attempt": 1})])

    patch = view.take_patch(7.0)

    assert patch is not None
    assert patch["nodes"] == {"b": {"status": "running", "since": 1003.0, "runs": 1}}
    assert (patch["seq"], patch["now"], "edges" in patch, "run" in patch) == (4, 7.0, False, False)
