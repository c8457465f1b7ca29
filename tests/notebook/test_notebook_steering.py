"""Runs in the background that later cells answer, stop and step through."""

from __future__ import annotations

import pytest

DEFINE = """%%flow_tool
import asyncio
from nbflow import ask
from pydantic import BaseModel
class Verdict(BaseModel):
    severity: str
    lines: int
async def ship() -> dict:
    return {"shipped": await ask("Ship it?", choices=["yes", "as draft", 3])}
async def judge() -> dict:
    return {"verdict": await ask(schema=Verdict)}
async def stuck() -> None:
    await asyncio.Event().wait()
async def quick() -> int:
    return 1
"""
WAIT = "\nwhile not run.asking: await asyncio.sleep(0.01)"


@pytest.fixture(scope="module", autouse=True)
def _graphs(kernel):
    kernel.ok(DEFINE)
    kernel.ok("%%flow_graph ships\nquick -> ship")
    kernel.ok("%%flow_graph judges\njudge -> quick")
    kernel.ok("%%flow_graph sticks\nstuck")
    kernel.ok("%%flow_graph steps\nquick -> b -> c\nb = quick\nc = quick")


@pytest.mark.parametrize(("line", "shipped"), [("yes", "'yes'"), ('"as draft" --node ship', "'as draft'"), ("3", "3")])
def test_a_choice_is_answered_by_its_text(kernel, line, shipped):
    kernel.ok("run = %flow_run ships --background" + WAIT)
    assert kernel.ok("run.status.value").value == "'waiting'"
    kernel.ok(f"%flow_answer {line}")
    assert kernel.ok("await run; run.state['shipped']").value == shipped


def test_an_answer_is_given_field_by_field_and_an_error_names_its_field(kernel):
    kernel.ok("n = 2\nrun = %flow_run judges --background" + WAIT)
    wrong = kernel.run('%flow_answer severity="high" lines="many"')
    assert (
        "the answer to node 'judge' does not fit its question: lines: Input should be a valid integer"
        in wrong.traceback
    )
    kernel.ok('%flow_answer severity="high" lines=n + 1')
    assert kernel.ok("await run; run.state['verdict']").value == "Verdict(severity='high', lines=3)"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "give one answer: a choice, a text, or KEY=EXPR for each field"),
        ("yes x=1", "give one answer: a choice, a text, or KEY=EXPR for each field"),
        ("yes", "no run of this session waits for an answer"),
        ("yes --run zzz", "no run 'zzz' is known here"),
    ],
)
def test_an_answer_without_a_question_is_refused(kernel, line, why):
    reply = kernel.run(f"%flow_answer {line}")
    assert why in reply.traceback + reply.stderr


def test_a_run_in_the_background_is_stopped(kernel):
    kernel.ok("run = %flow_run sticks --background")
    reply = kernel.ok("%flow_cancel")
    assert reply.displays[0]["text/plain"].endswith(" of sticks is cancelled")
    assert "no run of this session is active" in kernel.run("%flow_cancel").traceback


def test_a_run_pauses_at_its_breakpoints(kernel):
    kernel.ok("run = %flow_run steps --background --break b --break c")
    for done in ("['quick']", "['b', 'quick']"):
        kernel.ok("while run.status != 'paused': await asyncio.sleep(0.01)")
        assert kernel.ok("sorted(run.state)").value == done
        kernel.ok("run.unpause()")
    assert kernel.ok("(await run).status.value").value == "'completed'"


@pytest.mark.parametrize(
    "line", ["run = %flow_run steps --break b --break d", "%flow_run steps --background --break d"]
)
def test_a_breakpoint_at_an_unknown_node_is_refused_before_anything_runs(kernel, line):
    kernel.ok("from nbflow import session\nbefore = len(session.runs())")

    refused = kernel.run(line)

    assert "graph 'steps' has no node 'd'; known nodes: quick, b, c" in refused.traceback
    assert refused.displays == []
    assert kernel.ok("len(session.runs()) - before").value == "0"
    assert "no run of this session is active" in kernel.run("%flow_cancel").traceback
