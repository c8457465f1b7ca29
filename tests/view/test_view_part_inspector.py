"""The inspector of a part of a map or subgraph: live, at past moments, and for runs read from a store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from view_samples import ERROR, Story, graph

from nbflow import Run, ToolRegistry, WorkflowEngine, progress
from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition
from nbflow.live_view.lookups import Lookups
from nbflow.live_view.stream import Feed
from nbflow.view import RunView
from nbflow.view.fold.catch_up import PIECE
from nbflow.view.panels.part_inspector import PartInspector, place_in
from nbflow.view.values.time_limit import Previews

ALL = 100

DEEP = graph("deep", ["probe"], [])
SCAN = graph(
    "scan",
    ["secrets", {"node_id": "deep", "graph": "deep"}, "report", {"node_id": "files", "tool": "read", "map": "names"}],
    [("secrets", "deep"), ("secrets", "files"), ("deep", "report", {"condition": "n > 0"}), ("files", "report")],
)
OUTER = graph(
    "outer",
    [
        {"node_id": "scan", "graph": "scan"},
        {"node_id": "fan", "tool": "work", "map": "files", "retries": 1},
        {"node_id": "each", "graph": "deep", "map": "files", "as": "file"},
    ],
    [("scan", "fan"), ("fan", "each")],
)


class FixedRun:
    """A run that consists of its events."""

    graph, subgraphs = OUTER, {"scan": SCAN, "deep": DEEP}

    def __init__(self, story: Story) -> None:
        self.events: list[Event] = story.events


def looked(story: Story, path: str, upto: int | None = None) -> Any:
    place = {"label": "Cell [4], line 8", "cell_id": "c4"}
    return PartInspector(FixedRun(story), lambda file, line: place, Previews()).inspect(
        path, len(story.events) if upto is None else upto, most=ALL
    )


def scanning() -> Story:
    return Story()("execution_start", input={})("node_start", "scan", attempt=1)


def mapping() -> Story:
    return Story()("execution_start", input={})("node_start", "fan", attempt=1, input={"files": ["a", "b"]})


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_a_failed_item_is_shown_with_its_input_its_error_and_the_users_cell() -> None:
    story = mapping()("node_start", "fan[7]", attempt=1, input={"files": "b"})("node_output", "fan[7]", text="hello\n")
    story("node_error", "fan[7]", 2.0, error=ERROR, duration_ms=2000.0)

    told = looked(story, "fan[7]")

    assert (told["node"], told["kind"], told["tool"], told["status"]) == ("fan[7]", "tool", "work", "failed")
    assert [(value["key"], value["preview"]) for value in told["input"]] == [("files", "b")]
    assert (told["error"]["message"], told["error"]["label"], told["error"]["cell_id"]) == (
        "'severity'",
        "Cell [4], line 8",
        "c4",
    )
    assert (told["printed"], told["timing"]["ms"]) == ("hello\n", 2000.0)


def test_an_item_is_not_confused_with_one_whose_number_has_the_same_first_digits() -> None:
    story = mapping()("node_start", "fan[7]", attempt=1, input=1)("node_start", "fan[70]", attempt=1, input=2)
    story("node_error", "fan[70]", error=ERROR)

    assert looked(story, "fan[7]")["status"] == "running"


def test_the_tries_of_an_item_are_listed() -> None:
    story = mapping()("node_start", "fan[0]", attempt=1)("node_retry", "fan[0]", attempt=2, delay=0.0, error=ERROR)
    story("node_start", "fan[0]", attempt=2)("node_complete", "fan[0]", output=3)

    told = looked(story, "fan[0]")

    assert [tried["status"] for tried in told["attempts"]] == ["failed", "completed"]
    assert told["of"] == 2


def test_an_inner_node_is_shown_with_output_and_where_it_went_and_why() -> None:
    story = scanning().ran("scan/secrets").ran("scan/deep", n=3)
    story(
        "edge_taken",
        "scan/deep",
        **{"from": "deep", "to": "report", "type": "conditional", "condition": "n > 0", "values": {"n": 3}},
    )

    told = looked(story, "scan/deep")

    assert (told["kind"], told["tool"], told["status"]) == ("subgraph", "deep", "completed")
    assert [value["key"] for value in told["output"]] == ["n"]
    assert told["next"] == "report, because n (3) > 0 is yes"


@pytest.mark.parametrize("path", ["scan/deep/probe", "scan/files[2]", "each[1]/probe", "each[1]"])
def test_parts_of_parts_are_shown_as_well(path: str) -> None:
    story = Story()("execution_start", input={})
    for end in (at for at, letter in enumerate(path) if letter in "/["):
        story("node_start", path[:end], attempt=1, input={})

    assert looked(story.ran(path, 1.0, n=1), path)["status"] == "completed"


def test_what_a_part_holds_is_listed_again() -> None:
    story = scanning()("node_start", "scan/deep", attempt=1)("node_start", "scan/deep/probe", attempt=1)

    assert looked(story, "scan/deep")["inside"]["rows"] == [["probe", "running", None]]


def test_names_of_other_parts_are_paths_of_the_run() -> None:
    story = scanning().ran("scan/secrets")("node_start", "scan/files", attempt=1)("node_start", "scan/deep", attempt=1)
    story("edge_taken", "scan/secrets", **{"from": "secrets", "to": "files", "type": "normal", "condition": None})

    assert looked(story, "scan/report")["waits_for"] == ["scan/deep", "scan/files"]


def test_a_question_has_the_path_that_its_answer_names() -> None:
    story = scanning()("node_start", "scan/secrets", attempt=1, firing=1)
    story("node_waiting", "scan/secrets", firing=1, ordinal=1, question="Go on?")

    assert looked(story, "scan/secrets")["questions"][0]["node"] == "scan/secrets"


@pytest.mark.parametrize(
    "path", ["", "fan", "ghost", "ghost[1]", "fan/x", "fan[x]", "fan[1", "scan[1]", "scan/ghost", "scan/", "scan//deep", "/[]"]
)  # fmt: skip
def test_a_path_that_leads_nowhere_shows_nothing(path: str) -> None:
    assert looked(mapping(), path) is None


# -- when -------------------------------------------------------------------------------------------------------------


def test_a_part_is_shown_at_any_past_moment() -> None:
    story = scanning()("node_start", "scan/secrets", attempt=1)("node_complete", "scan/secrets", output={"n": 1})
    within = PartInspector(FixedRun(story), None, Previews())

    stood = [(within.inspect("scan/secrets", upto, most=ALL) or {})["status"] for upto in (4, 3, 2, 4)]

    assert stood == ["completed", "running", "pending", "completed"]


def test_a_new_visit_starts_over() -> None:
    story = scanning().ran("scan/secrets")("node_complete", "scan", output={})

    assert looked(story("node_start", "scan", attempt=1), "scan/secrets")["status"] == "pending"


def test_ended_parts_remain_when_a_run_is_resumed() -> None:
    story = scanning().ran("scan/secrets", n=1)("node_start", "scan/deep", attempt=1)(
        "node_error", "scan/deep", error=ERROR
    )
    story("node_error", "scan", error=ERROR)("execution_error", error=ERROR)
    story("execution_resumed")("node_start", "scan", attempt=1)

    assert [looked(story, f"scan/{name}")["status"] for name in ("secrets", "deep")] == ["completed", "pending"]


@pytest.mark.parametrize("end", ["execution_cancelled", "execution_error"])
def test_what_ran_when_the_run_ended_was_cancelled(end: str) -> None:
    story = mapping()("node_start", "fan[0]", attempt=1)(end)

    assert looked(story, "fan[0]")["status"] == "cancelled"


def test_nodes_that_a_subgraph_ended_without_were_not_needed() -> None:
    story = scanning().ran("scan/secrets")("node_complete", "scan", output={})
    view = RunView(OUTER, subgraphs=FixedRun.subgraphs)
    view.apply(story.events)

    assert looked(story, "scan/report")["status"] == "skipped"
    assert ["report", "skipped", None] in view.nodes["scan"].inner_rows()["rows"]  # type: ignore[index]


def test_of_a_long_run_a_stretch_is_looked_through_at_a_time() -> None:
    story = mapping()("node_start", "fan[0]", attempt=1)("node_complete", "fan[0]", output=1)
    within = PartInspector(FixedRun(story), None, Previews())

    told = [within.inspect("fan[0]", 4, most=2) or {} for _ in range(2)]

    assert [(one["status"], one["timing"]["more"]) for one in told] == [("pending", True), ("completed", False)]


# -- of real runs -----------------------------------------------------------------------------------------------------


def mapped() -> Run:
    registry = ToolRegistry()

    @registry.tool(name="work")
    def work(files: str) -> str:
        if files == "b":
            raise KeyError(files)
        return files.upper()

    async def main() -> Run:
        run = WorkflowEngine(registry).start(definition, {"files": ["a", "b"]})
        await run
        return run

    node = {"node_id": "fan", "tool": "work", "map": "files", "on_error": "collect"}
    definition = GraphDefinition.model_validate({"name": "g", "nodes": [node]})
    return asyncio.run(main())


def test_a_page_receives_a_part_of_a_run_now_and_in_the_past() -> None:
    run, sent = mapped(), list[Any]()
    feed = Feed(run, RunView(run.graph), send=sent.append, describe=lambda tool: "It works.", reopen=None)  # type: ignore[arg-type]
    _ = feed.snapshot
    begun = next(event.seq for event in run.events if event.node == "fan[1]")

    for at in ({}, {"at": begun}):
        feed.handle({"type": "inspect", "node": "fan[1]", **at})
    feed.handle({"type": "inspect", "node": "fan[1]/x"})

    assert [(one["node"], one["data"]["status"], one["data"]["doc"]) for one in sent] == [
        ("fan[1]", "failed", "It works."),
        ("fan[1]", "running", "It works."),
    ]
    assert sent[0]["data"]["input"][0]["preview"] == "b"


VARIED = """
flaky [retries=1, backoff=0]
many = work [map=files, on_error=collect]
inner = graph sub
decide = pass
ask = ask(question="Go on?")
flaky -> many -> decide
decide -> inner if n > 2 else flaky [max=3]
inner -> ask -> slow -> breaks
breaks -> END on error
"""


def varied() -> Run:
    """Return a run with every kind of event that an ordinary run has."""
    registry, tries = ToolRegistry(), list[int]()

    @registry.tool(name="flaky")
    def flaky(n: int = 0) -> dict[str, int]:
        tries.append(n)
        if len(tries) == 1:
            raise ValueError("at first")
        return {"n": n + 2}

    @registry.tool(name="work")
    def work(files: str) -> str:
        return {"a": "A"}[files]

    @registry.tool(name="breaks")
    def breaks() -> None:
        raise ValueError("for good")

    @registry.tool(name="slow")
    async def slow() -> None:
        progress(0.5, "half")
        await asyncio.Event().wait()

    async def main() -> Run:
        engine = WorkflowEngine(
            registry,
            graphs={"sub": GraphDefinition.from_text("decide = pass\ndecide -> END if n > 9 else work2\nwork2 = pass")},
        )
        run = engine.start(GraphDefinition.from_text(VARIED), {"files": ["a", "b"]})
        while not run.asking:
            await asyncio.sleep(0)
        run.answer("yes")
        while not any(event.kind is Kind.NODE_PROGRESS for event in run.events):
            await asyncio.sleep(0)
        run.skip("slow")
        await run.wait()
        return run

    return asyncio.run(main())


def test_the_paths_of_a_journal_are_those_of_its_events() -> None:
    run = varied()

    told = {
        Kind.EDGE_UNTAKEN,
        Kind.NODE_RETRY,
        Kind.NODE_PROGRESS,
        Kind.NODE_WAITING,
        Kind.NODE_SKIPPED,
        Kind.NODE_ERROR,
    }
    assert told <= {event.kind for event in run.events}
    for first in (0, 1, 7):
        assert run.events.paths(first, 999) == [event.node for event in run.events][first:]  # type: ignore[attr-defined]


def test_a_part_of_a_run_with_untaken_edges_is_inspected() -> None:
    run = varied()

    assert (PartInspector(run, None, Previews()).inspect("many[1]", len(run.events), most=ALL) or {})[
        "status"
    ] == "failed"


def test_an_unknown_path_is_reported() -> None:
    run = mapped()

    assert place_in(run, "fan[1]") is not None
    told = {"type": "inspector", "node": "ghost[1]", "at": 3, "data": None}
    assert Lookups(run).answer({"type": "inspect", "node": "ghost[1]", "at": 3}) == told


def test_what_a_subgraph_that_is_tried_again_came_to_before_is_not_what_it_is_at_now() -> None:
    story = scanning().ran("scan/secrets", n=1)("node_start", "scan", attempt=2, begun=2)
    view = RunView(OUTER, subgraphs=FixedRun.subgraphs)
    view.apply(story.events)

    assert looked(story, "scan/secrets")["status"] == "pending"
    assert ["secrets", "pending", None] in view.nodes["scan"].inner_rows()["rows"]  # type: ignore[index]


def test_where_much_lies_within_a_stretch_is_folded_at_a_time() -> None:
    story = mapping()
    for _ in range(PIECE):
        story("node_start", "fan[0]", attempt=1)("node_complete", "fan[0]", output=1)
    within = PartInspector(FixedRun(story), None, Previews())

    more = [(within.inspect("fan[0]", len(story.events), most=10 * PIECE) or {})["timing"]["more"] for _ in range(3)]

    assert more == [True, True, False]
