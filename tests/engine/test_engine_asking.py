"""A tool waits for a person: the question, the accepted answers, and the questions after a retry or a resume."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel, Field
from running import engine_of, graph, kinds, others, rows, until

from nbflow import Run, ask
from nbflow.engine.replay import Replay, ResumePoint
from nbflow.errors import AnswerError, ExecutionCancelled, ExecutionError, NodeError, RunStateError
from nbflow.events import Kind


async def ship() -> dict[str, Any]:
    return {"shipped": await ask("Ship it?", choices=["yes", "no"])}


async def quick() -> None:
    await asyncio.sleep(0)


class Severity(Enum):
    LOW = "low"
    HIGH = "high"


class Verdict(BaseModel):
    severity: Severity
    due: date
    lines: int = Field(ge=1)


async def judge() -> dict[str, Any]:
    return {"verdict": await ask(schema=Verdict)}


def asked(text: str, *tools: Callable[..., Any], then: Callable[[Run], Awaitable[Any]], **options: Any) -> Run:
    """Run a graph until it asks, then do what the test does, then to its end."""

    async def main() -> Run:
        run = engine_of(*tools, graphs=options.pop("graphs", None)).start(graph(text), options)
        await until(lambda: run.asking or run.done)
        await then(run)
        await run
        return run

    return asyncio.run(main())


GRAPHS = {"middle": "inner = graph leaf", "leaf": "slow"}


def told(run: Run, kind: Kind) -> list[dict[str, Any]]:
    return [event.data for event in run.events if event.kind is kind]


# -- asking and answering ---------------------------------------------------------------------------------------------


def test_a_tool_waits_for_an_answer_and_gets_it() -> None:
    async def then(run: Run) -> None:
        assert run.status == "waiting"
        run.answer("yes")
        assert run.status == "running"

    run = asked("ship -> quick", ship, quick, then=then)

    assert run.state == {"shipped": "yes"}
    assert kinds(run)[1:4] == ["node_start ship", "node_waiting ship", "node_answered ship"]
    (question,), (answer,) = told(run, Kind.NODE_WAITING), told(run, Kind.NODE_ANSWERED)
    place = {"firing": 1, "attempt": 1, "ordinal": 1}
    assert question == {**place, "question": "Ship it?", "choices": ["yes", "no"]}
    assert answer == {**place, "answer": "yes"}


def test_a_run_is_waiting_only_if_nothing_else_is_running() -> None:
    gate: list[asyncio.Event] = []

    async def slow() -> None:
        await gate[0].wait()

    async def then(run: Run) -> None:
        assert run.status == "running"
        gate[0].set()
        await until(lambda: ("slow", "completed", 1) in rows(run))
        assert run.status == "waiting"
        run.answer("no")

    async def main() -> None:
        gate.append(asyncio.Event())
        run = engine_of(ship, slow).start(graph("pass -> ship & slow"))
        await until(lambda: run.asking)
        await then(run)
        await run

    asyncio.run(main())


def test_a_question_can_be_a_separate_node() -> None:
    async def then(run: Run) -> None:
        assert run.asking[0].told["details"] == "all tests pass"
        run.answer("no")

    text = 'approve = ask(question="Ship?", choices=["yes", "no"], details="all tests pass")\napprove -> a if approve == "yes" else b\na = pass\nb = pass'
    run = asked(text, then=then)

    assert [row[0] for row in rows(run)] == ["approve", "b"]


def test_every_item_of_a_map_and_every_node_of_a_subgraph_asks_for_itself() -> None:
    async def each(x: int) -> Any:
        return await ask(f"keep {x}?", choices=[True, False])

    async def then(run: Run) -> None:
        await until(lambda: len(run.asking) == 3)
        assert [question.node for question in run.asking] == ["m[0]", "m[1]", "sub/ship"]
        run.answer(False, node="m[1]")
        run.answer("no", node="sub/ship")
        run.answer(True, node="m[0]")

    run = asked(
        "pass -> m & sub\nm = each [map=xs]\nsub = graph inner",
        each,
        ship,
        graphs={"inner": "ship"},
        then=then,
        xs=[1, 2],
    )

    assert (run.state["m"], run.state["shipped"]) == ([True, False], "no")


def test_several_questions_of_one_tool_are_answered_one_by_one() -> None:
    async def both() -> list[Any]:
        return [await ask("first?"), await ask("second?")]

    async def then(run: Run) -> None:
        run.answer({"any": ["data"]})
        await until(lambda: run.asking)
        run.answer(2)

    assert asked("both", both, then=then).state == {"both": [{"any": ["data"]}, 2]}


def test_an_async_tool_in_a_thread_can_ask_too() -> None:
    async def then(run: Run) -> None:
        run.answer("yes")

    assert asked("ship [executor=thread]", ship, then=then).state == {"shipped": "yes"}


# -- what is taken for an answer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["maybe", None, True, 1])
def test_only_a_choice_is_taken_where_there_are_choices(wrong: Any) -> None:
    async def then(run: Run) -> None:
        with pytest.raises(
            AnswerError, match=f"node 'ship' does not fit its question: {wrong!r} is none of 'yes', 'no'"
        ):
            run.answer(wrong)
        assert run.status == "waiting"
        run.answer("yes")

    assert len(told(asked("ship", ship, then=then), Kind.NODE_ANSWERED)) == 1


def test_an_answer_of_a_model_is_checked_field_by_field() -> None:
    async def then(run: Run) -> None:
        with pytest.raises(AnswerError) as caught:
            run.answer({"severity": "medium", "due": "2026-11-27", "lines": 0})
        assert caught.value.faults.keys() == {"severity", "lines"}
        run.answer({"severity": "high", "due": "2026-11-27", "lines": 3})

    run = asked("judge", judge, then=then)

    assert run.state["verdict"] == Verdict(severity=Severity.HIGH, due=date(2026, 11, 27), lines=3)
    assert told(run, Kind.NODE_ANSWERED)[0]["answer"] == {"severity": "high", "due": "2026-11-27", "lines": 3}
    assert told(run, Kind.NODE_WAITING)[0]["schema"]["properties"].keys() == {"severity", "due", "lines"}


def test_in_python_an_answer_may_be_the_model_itself() -> None:
    verdict = Verdict(severity=Severity.LOW, due=date(2026, 1, 1), lines=1)

    async def then(run: Run) -> None:
        run.answer(verdict)

    assert asked("judge", judge, then=then).state["verdict"] == verdict


def test_what_json_cannot_say_is_no_answer() -> None:
    async def free() -> Any:
        return await ask("what?")

    async def then(run: Run) -> None:
        with pytest.raises(AnswerError, match="it is not JSON data"):
            run.answer(object())
        run.answer("this")

    asked("free", free, then=then)


def test_a_graph_may_ask_by_a_json_schema() -> None:
    text = """{"nodes": [{"node_id": "q", "tool": "ask", "params": {"question": "who?", "schema":
        {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"}}}}}]}"""

    async def then(run: Run) -> None:
        for wrong, faults in (
            ({}, {"name": "is required"}),
            ({"name": "X"}, {"name": "'X' does not match '^[a-z]+$'"}),
        ):
            with pytest.raises(AnswerError) as caught:
                run.answer(wrong)
            assert caught.value.faults == faults
        run.answer({"name": "ada"})

    assert asked(text, then=then).state == {"name": "ada"}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "http://127.0.0.1:9/schema"}, "not a valid JSON schema"),
        ({"type": "nonsense"}, "not a valid JSON schema"),
        ({"$ref": "#"}, "not a valid JSON schema"),
        ({"pattern": "(?=x)"}, "which is not supported"),
        ({"patternProperties": {"x": {}}}, "patternProperties, which is not supported"),
    ],
)
def test_a_schema_that_leads_elsewhere_or_runs_long_is_refused(schema: dict[str, Any], why: str) -> None:
    async def wild() -> Any:
        return await ask("x?", schema=schema)

    async def then(run: Run) -> None:
        with pytest.raises(Exception, match=why):
            run.answer({"x": "y"} if "patternProperties" in schema else "y")
        run.cancel()

    with pytest.raises(ExecutionCancelled):
        asked("wild", wild, then=then)


def test_a_hostile_pattern_takes_no_time() -> None:
    async def wild() -> Any:
        return await ask("x?", schema={"pattern": "^(a+)+$"})

    async def then(run: Run) -> None:
        with pytest.raises(AnswerError):
            run.answer("a" * 50_000 + "!")
        run.answer("aa")

    asked("wild", wild, then=then)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"choices": [1], "schema": int}, "choices or a schema, not both"),
        ({"choices": []}, "a list of one or more"),
        ({"choices": "yes"}, "a list of one or more"),
        ({"choices": [{}]}, "choices are texts, numbers or booleans, got dict"),
    ],
)
def test_a_question_that_cannot_be_asked_fails_its_node(how: dict[str, Any], why: str) -> None:
    async def odd() -> Any:
        return await ask("x?", **how)

    async def main() -> None:
        with pytest.raises(NodeError, match=why):
            await engine_of(odd).execute(graph("odd"))

    asyncio.run(main())


def test_questions_that_a_node_asks_side_by_side_are_answered_each_by_its_number() -> None:
    async def then(run: Run) -> None:
        await until(lambda: len(run.asking) == 2)
        first, second = run.asking
        with pytest.raises(RunStateError, match=rf"asks 2 questions: {first.seq} of 'c', {second.seq} of 'c'"):
            run.answer("yes", node="c")
        assert [run.events[each.seq - 1].kind for each in (first, second)] == [Kind.NODE_WAITING] * 2
        run.answer("yes", question=second.seq)
        run.answer("no", question=first.seq)

    run = asked(
        "pass -> a & b -> c\na = pass()\nb = pass()\nc = ship() [join=each]\nreduce shipped with append",
        ship,
        then=then,
    )

    answers = [event.data["answer"] for event in run.events if event.kind is Kind.NODE_ANSWERED]
    assert answers == ["yes", "no"]


# -- what is refused --------------------------------------------------------------------------------------------------


def test_it_has_to_be_clear_which_question_is_answered() -> None:
    async def then(run: Run) -> None:
        await until(lambda: len(run.asking) == 2)
        with pytest.raises(
            RunStateError, match=r"asks 2 questions: \d+ of 'a', \d+ of 'b'; name one by its node or its number"
        ):
            run.answer("yes")
        with pytest.raises(
            RunStateError, match=r"the question of 'c' is not open in run .*; open are \d+ of 'a', \d+ of 'b'"
        ):
            run.answer("yes", node="c")
        run.answer("yes", node="a")
        run.answer("no")
        with pytest.raises(RunStateError, match=r"has no open question \(status: running\)"):
            run.answer("no")

    asked("pass -> a & b\na = ship\nb = ship\nreduce shipped with append", ship, then=then)


def test_nobody_is_asked_outside_a_run() -> None:
    with pytest.raises(ExecutionError, match="call it in an async tool that a graph runs"):
        asyncio.run(ask("hello?"))


# -- what ends a wait -------------------------------------------------------------------------------------------------


def test_a_cancelled_run_asks_nothing_any_longer() -> None:
    async def main() -> None:
        run = engine_of(ship).start(graph("pass -> a & b\na = ship\nb = ship [executor=thread]"))
        await until(lambda: len(run.asking) == 2)
        run.cancel()
        await run.wait()
        assert (run.asking, run.status) == ([], "cancelled")
        await until(lambda: not others())

    asyncio.run(main())


def test_the_time_a_person_takes_is_not_the_nodes() -> None:
    async def slow() -> Any:
        await asyncio.sleep(0.01)
        answer = await ask("?")
        await asyncio.sleep(0.5)
        return answer

    async def then(run: Run) -> None:
        await asyncio.sleep(0.2)
        assert run.status == "waiting"
        run.answer(1)

    with pytest.raises(NodeError, match=r"timed out after 0\.1 s"):
        asked("slow [timeout=0.1]", slow, then=then)


@pytest.mark.parametrize("answers", [True, False], ids=["answered", "withdrawn"])
def test_the_time_a_person_takes_is_not_that_of_the_subgraphs_around(answers: bool) -> None:
    async def slow() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None if answers else 1.3):
                await ask("Well?")

    async def then(run: Run) -> None:
        await until(lambda: run.status == "waiting")
        await asyncio.sleep(1.2)  # nothing but the clock says how long somebody was asked
        if answers:
            run.answer("yes")

    run = asked("outer = graph middle [timeout=1]", slow, then=then, graphs=GRAPHS)

    assert run.status == "completed"


def test_a_subgraph_times_out_after_its_question_was_answered() -> None:
    async def slow() -> None:
        await ask("Well?")
        await asyncio.sleep(60)

    async def then(run: Run) -> None:
        await until(lambda: run.status == "waiting")
        run.answer("yes")

    with pytest.raises(NodeError, match=r"node 'outer' timed out after 1 s"):
        asked("outer = graph middle [timeout=1]", slow, then=then, graphs=GRAPHS)


def test_a_tool_may_stop_waiting_by_itself() -> None:
    async def impatient() -> str:
        try:
            return str(await asyncio.wait_for(ask("?"), 0.01))
        except TimeoutError:
            return "no answer"

    async def then(run: Run) -> None:
        await until(lambda: run.done)

    run = asked("impatient", impatient, then=then)

    assert run.state == {"impatient": "no answer"}
    assert told(run, Kind.NODE_ANSWERED) == [{"firing": 1, "attempt": 1, "ordinal": 1, "withdrawn": True}]


def test_a_question_is_withdrawn_before_a_tool_that_stops_waiting_returns() -> None:
    async def impatient() -> str:
        try:
            async with asyncio.timeout(0.01):  # which waits in the tool's own task, as wait_for does since Python 3.12
                return str(await ask("?"))
        except TimeoutError:
            return "no answer"

    async def then(run: Run) -> None:
        await until(lambda: run.done)

    run = asked("impatient", impatient, then=then)

    assert [event.kind for event in run.events if event.kind in (Kind.NODE_ANSWERED, Kind.NODE_COMPLETE)] == [
        Kind.NODE_ANSWERED,
        Kind.NODE_COMPLETE,
    ]


def test_a_paused_run_takes_answers() -> None:
    async def then(run: Run) -> None:
        run.pause()
        run.answer("yes")
        await until(lambda: rows(run) == [("ship", "completed", 1)])
        assert run.status == "paused"
        run.unpause()

    asked("ship -> quick", ship, quick, then=then)


# -- what is not asked again ------------------------------------------------------------------------------------------


def test_another_try_gets_the_answers_that_were_given() -> None:
    tries = []

    async def flaky() -> Any:
        answer = await ask("?")
        tries.append(answer)
        if len(tries) == 1:
            raise ValueError
        return answer

    async def then(run: Run) -> None:
        run.answer("once")

    run = asked("flaky [retries=1, backoff=0]", flaky, then=then)

    assert tries == ["once", "once"]
    assert len(told(run, Kind.NODE_WAITING)) == 1


def test_a_resumed_run_asks_only_what_has_no_answer() -> None:
    async def two() -> list[Any]:
        return [await ask("first?"), await ask("second?")]

    async def main() -> None:
        engine, definition = engine_of(two), graph("pass -> two")
        run = engine.start(definition)
        await until(lambda: run.asking)
        run.answer("kept")
        await until(lambda: run.asking)
        run.cancel()
        await run.wait()
        events = list(run.events)[: [event.kind for event in run.events].index(Kind.NODE_CANCELLED)]
        replay = Replay(engine.plan(definition), {})
        replay.feed(events)

        again = engine.start(definition, resume_from=ResumePoint(replay, events))
        await until(lambda: again.asking)
        assert [(question.told["question"], question.ordinal) for question in again.asking] == [("second?", 2)]
        again.answer("new")
        assert (await again).state == {"two": ["kept", "new"]}

    asyncio.run(main())


@pytest.mark.slow
def test_what_checks_an_answer_is_there_before_the_answer_is() -> None:
    code = """
        import asyncio, sys
        from nbflow.session import Session

        async def main():
            session = Session()
            session.graph("g", 'ask(question="How many?", schema={"type": "integer"})')
            before = "jsonschema" in sys.modules
            run = session.start("g", {}, durability="off")
            while not run.asking: await asyncio.sleep(0.01)
            while "jsonschema" not in sys.modules: await asyncio.sleep(0.01)
            run.answer(3)
            await run
            print(before)

        asyncio.run(main())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("False\n", "")
