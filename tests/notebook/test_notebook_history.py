"""`%flow_runs`, `%flow_show RUN`, and `%flow_graphs` with a store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernels import Kernel

DEFINE = """%%flow_tool
from nbflow import session
def one(n: int = 1): return {"a": n + 1}
def breaks(a): return {"b": a / 0}
"""


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(
        {"NBFLOW_DURABILITY": "async", "NBFLOW_DETERMINISTIC": ""}, tmp_path_factory.mktemp("notebook")
    )  # fmt: skip
    kernel.ok("%load_ext nbflow")
    kernel.ok(DEFINE)
    kernel.ok("%%flow_graph good\none")
    kernel.ok("%%flow_graph bad\none -> breaks")
    kernel.ok("good = %flow_run good n=4")
    kernel.run("%flow_run bad")
    kernel.ok("loose = %flow_run good --durability off")
    yield kernel
    kernel.close()


def test_stored_runs_and_others_are_listed_newest_first(keeping: Kernel) -> None:
    listed = keeping.ok("%flow_runs").value.splitlines()

    assert listed[0].split() == ["run", "graph", "status", "started", "duration", "nodes", "error", "notebook"]
    assert [line.split()[1:3] for line in listed[1:]] == [
        ["good", "completed"], ["bad", "failed"], ["good", "completed"],
    ]  # fmt: skip
    assert listed[2].rstrip().endswith("breaks: ZeroDivisionError: division by zero")


def test_the_list_is_a_table_on_a_page(keeping: Kernel) -> None:
    assert keeping.ok("%flow_runs").result["text/html"].startswith("<table><tr><th")
    assert keeping.ok("%flow_runs ;").result == {}


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ("--graph good", 2),
        ("--status failed", 1),
        ("--graph good --status failed", 0),
        ("--since 1h", 3),
        ("--since 2040-01-01", 0),
    ],
)
def test_the_list_can_be_narrowed(keeping: Kernel, options: str, count: int) -> None:
    assert len(keeping.ok(f"%flow_runs {options}").value.splitlines()) == 1 + count


def test_a_truncated_list_is_marked_as_truncated(keeping: Kernel) -> None:
    shown = keeping.ok("%flow_runs --limit 2").value.splitlines()

    assert len(shown) == 1 + 2 + 1
    assert shown[-1] == "2 runs listed, the newest; there are more: limit=N, --limit N"


@pytest.mark.parametrize("options", ["--status lost", "--since yesterday", "--limit 0", "stray", "--stat failed"])
def test_an_unknown_option_is_refused(keeping: Kernel, options: str) -> None:
    assert keeping.run(f"%flow_runs {options}").error["ename"] == "UsageError"


def test_a_run_is_shown_by_a_prefix_of_its_id(keeping: Kernel) -> None:
    reply = keeping.ok("shown = %flow_show RUN\nshown".replace("RUN", keeping.ok("print(good.id[:8])").stdout.strip()))

    assert reply.value.startswith("good: completed in ")
    assert "data:image/svg+xml" in reply.displays[-1]["text/html"]
    assert keeping.ok("shown is good").value == "True"


def test_a_run_of_another_kernel_is_shown_from_the_store(keeping: Kernel) -> None:
    keeping.ok("bad = session.runs(graph='bad')[0].id\nsession.current().live.pop(bad)")

    reply = keeping.ok("session.show(bad)")

    assert "bad: failed in " in reply.value
    assert "breaks: ZeroDivisionError: division by zero" in reply.value
    assert keeping.ok("[row.status for row in session.read(bad).logs]").value == "['completed', 'failed']"


def test_versions_of_graphs_are_listed_loaded_and_deleted(keeping: Kernel) -> None:
    keeping.ok("%%flow_graph lines\none")
    keeping.ok("%flow_run lines;")
    keeping.ok("%%flow_graph lines\none -> pass")
    keeping.ok("%flow_run lines;")

    listed = [line.split() for line in keeping.ok("%flow_graphs").value.splitlines()]
    assert ["lines", "2", "nodes", "one", "2", "1", "here"] in listed
    assert ["lines", "1", "node", "one", "1", "1", "in", "the", "store"] in listed

    assert keeping.ok("%flow_graphs --load lines@1").value == "one\n"
    assert keeping.ok("len(session.graphs()['lines'].nodes)").value == "1"

    assert "has 1 run" in keeping.run("%flow_graphs --delete lines@2").error["evalue"]
    assert "1 version of 'lines'" in keeping.ok("%flow_graphs --delete lines@2 --force").displays[0]["text/plain"]
    assert (
        "no graph 'lins' in the store; did you mean 'lines'"
        in (keeping.run("%flow_graphs --delete lins").error["evalue"])
    )
    assert keeping.run("%flow_graphs --force").error["ename"] == "UsageError"
