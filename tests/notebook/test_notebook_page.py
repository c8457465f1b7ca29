"""The buttons and forms of the live view, as messages to the kernel: for running and for ended runs."""

from __future__ import annotations

from typing import Any

import pytest
from kernels import Kernel, Page, Reply, all_hear, page_of, status_is

DEFINE = """%%flow_tool
import asyncio
from nbflow import ask
def half(n: int) -> dict:
    if BROKEN: raise ValueError("odd")
    return {"n": n // 2}
async def ship() -> dict:
    return {"shipped": await ask("Ship it?", choices=["yes", "no"])}
async def stuck() -> None:
    await asyncio.Event().wait()
async def quick() -> int:
    return 1
"""


@pytest.fixture(scope="module", autouse=True)
def _graphs(kernel: Kernel) -> None:
    kernel.ok("BROKEN = True")
    kernel.ok(DEFINE)
    kernel.ok("%%flow_graph halves\nquick -> half -> last\nlast = quick")
    kernel.ok("%%flow_graph ships\nquick -> ship")
    kernel.ok("%%flow_graph sticks\nquick -> stuck -> last\nlast = quick")


def failed(kernel: Kernel) -> Page:
    kernel.ok("BROKEN = True")
    reply = kernel.run("%flow_run halves n=8")
    assert reply.error["ename"] == "NodeError"
    kernel.later(0.1)
    return page_of(kernel, reply)


def background(kernel: Kernel, line: str) -> Page:
    reply: Reply = kernel.ok(f"run = %flow_run {line} --background")
    return page_of(kernel, reply)


def newest(kernel: Kernel, what: str) -> str:
    return kernel.ok(
        f"from nbflow import session as s\nr = list(s.current().live.values())[-1]\nawait r.wait()\n{what}"
    ).value


@pytest.mark.parametrize("name", ["retry", "resume"])
def test_a_failed_run_is_resumed_in_its_view_after_its_tool_is_fixed(kernel: Kernel, name: str) -> None:
    page = failed(kernel)
    kernel.ok("BROKEN = False")

    page.says("command", name=name, node="half")

    last = page.hears(status_is("completed"))
    assert {node: each["status"] for node, each in last.get("nodes", {}).items()}.get("last") in (None, "completed")
    assert newest(kernel, "r.state['n'], [e.kind.value for e in r.events].count('execution_resumed')").endswith(
        "(4, 1)"
    )


def test_a_failed_node_is_skipped_with_the_given_output(kernel: Kernel) -> None:
    page = failed(kernel)

    page.says("command", name="skip", node="half", output={"n": 77})

    page.hears(status_is("completed"))
    assert newest(kernel, "r.state['n'], r.status.value") == "(77, 'completed')"


def test_a_node_that_cannot_be_skipped_is_refused_and_nothing_runs(kernel: Kernel) -> None:
    page = failed(kernel)

    page.says("command", name="skip", node="quick", output={})

    told = page.hears(lambda told: told.get("type") == "refused")
    assert told["name"] == "skip"
    assert "node 'quick' of run" in told["message"]
    assert newest(kernel, "r.status.value") == "'cancelled'"


@pytest.mark.parametrize("by", ["the page", "a cell"])
def test_every_view_of_a_run_shows_that_it_is_resumed(kernel: Kernel, by: str) -> None:
    first = failed(kernel)
    second = page_of(kernel, kernel.ok("%flow_show " + newest(kernel, "r.id").strip("'")))
    kernel.ok("BROKEN = False")

    if by == "the page":
        second.says("command", name="retry", node="half")
    else:
        kernel.send("%flow_resume")

    all_hear(kernel, [first, second], status_is("completed"))


def test_the_static_picture_follows_a_resumed_run(kernel: Kernel) -> None:
    page = failed(kernel)
    kernel.ok("BROKEN = False")
    page.says("command", name="retry", node="half")

    updates = [m["content"]["data"]["text/plain"] for m in kernel.later(1.0) if m["msg_type"] == "update_display_data"]

    assert "completed" in updates[-1]


def test_a_fork_starts_at_the_moment_shown_and_is_shown_in_the_same_page(kernel: Kernel) -> None:
    page = failed(kernel)
    kernel.ok("BROKEN = False")

    page.says("command", name="fork", at=3, state={"n": 40})

    forked = page.hears(lambda told: told.get("type") == "forked")
    assert newest(kernel, "r.id, r.state['n']") == f"('{forked['run_id']}', 20)"


def test_a_fork_of_a_run_that_waits_is_followed_beyond_the_end_of_that_run(kernel: Kernel) -> None:
    page = background(kernel, "ships")
    page.hears(status_is("waiting"))

    page.says("command", name="fork", at=3, state={})
    forked = page.hears(lambda told: told.get("type") == "forked")["run_id"]
    kernel.ok("run.answer('no')\nawait run.wait()\nawait asyncio.sleep(0.2)")
    page.says("command", name="pause")

    page.hears(status_is("paused"))
    assert (
        kernel.ok("from nbflow import session as s\n[r.id for r in s.current().active_runs()]").value == f"['{forked}']"
    )
    kernel.ok("s.current().cancel()")


def test_a_question_is_answered_by_the_form_and_a_wrong_answer_is_refused(kernel: Kernel) -> None:
    page = background(kernel, "ships")
    page.hears(status_is("waiting"))
    page.says("inspect", node="ship")
    asked = page.hears(lambda told: told.get("type") == "inspector")["data"]["questions"][0]["seq"]

    page.says("command", name="answer", node="ship", question=asked, value="maybe")
    told = page.hears(lambda told: told.get("type") == "refused")
    assert (told["node"], told["question"], told["errors"]) == ("ship", asked, {"": "'maybe' is none of 'yes', 'no'"})

    page.says("command", name="answer", node="ship", question=asked, value="no")
    page.hears(status_is("completed"))
    assert newest(kernel, "r.state['shipped']") == "'no'"


def test_a_run_pauses_at_breakpoints_and_continues_by_single_steps(kernel: Kernel) -> None:
    page = background(kernel, "sticks --break quick")
    page.hears(status_is("paused"))
    page.says("ready")
    assert page.hears(lambda told: told.get("type") == "breaks")["nodes"] == ["quick"]

    page.says("command", name="break", node="last", on=True)
    assert page.hears(lambda told: told.get("type") == "breaks")["nodes"] == ["last", "quick"]
    page.says("command", name="step")
    page.hears(lambda told: told.get("nodes", {}).get("quick", {}).get("status") == "completed")
    page.says("command", name="continue")
    page.hears(lambda told: told.get("nodes", {}).get("stuck", {}).get("status") == "running")
    page.says("command", name="skip", node="stuck", output=None)
    page.hears(status_is("paused"))
    page.says("command", name="break", node="last", on=False)
    page.says("command", name="continue")
    page.hears(status_is("completed"))


@pytest.mark.parametrize(
    "content",
    [
        {"name": "break", "node": "nowhere", "on": True}, {"name": "step"}, {"name": "continue"},
        {"name": "retry", "node": "stuck"}, {"name": "answer", "node": "stuck", "question": 1, "value": 1},
    ],
)  # fmt: skip
def test_an_invalid_click_is_refused_with_the_error_of_the_run(kernel: Kernel, content: dict[str, Any]) -> None:
    page = background(kernel, "sticks")
    page.hears(lambda told: told.get("nodes", {}).get("stuck", {}).get("status") == "running")

    page.says("command", **content)

    assert page.hears(lambda told: told.get("type") == "refused")["name"] == content["name"]
    kernel.ok("%flow_cancel")


def test_a_stored_run_has_a_live_view_and_is_resumed_from_it(kernel: Kernel) -> None:
    failed(kernel)
    run_id = kernel.ok("from nbflow import session\nlist(session.current().live)[-1]").value.strip("'")
    shown = kernel.ok(f"BROKEN = False\npast = %flow_show {run_id}")
    page = page_of(kernel, shown)

    page.says("inspect", node="half")
    assert page.hears(lambda told: told.get("type") == "inspector")["data"]["error"]["message"] == "odd"
    page.says("command", name="retry", node="half")
    page.hears(status_is("completed"))


@pytest.mark.slow
def test_a_stored_run_has_a_live_view_in_a_kernel_that_never_ran_it(kernel: Kernel, tmp_path: Any) -> None:
    place = {
        "NBFLOW_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/runs.db",
        "NBFLOW_DETERMINISTIC": "",
        "NBFLOW_DURABILITY": "async",
    }
    first, second = Kernel(place), Kernel(place)
    try:
        for one in (first, second):
            one.ok("%load_ext nbflow")
            one.ok("BROKEN = True")
            one.ok(DEFINE)
        first.ok("%%flow_graph halves\nquick -> half -> last\nlast = quick")
        first.run("%flow_run halves n=8")
        run_id = first.ok("from nbflow import session\nsession.runs()[0].id").value.strip("'")
        first.close()
        page = page_of(second, second.ok(f"%flow_show {run_id}"))
        page.says("ready")
        assert page.hears(status_is("failed"))["nodes"]["half"]["status"] == "failed"
        second.ok("BROKEN = False")
        page.says("command", name="retry", node="half")
        page.hears(status_is("completed"))
    finally:
        second.close()
