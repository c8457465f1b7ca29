"""`%flow_resume`: after a failure, after the kernel's death, and as a fork."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kernels import Kernel

DEFINE = """%%flow_tool
ran = []
def load(n: int = 3) -> dict:
    ran.append("load")
    return {"rows": list(range(n))}
def parse(rows: list) -> dict:
    ran.append("parse")
    return {"total": sum(rows) / 0}
def report(total: float, unit: str = "EUR") -> dict:
    ran.append("report")
    return {"text": f"{total} {unit}"}
"""
MEND = """%%flow_tool
def parse(rows: list) -> dict:
    ran.append("parse")
    return {"total": sum(rows)}
"""
GRAPH = "%%flow_graph sums\nload -> parse -> report\n"


def kept_kernel(folder: Path, **environment: str) -> Kernel:
    return Kernel({"NBFLOW_DURABILITY": "async", "NBFLOW_DETERMINISTIC": "", **environment}, folder)


def define(kernel: Kernel) -> None:
    kernel.ok("%load_ext nbflow")
    kernel.ok(DEFINE, cell_id="tools")
    kernel.ok(GRAPH)


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = kept_kernel(tmp_path_factory.mktemp("notebook"))
    define(kernel)
    yield kernel
    kernel.close()


@pytest.fixture
def failed(keeping: Kernel) -> str:
    """The id of a run whose second node failed; its tool has been fixed since."""
    keeping.ok(DEFINE)
    assert keeping.run("%flow_run sums n=4").error["ename"] == "NodeError"
    keeping.ok(MEND)
    keeping.ok("from nbflow import session\nran.clear()")
    return str(keeping.ok("print(session.runs(limit=1)[0].id)").stdout.strip())


def said(reply: Any) -> str:
    return "\n".join(data["text/plain"] for data in reply.displays)


def test_a_resumed_run_uses_the_fixed_tool_and_runs_only_uncompleted_nodes(keeping: Kernel, failed: str) -> None:
    reply = keeping.ok("run = %flow_resume")

    assert keeping.ok("run.id, run.status.value, run.state['text'], ran").value == (
        f"('{failed}', 'completed', '6 EUR', ['parse', 'report'])"
    )
    assert "tool 'parse' has changed since the run last used it" in said(reply)
    assert "completed" in reply.updates[-1]["text/plain"] if reply.updates else "completed" in said(reply)


def test_a_run_is_named_by_a_prefix_of_its_id(keeping: Kernel, failed: str) -> None:
    assert keeping.ok(f"run = %flow_resume {failed[:9]}\nrun.id").value == f"'{failed}'"


def test_a_resume_that_fails_again_raises(keeping: Kernel, failed: str) -> None:
    keeping.ok(DEFINE)

    reply = keeping.run("%flow_resume")

    assert reply.error["ename"] == "NodeError"
    assert "sum(rows) / 0" in reply.traceback
    assert "nbflow/" not in reply.traceback


@pytest.mark.parametrize(
    "cell",
    [
        "if True:\n    run = %flow_resume RUN",
        "for i in range(1):\n    run = %flow_resume RUN",
        "with open('/dev/null') as f:\n    run = %flow_resume RUN",
        "def go():\n    run = %flow_resume RUN\n    return run\nrun = go()",
        "run = %flow_resume RUN --background\nawait run",
    ],
)
def test_a_resumed_run_has_finished_after_the_line_at_every_position(keeping: Kernel, failed: str, cell: str) -> None:
    keeping.ok("run = None")

    keeping.ok(cell.replace("RUN", failed))

    assert keeping.ok("run.status.value, run.state['total']").value == "('completed', 6)"


def test_a_key_makes_a_fork_and_does_not_change_the_run(keeping: Kernel, failed: str) -> None:
    keeping.ok("unit = 'CHF'\nfork = %flow_resume RUN unit=unit".replace("RUN", failed))

    assert keeping.ok("fork.state['text'], ran").value == "('6 CHF', ['parse', 'report'])"
    assert keeping.ok(f"fork.id != '{failed}', session.read('{failed}').status.value").value == "(True, 'failed')"


@pytest.mark.parametrize("place", ["report", "report#1", "PARSED"])
def test_a_fork_starts_from_a_node_or_an_event(keeping: Kernel, failed: str, place: str) -> None:
    keeping.ok("run = %flow_resume\nran.clear()")
    parsed = keeping.ok("[e.seq for e in run.events if (e.kind, e.node) == ('node_complete', 'parse')][0]").value
    reply = keeping.ok(f"fork = %flow_resume {failed} --from {place.replace('PARSED', parsed)} total=100")

    assert keeping.ok("fork.state['text'], ran").value == "('100 EUR', ['report'])"
    assert f"fork of {failed[:4]} at " in (reply.updates or reply.displays)[-1]["text/plain"]


def test_the_restored_events_are_shown_from_the_first_one(keeping: Kernel, failed: str) -> None:
    reply = keeping.ok("run = %flow_resume")

    sent = [m["content"]["data"] for m in reply.messages if m["msg_type"] == "comm_msg"]
    states = [data["state"]["snapshot"] for data in sent if "snapshot" in data.get("state", {})]
    assert states[-1]["nodes"]["load"]["status"] == "completed"
    assert states[-1]["nodes"]["parse"]["attempt"] == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%flow_resume nosuch", "no run 'nosuch'"),
        ("%flow_resume RUN --from nowhere", "nowhere"),
        ("%flow_resume RUN --from 10000", "10000"),
        ("%flow_resume RUN --frm parse", "--frm"),
        ("%flow_resume RUN unit=nosuch", "nosuch"),
        ("%flow_resume RUN a=1, b=2", ","),
    ],
)
def test_an_invalid_resume_line_is_refused(keeping: Kernel, failed: str, line: str, told: str) -> None:
    reply = keeping.run(line.replace("RUN", failed))

    assert reply.status == "error"
    assert told in reply.error["evalue"]


@pytest.mark.parametrize("fork", ["", " --from parse"])
def test_a_breakpoint_at_an_unknown_node_is_refused_and_the_run_is_unchanged(
    keeping: Kernel, failed: str, fork: str
) -> None:
    rows = f"session.runs(), [event.seq for event in session.read({failed!r}).events]"
    before = keeping.ok(rows).value

    refused = keeping.run(f"%flow_resume {failed}{fork} --break prase")

    assert "graph 'sums' has no node 'prase'; did you mean 'parse'?; known nodes: load, parse" in refused.traceback
    assert keeping.ok(rows).value == before
    keeping.ok(f"run = %flow_resume {failed} --background --break report")
    keeping.ok("import asyncio\nwhile run.status != 'paused': await asyncio.sleep(0.01)\nrun.unpause()\nawait run")


def test_without_an_unfinished_run_there_is_nothing_to_resume(tmp_path: Path) -> None:
    kernel = kept_kernel(tmp_path)
    kernel.ok("%load_ext nbflow")

    assert "no run here is unfinished" in kernel.run("%flow_resume").error["evalue"]
    assert not (tmp_path / ".nbflow").exists()
    kernel.close()


def test_stop_stops_a_resumed_run_and_it_can_be_resumed_again(keeping: Kernel) -> None:
    keeping.ok(
        "%%flow_tool\nimport asyncio\nasync def naps():\n    print('go', flush=True)\n    await asyncio.sleep(naptime)"
    )
    keeping.ok("%%flow_graph nap\nnaps")
    keeping.ok(
        "naptime = 120\nrun = %flow_run nap --background\nwhile len(run.events) < 2: await asyncio.sleep(0.01)\nrun.cancel()"
    )
    message = keeping.send("from nbflow import session\nprint('go', flush=True)\nrun = %flow_resume")
    keeping.wait_for_text(message, "go")
    keeping.later(0.5)
    keeping.interrupt()
    assert keeping.collect(message).error["ename"] == "ExecutionCancelled"

    keeping.ok("naptime = 0\nrun = %flow_resume")

    assert keeping.ok("run.status.value").value == "'completed'"


@pytest.mark.slow
def test_a_run_outlives_its_kernel(tmp_path: Path) -> None:
    first = kept_kernel(tmp_path)
    define(first)
    first.ok("%%flow_tool\nimport asyncio\nasync def parse(rows: list):\n    return await asyncio.sleep(120)")
    message = first.send(
        "run = %flow_run sums n=4 --durability sync --background\n"
        "while not any(e.kind == 'node_start' and e.node == 'parse' for e in run.events):\n"
        "    await asyncio.sleep(0.01)\nprint('at it', flush=True)"
    )
    first.wait_for_text(message, "at it")
    first.kill()

    second = kept_kernel(tmp_path)
    replies = [second.ok(cell) for cell in ("%load_ext nbflow", DEFINE, GRAPH, MEND, "from nbflow import session")]
    opened = second.ok("here = session.current()\nhere.history.open().place")  # long enough for a notice to appear
    told = "\n".join(map(said, [*replies, opened]))
    assert "unfinished because their process ended: " in told
    assert "(sums); %flow_resume " in told
    assert told.count("unfinished") == 1

    second.ok("run = %flow_resume")
    assert second.ok("run.status.value, run.state['text'], ran").value == "('completed', '6 EUR', ['parse', 'report'])"
    second.close()


def test_the_path_of_the_store_is_shown_once(tmp_path: Path) -> None:
    kernel = kept_kernel(tmp_path)
    define(kernel)
    kernel.ok(MEND)

    told = [said(kernel.ok("%flow_run sums")) for _ in range(2)]

    assert told[0].count(f"runs are stored in {tmp_path / '.nbflow' / 'nbflow.db'}") == 1
    assert "runs are stored" not in told[1]
    kernel.close()


def test_durability_and_allowed_unstored_values_can_be_set_for_one_run(tmp_path: Path) -> None:
    kernel = kept_kernel(tmp_path)
    kernel.ok("%load_ext nbflow")
    kernel.ok("%%flow_tool\ndef odd(): return {'it': (n for n in 'abc')}\ndef even(): return {'n': 2}")
    kernel.ok("%%flow_graph g\nodd -> even")

    kernel.ok("%flow_run g --durability off")
    assert not (tmp_path / ".nbflow").exists()
    strict = kernel.run("%flow_run g --durability sync")
    assert strict.error["ename"] == "StoreError"
    assert "'it' of node 'odd'" in strict.error["evalue"]
    allowed = kernel.ok("%flow_run g --durability sync --allow-unstored")
    assert "'it' of node 'odd'" in said(allowed)
    kernel.close()


def test_deterministic_outputs_contain_nothing_that_differs_from_run_to_run(tmp_path: Path) -> None:
    kernel = kept_kernel(tmp_path, NBFLOW_DETERMINISTIC="1")
    define(kernel)

    first = kernel.run("%flow_run sums")
    kernel.ok(MEND)
    second = kernel.ok("%flow_resume")

    assert "kept in" not in said(first)
    assert said(second).splitlines()[1:] == [
        "tool 'parse' has changed since the run last used it", "sums: completed, 3 nodes",
    ]  # fmt: skip
    kernel.close()


ORDERS = """%%flow_tool
def fetch() -> dict:
    return {"order": Order(3)}
def check(order) -> dict:
    raise ValueError("not yet")
def ship(order) -> dict:
    return {"sent": f"{type(order).__name__} {order.n}"}
"""
ORDER = "from dataclasses import dataclass\n@dataclass\nclass Order:\n    n: int"


@pytest.mark.slow
def test_a_resume_waits_for_the_cell_that_defines_the_class_of_an_object(tmp_path: Path) -> None:
    with closing(kept_kernel(tmp_path)) as kernel:
        for cell in ("%load_ext nbflow", ORDER, ORDERS, "%%flow_graph orders\nfetch -> check -> ship\n"):
            kernel.ok(cell)
        kernel.run("run = %flow_run orders")

    with closing(kept_kernel(tmp_path)) as kernel:
        mended = ORDERS.replace('raise ValueError("not yet")', 'return {"order": order}')
        for cell in ("%load_ext nbflow", mended, "%%flow_graph orders\nfetch -> check -> ship\n"):
            kernel.ok(cell)
        refused = kernel.run("%flow_resume")
        kernel.ok(ORDER)
        kernel.ok("run = %flow_resume")
        sent = kernel.ok("print(run.state['sent'])")

    assert "node 'check' reads 'order', and dataclass '__main__.Order' is not known here" in refused.traceback
    assert "run the cell that defines Order, then resume again" in refused.traceback
    assert sent.stdout.strip() == "Order 3"
