"""Failed and stopped runs: the output of the cell, and the state of the kernel afterwards."""

from __future__ import annotations

import time

import pytest

DEFINE = """%%flow_tool
import asyncio, time, threading
def breaks(x: int = 1):
    table = {}
    return table["severity"]
async def sleeps():
    print("asleep", flush=True)
    await asyncio.sleep(3600)
def blocks():
    time.sleep(3600)
async def own_cancel():
    raise asyncio.CancelledError
async def gathers():
    async with asyncio.TaskGroup() as group:
        group.create_task(breaks_too())
        group.create_task(fails())
async def breaks_too():
    breaks()
async def fails():
    error = ValueError("no rows")
    error.add_note("while reading table 7")
    raise error
def circles():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first
"""


@pytest.fixture(scope="module", autouse=True)
def _graphs(kernel):
    kernel.ok(DEFINE)
    for name in ("breaks", "sleeps", "blocks", "own_cancel", "gathers", "fails", "circles"):
        kernel.ok(f"%%flow_graph g_{name}\n{name}\n")


def test_a_failed_run_shows_the_users_line_and_the_nodes_error_only(kernel):
    reply = kernel.run("%flow_run g_breaks")
    assert reply.error["ename"] == "NodeError"
    assert 'table["severity"]' in reply.traceback
    assert "KeyError: 'severity'" in reply.traceback
    assert reply.traceback.splitlines()[-1].startswith("NodeError: ")
    for machinery in ("asyncio/", "IPython/", "nbflow/", "run_line_magic"):
        assert machinery not in reply.traceback


def test_the_line_shown_is_that_of_the_cell(kernel):
    traceback = kernel.run("%flow_run g_breaks").traceback
    assert "line 5" in traceback or "----> 5" in traceback


def test_the_blocking_path_shows_the_same(kernel):
    reply = kernel.run("def go():\n    %flow_run g_breaks\ngo()")
    assert reply.error["ename"] == "NodeError"
    assert "asyncio/" not in reply.traceback
    assert "KeyError: 'severity'" in reply.traceback


def test_the_error_of_a_failed_run_can_be_caught_and_has_its_result(kernel):
    kernel.ok("try:\n    %flow_run g_breaks\nexcept Exception as error:\n    caught = error")
    assert kernel.ok("caught.result.status.value, type(caught.__cause__).__name__").value == "('failed', 'KeyError')"


def test_a_group_is_shown_as_python_shows_it_with_the_users_lines_only(kernel):
    traceback = kernel.run("%flow_run g_gathers").traceback
    assert "| ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)" in traceback
    assert "    | KeyError: 'severity'" in traceback
    assert 'table["severity"]' in traceback
    assert "    | while reading table 7" in traceback
    assert "  - KeyError: 'severity'" in traceback
    assert "IPython/" not in traceback
    assert "nbflow/" not in traceback


def test_notes_are_shown_below_the_error(kernel):
    traceback = kernel.run("%flow_run g_fails").traceback
    assert "NodeError: node 'fails' failed: ValueError: no rows\nwhile reading table 7" in traceback


def test_causes_that_lead_back_to_themselves_are_shown_once(kernel):
    traceback = kernel.run("%flow_run g_circles").traceback
    assert traceback.splitlines()[-2:] == [
        "NodeError: node 'circles' failed: ValueError: first",
        "caused by ValueError: second",
    ]
    assert kernel.ok("1 + 1").value == "2"


@pytest.mark.parametrize(
    "cell",
    [
        "print('go', flush=True)\n%flow_run g_sleeps",
        "print('go', flush=True)\n%flow_run g_blocks",
        "def go():\n    %flow_run g_sleeps\nprint('go', flush=True)\ngo()",
        "async def go():\n    %flow_run g_sleeps\nprint('go', flush=True)\nawait go()",
    ],
)
def test_stop_ends_the_run_at_once_and_the_kernel_works_afterwards(kernel, cell):
    message = kernel.send(cell)
    kernel.wait_for_text(message, "go")
    time.sleep(0.5)
    kernel.interrupt()
    reply = kernel.collect(message)
    assert reply.error["ename"] == "ExecutionCancelled"
    assert len(reply.traceback.strip().splitlines()) == 1
    assert kernel.ok("1 + 1").value == "2"


def test_a_stopped_run_is_cancelled(kernel):
    kernel.ok("from nbflow import session")
    message = kernel.send("print('go', flush=True)\n%flow_run g_sleeps")
    kernel.wait_for_text(message, "go")
    time.sleep(0.3)
    kernel.interrupt()
    kernel.collect(message)
    assert kernel.ok("list(session.current().live.values())[-1].status.value").value == "'cancelled'"


def test_a_tool_that_cancels_itself_has_failed(kernel):
    reply = kernel.run("%flow_run g_own_cancel")
    assert reply.error["ename"] == "NodeError"
    assert kernel.ok("2 + 2").value == "4"


def test_errors_of_our_own_take_few_lines(kernel):
    reply = kernel.run("%%flow_graph broken\na -> b if (\n")
    assert reply.status == "error"
    assert "nbflow/" not in reply.traceback
    assert "line 2" in reply.error["evalue"]


def test_stop_reaches_a_tool_cell_that_awaits(kernel):
    message = kernel.send("%%flow_tool\nprint('go', flush=True)\nawait asyncio.sleep(120)\ndef never(): ...")
    kernel.wait_for_text(message, "go")
    time.sleep(0.3)
    kernel.interrupt()
    assert kernel.collect(message).status == "error"
    assert kernel.ok("from nbflow import session\n'never' in session.current().registry").value == "False"


def test_stop_during_a_tool_that_blocks_the_loop_has_the_same_result_everywhere(kernel):
    kernel.ok("from nbflow import session")
    kernel.ok(
        "%%flow_tool\nimport time\nasync def holds() -> None:\n    print('holds', flush=True)\n    time.sleep(2)\n"
    )
    kernel.ok("%%flow_graph holding\nholds -> after\nafter = pass()\n")
    message = kernel.send("%flow_run holding")
    time.sleep(1.5)
    kernel.interrupt()
    reply = kernel.collect(message)

    assert reply.error["ename"] == "ExecutionCancelled"
    kernel.ok("run = list(session.current().live.values())[-1]")
    assert kernel.ok("run.status.value, run.result.status.value").value == "('cancelled', 'cancelled')"
    assert kernel.ok("[(row.node_id, row.status) for row in run.logs]").value == "[('holds', 'cancelled')]"
    assert kernel.ok("session.show(run.id).snapshot()['run']['status']").value == "'cancelled'"


@pytest.mark.parametrize(
    ("tool", "last"),
    [
        ("import time\ndef shown():\n    time.sleep(0.5)\n", "timed out after 0.1 s"),
        ("def shown(lacking):\n    pass\n", "'lacking'"),
        ("from pydantic import BaseModel\nclass M(BaseModel):\n    n: int\ndef shown(state: M):\n    pass\n", "n"),
        ("def shown():\n    yield 1\n", "yielded int"),
    ],
    ids=["timeout", "missing", "model", "yields"],
)
def test_an_error_without_a_line_of_the_users_shows_its_message_alone(kernel, tool, last):
    kernel.ok(f"%%flow_tool\n{tool}")
    kernel.ok("%%flow_graph shows_little\nshown [timeout=0.1]\n")
    reply = kernel.run("%flow_run shows_little")

    assert last in reply.traceback
    assert "nbflow/" not in reply.traceback
    assert "site-packages" not in reply.traceback
    assert len(reply.traceback.strip().splitlines()) < 8, reply.traceback


def test_a_run_that_lacks_a_key_is_refused_in_two_lines_and_does_not_become_the_last(kernel):
    kernel.ok("%%flow_tool\ndef counts(pages: int):\n    return {'total': pages}")
    kernel.ok("%%flow_graph counted\ncounts")
    kernel.ok("from nbflow import session\nbefore = session.last")

    reply = kernel.run("%flow_run counted page=1")

    assert reply.traceback.splitlines() == [
        "InitialStateError: graph 'counted' cannot start without 'pages' (node 'counts')",
        "  give it in the initial state, or as params of nodes; keys given: 'page'; did you mean 'pages'?",
    ]
    assert kernel.ok("session.last is before").value == "True"
