"""The steps of a run and its state at any moment, of real runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_view_catch_up import ended, graphs
from test_view_time_travel import Counted

from nbflow import GraphDefinition, Run, ToolRegistry, WorkflowEngine
from nbflow.events import Kind
from nbflow.live_view import state_history
from nbflow.live_view.lookups import Lookups
from nbflow.live_view.state_history import States, Steps
from nbflow.state import MISSING, Unstored
from nbflow.view.panels.state_panel import ADDED, CHANGED, SET, difference, is_json

MARKS = {SET: "+", CHANGED: "*", ADDED: "="}


def ran(text: str, *tools: Callable[..., Any], graphs: dict[str, str] | None = None, **state: Any) -> Run:
    """Run a graph to its end, good or bad."""
    registry = ToolRegistry()
    for tool in tools:
        registry.register(tool.__name__, tool)
    inner = {name: GraphDefinition.from_text(body, name=name) for name, body in (graphs or {}).items()}

    async def main() -> Run:
        run = WorkflowEngine(registry, graphs=inner).start(GraphDefinition.from_text(text), state)
        await run.wait()
        return run

    return asyncio.run(main())


def steps_of(run: Run) -> Steps:
    steps = Steps(run)
    while steps.seq < len(run.events):
        steps.fold()
    return steps


def states_of(run: Run) -> States:
    return States(run, steps_of(run))


def told(run: Run) -> list[str]:
    """Return the steps as `node#visit: +set *changed =added`."""
    return [
        f"{s.node}#{s.visit}: {' '.join(MARKS[mark] + key for key, mark in s.marks.items())}" for s in steps_of(run).all
    ]


def first() -> dict[str, Any]:
    return {"n": 1, "names": ["a"]}


def second(n: int, names: list[str]) -> dict[str, Any]:
    return {"n": n + 1, "names": [*names, "b"], "late": True}


def nothing() -> None:
    return None


def five() -> int:
    return 5


def test_a_step_is_a_completion_that_wrote_something() -> None:
    run = ran("first -> nothing -> second -> five", first, second, nothing, five, given=0)

    assert told(run) == ["first#1: +n +names", "second#1: *n =names +late", "five#1: +five"]
    assert list(steps_of(run).keys) == ["given", "n", "names", "late", "five"]


def test_a_loop_counts_its_visits() -> None:
    def again(n: int) -> dict[str, int]:
        return {"n": n + 1}

    run = ran("again -> again if n < 3 else END", again, n=0)

    assert told(run) == ["again#1: *n", "again#2: *n", "again#3: *n"]


def test_a_key_with_a_reducer_is_added_to() -> None:
    def one() -> dict[str, list[int]]:
        return {"found": [1]}

    def two() -> dict[str, list[int]]:
        return {"found": [2]}

    run = ran("one -> two\nreduce found with extend", one, two)

    assert told(run) == ["one#1: +found", "two#1: =found"]
    assert states_of(run).at(len(run.events))["found"] == [1, 2]


def test_an_error_that_an_edge_takes_is_a_step() -> None:
    def fails() -> None:
        raise ValueError("no")

    assert told(ran("fails -> five on error", fails, five)) == ["fails#1: +error", "five#1: +five"]


def test_a_loop_at_its_limit_writes_its_error_with_its_output() -> None:
    def again(n: int) -> dict[str, int]:
        return {"n": n + 1}

    run = ran("again -> again if n > 0 [max=1]\nagain -> five on error", again, five, n=1)

    assert told(run) == ["again#1: *n", "again#2: *n +error", "five#1: +five"]
    assert "LoopError" in str(ask(run, at=steps_of(run).all[1].seq)["step"]["changes"][1]["lines"])


def test_items_of_a_map_and_nodes_of_a_subgraph_are_part_of_the_step_of_their_node() -> None:
    def double(x: int) -> int:
        return 2 * x

    run = ran(
        "ys = double() [map=xs, as=x]\nys -> inner\ninner = graph sub",
        double, first, graphs={"sub": "first"}, xs=[1, 2],
    )  # fmt: skip

    assert told(run) == ["ys#1: +ys", "inner#1: +n +names"]


def test_the_state_at_a_moment_is_the_one_of_a_replay() -> None:
    run = ran("first -> second -> five", first, second, five)
    states = states_of(run)
    moments = list(range(1, len(run.events) + 1))

    for seq in [*moments, *reversed(moments), 3, 9, 1, len(run.events)]:
        assert states.at(seq) == run.at(seq).state
    assert states.at(0) == run.initial


@settings(max_examples=25)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=12))
def test_moments_may_be_asked_in_any_order(order: list[int]) -> None:
    states = states_of(LOOPED)
    for seq in order:
        at = min(seq, len(LOOPED.events))
        assert states.at(at) == (LOOPED.at(at).state if at else LOOPED.initial)


def _again(n: int) -> dict[str, int]:
    return {"n": n + 1}


LOOPED = ran("_again -> _again if n < 100 else END", _again, n=0)


# -- the protocol -------------------------------------------------------------------------------------------------------


def ask(run: Run, **fields: Any) -> Any:
    question = {"type": "state", "at": None, "after": 0, "named": 0, "rows": [0, 50]} | fields
    return Lookups(run).answer(question)


def test_an_answer_has_steps_keys_values_and_the_changes_of_the_selected_step() -> None:
    run = ran("first -> second", first, second, given="x")
    second_at = steps_of(run).all[1].seq

    answer = ask(run, at=second_at)

    assert (answer["type"], answer["at"], answer["of"]) == ("state", second_at, 2)
    assert answer["names"] == ["given", "n", "names", "late"]
    assert [step[2:] for step in answer["steps"]] == [
        ["first", 1, [[1, 0], [2, 0]]],
        ["second", 1, [[1, 1], [2, 2], [3, 0]]],
    ]
    assert [value["text"] for value in answer["values"]] == ["'x'", "2", "['a', 'b']", "True"]
    assert answer["step"]["number"] == 2
    assert [(c["name"], c["note"], c["lines"]) for c in answer["step"]["changes"]] == [
        ("n", "changed", [["-", "1"], ["+", "2"]]),
        ("names", "1 added", [[" ", "1 unchanged"], ["+", "'b'"]]),
        ("late", "set", [["+", "True"]]),
    ]


def test_a_step_shows_what_it_wrote_while_another_path_sees_the_value_before() -> None:
    def x() -> dict[str, int]:
        return {"x": 2}

    async def y() -> dict[str, int]:
        await asyncio.sleep(0.05)
        return {"y": 1}

    run = ran("five -> x & y", five, x, y, x=1)
    at = next(step.seq for step in steps_of(run).all if step.node == "x")

    assert ask(run, at=at)["step"]["changes"][0]["lines"] == [["-", "1"], ["+", "2"]]


def test_before_the_first_step_there_is_none_and_keys_to_come_have_no_value() -> None:
    answer = ask(ran("first", first, given=1), at=1)

    assert answer["step"] is None
    assert [value and value["text"] for value in answer["values"]] == ["1", None, None]


def test_steps_that_the_page_has_are_not_sent_again() -> None:
    answer = ask(ran("first -> second", first, second), after=1, named=2, rows=[1, 2])

    assert (len(answer["steps"]), answer["after"], answer["names"]) == (1, 1, ["late"])
    assert (answer["first"], len(answer["values"])) == (1, 1)


@pytest.mark.parametrize(
    "fields",
    [{"at": "1"}, {"at": -1}, {"at": True}, {"rows": [0]}, {"rows": None}, {"after": -1}, {"named": 1.5}, {"type": "value", "key": "n"}],
)  # fmt: skip
def test_a_malformed_question_is_passed_over(fields: dict[str, Any]) -> None:
    assert ask(LOOPED, **fields) is None


def test_a_moment_beyond_the_last_event_is_now() -> None:
    answer = ask(LOOPED, at=10**9)

    assert (answer["at"], answer["seq"]) == (10**9, len(LOOPED.events))


def test_answers_about_a_running_run_grow() -> None:
    async def main() -> list[int]:
        registry = ToolRegistry()
        gate = asyncio.Event()

        @registry.tool
        async def wait() -> int:
            await gate.wait()
            return 1

        registry.register("five", five)
        run = WorkflowEngine(registry).start(GraphDefinition.from_text("five -> wait"), {})
        questions = Lookups(run)
        counts = []
        for done in (1, 2):
            while sum(event.kind is Kind.NODE_COMPLETE for event in run.events) < done:
                await asyncio.sleep(0.001)
            counts.append(questions.answer({"type": "state", "at": None, "after": 0, "named": 0, "rows": [0, 9]})["of"])
            gate.set()
        await run.wait()
        return counts

    assert asyncio.run(main()) == [1, 2]


# -- a long run by pieces ------------------------------------------------------------------------------------------------


def in_full(questions: Lookups, **fields: Any) -> dict[str, Any]:
    """Send requests until the answer is complete, and merge the answers."""
    message: dict[str, Any] = {"type": "state", "at": None, "after": 0, "named": 0, "rows": [0, 50]} | fields
    steps, names = [], []
    while True:
        answer = questions.answer(message)
        assert answer is not None
        steps += answer.get("steps", [])
        names += answer.get("names", [])
        if not answer.get("more"):
            return answer | {"steps": steps, "names": names, "after": 0, "named": 0}
        message |= {"after": len(steps), "named": len(names)} if message["type"] == "state" else {}


@settings(max_examples=50)
@given(graphs(), st.lists(st.integers(0, 400), max_size=6), st.integers(1, 40), st.booleans())
def test_a_run_folded_in_pieces_has_the_same_answers(
    definition: GraphDefinition, moments: list[int], piece: int, lost: bool
) -> None:
    run = ended(definition, 300, **({"lost": Unstored("it was not stored")} if lost else {}))
    at_once, by_pieces = Lookups(run), Lookups(run)
    for at in (*moments, None):
        for kind in ({"type": "state"}, {"type": "value", "key": 0, "from": 0}, {"type": "editable"}):
            whole = in_full(at_once, at=at, **kind)
            with pytest.MonkeyPatch.context() as patch:
                for name, value in (("AT_ONCE", piece), ("_BEFORE", 2), ("_REMEMBERED", 8)):
                    patch.setattr(state_history, name, value)

                assert in_full(by_pieces, at=at, **kind) == whole


def forgetful() -> Any:
    """Return a run without stored outputs, so that only its events show which edges it took."""
    run = ran("_again -> _again if n < 9 else five", _again, five, n=0)
    lost = {"output": {"n": Unstored("it was not stored")}}
    events = [replace(one, data=one.data | lost) if one.kind is Kind.NODE_COMPLETE else one for one in run.events]
    return SimpleNamespace(graph=run.graph, plan=run.plan, initial=run.initial, events=events)


@pytest.mark.parametrize("piece", range(1, 6))
@pytest.mark.parametrize(
    "run",
    [ran("_again -> _again if n > 0 [max=1]\n_again -> five on error", _again, five, n=1), forgetful()],
    ids=["limited", "forgetful"],
)
def test_events_decided_together_are_answered_together_wherever_a_piece_ends(
    run: Any, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [in_full(Lookups(run), at=at) for at in range(len(run.events))]
    monkeypatch.setattr(state_history, "AT_ONCE", piece)

    assert [in_full(Lookups(run), at=at) for at in range(len(run.events))] == whole
    assert not any("fault" in answer for answer in whole)


def test_known_steps_are_sent_before_the_moment_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_history, "AT_ONCE", 60)

    answer = ask(LOOPED, at=200)

    assert answer["more"]
    assert 0 < len(answer["steps"]) < 60
    assert "values" not in answer


def test_a_question_goes_through_a_bounded_number_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AT_ONCE", 10), ("_BEFORE", 2), ("_REMEMBERED", 8)):
        monkeypatch.setattr(state_history, name, value)
    events = Counted(LOOPED.events)
    run: Any = SimpleNamespace(graph=LOOPED.graph, plan=LOOPED.plan, initial=LOOPED.initial, events=events)
    questions, read = Lookups(run), []
    for at in (None, 100, 5, 99):
        more = True
        while more:
            before = events.read
            more = (questions.answer({"type": "value", "key": 0, "from": 0, "at": at}) or {}).get("more", False)
            read.append(events.read - before)

    assert len(read) > 40
    # The events folded, the events replayed, and those decided together with the last one.
    assert max(read) <= 3 * 10


def test_two_moments_asked_for_in_turn_are_both_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AT_ONCE", 10), ("_BEFORE", 2), ("_REMEMBERED", 8)):
        monkeypatch.setattr(state_history, name, value)
    questions = Lookups(LOOPED)
    in_full(questions, type="editable", at=None)
    left, asked = {15, 200}, 0
    while left and asked < 60:
        for at in sorted(left):
            asked += 1
            if "keys" in (questions.answer({"type": "editable", "at": at}) or {}):
                left.discard(at)

    assert not left


# -- values that are no help ------------------------------------------------------------------------------------------------


class Endless:
    """Never says what it is; counts who asks."""

    asked = 0

    def __repr__(self) -> str:
        Endless.asked += 1
        Event().wait()
        return "never"


def test_a_repr_that_does_not_end_holds_up_one_answer_and_only_for_a_moment() -> None:
    run = ran("five", five, a=Endless(), b=[Endless()], c=1)
    questions = Lookups(run)
    message = {"type": "state", "at": 1, "after": 0, "named": 0, "rows": [0, 9]}

    values = questions.answer(message)["values"]
    asked = Endless.asked
    questions.answer(message)

    assert [v["text"] for v in values[:3]] == [
        "<Endless: takes too long to show>",
        "<list: takes too long to show>",
        "1",
    ]
    assert Endless.asked == asked


def test_a_key_and_a_node_may_have_any_name() -> None:
    odd = "\u202e\u0000" + "x" * 10_000

    def hostile() -> dict[str, str]:
        return {odd: odd}

    answer = ask(ran("hostile", hostile))

    assert len(answer["names"][0]) == 100
    assert "\u202e" not in str(answer)


def test_plain_values_are_given_to_be_edited_and_the_others_are_not() -> None:
    run = ran("five", five, a={"k": [1, None, "x"]}, b=(1,), c=float("nan"), d=2**60, e="\ud800", f="y" * 30_000)

    keys = {row["key"]: (row["json"], row["why"]) for row in ask(run, type="editable", at=1)["keys"]}

    assert keys["a"] == ('{\n  "k": [\n    1,\n    null,\n    "x"\n  ]\n}', None)
    assert {key for key, (text, _) in keys.items() if text is None} == {"b", "c", "d", "e", "f"}
    assert keys["f"][1] == "is too long to be edited here"


def test_a_value_inside_itself_is_no_json() -> None:
    knot: list[Any] = []
    knot.append(knot)

    assert not is_json(knot)
    assert not is_json([0] * 10**6)


# -- differences ----------------------------------------------------------------------------------------------------------


def test_a_long_text_is_shown_by_the_lines_that_differ() -> None:
    before = "\n".join(f"line {i}" for i in range(100))
    after = before.replace("line 50", "LINE 50")

    assert difference(CHANGED, before, after, after) == (
        "changed",
        [[" ", "line 49"], ["-", "line 50"], ["+", "LINE 50"], [" ", "line 51"]],
    )


def test_a_dict_is_shown_by_the_entries_that_differ() -> None:
    _, lines = difference(CHANGED, {"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}, None)

    assert lines == [["-", "'b': 2"], ["+", "'b': 3"], ["+", "'c': 4"]]


def test_many_items_added_are_counted() -> None:
    note, lines = difference(ADDED, [0] * 51, [0] * 51 + list(range(13)), None)

    assert note == "13 added"
    assert lines[0] == [" ", "51 unchanged"]
    assert lines[-1] == [" ", "7 more"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2_000),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=9), inner, max_size=30),
    max_leaves=40,
)


@settings(max_examples=100)
@given(st.sampled_from([SET, CHANGED, ADDED]), values | st.just(MISSING), values | st.just(MISSING), values)
def test_a_difference_has_few_short_lines_for_any_values(mark: int, before: Any, after: Any, update: Any) -> None:
    note, lines = difference(mark, before, after, update)

    assert len(note) < 40
    assert len(lines) <= 16
    assert all(len(text) <= 310 and sign in "+- " for sign, text in lines)
