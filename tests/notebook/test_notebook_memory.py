"""A kernel releases the runs that ended. Their views stay, and read them from the store at the next request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kernels import Kernel, Page, page_of

pytestmark = pytest.mark.slow

DEFINE = "%%flow_tool\nimport os\ndef grow(n: int = 0): return {'text': os.urandom(500_000).hex(), 'n': n}"
MEASURE = "import gc, psutil, nbflow\nhere = nbflow.session.current()\ndef rss(): return psutil.Process().memory_info().rss / 2**20"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """Yield a kernel that stores its runs and retains two ended ones."""
    kernel = started(tmp_path, NBFLOW_RETAIN_RUNS="2")
    yield kernel
    kernel.close()


def started(folder: Path, **settings: str) -> Kernel:
    kernel = Kernel({"NBFLOW_DURABILITY": "async", "NBFLOW_DETERMINISTIC": "", **settings}, folder)
    for cell in ("%load_ext nbflow", DEFINE, "%%flow_graph grows\ngrow", MEASURE):
        kernel.ok(cell)
    return kernel


def pages(kernel: Kernel, count: int, line: str = "%flow_run grows n={n};") -> list[Page]:
    """Run the graph in several cells; return the pages of their live views."""
    return [page_of(kernel, kernel.ok(line.format(n=n), cell_id=f"cell-{n}")) for n in range(count)]


@pytest.mark.parametrize("way", ["cells", "loop"])
def test_many_large_results_grow_a_kernel_by_little(tmp_path: Path, way: str) -> None:
    kernel = started(tmp_path)
    for n in range(5):  # modules that are loaded only once
        kernel.ok(f"%flow_run grows n={n};", cell_id=f"warm-{n}")
    before = float(kernel.ok("gc.collect(); rss()").value)

    if way == "loop":
        kernel.ok("for n in range(200):\n    %flow_run grows n=n;", cell_id="loop")
    else:
        pages(kernel, 200)

    grown = float(kernel.ok("rss()").value) - before
    assert grown < 60, f"{grown:.0f} MB"
    assert kernel.ok("len(here.live) <= 50").value == "True"
    kernel.close()


def test_a_released_run_is_freed_though_its_view_is_shown(kernel: Kernel) -> None:
    kernel.ok("import weakref\nrefs = []")
    for n in range(5):
        kernel.ok(f"%flow_run grows n={n};\nrefs.append(weakref.ref(nbflow.session.last))", cell_id=f"cell-{n}")

    assert kernel.ok("[each() is None for each in refs]").value == "[True, True, True, False, False]"


def test_a_run_that_the_notebook_references_stays_usable(kernel: Kernel) -> None:
    kernel.ok("held = %flow_run grows n=7", cell_id="held")
    pages(kernel, 4)

    assert kernel.ok("held.id in here.live").value == "False"
    assert kernel.ok("held.state['n'], len(held.logs), here.read(held.id) is held").value == "(7, 1, True)"


def inspector(told: dict[str, Any]) -> bool:
    return told.get("type") in ("inspector", "refused")


def test_the_view_of_a_released_run_is_answered_from_the_store(kernel: Kernel) -> None:
    first, *_ = pages(kernel, 5)

    first.says("inspect", node="grow")
    told = first.hears(inspector)

    assert told["data"]["status"] == "completed"
    assert [shown["preview"] for shown in told["data"]["input"]] == ["0"]
    assert kernel.ok("len(here.live)").value == "1"  # the run that was read again from the store counts too


def test_the_view_of_a_released_run_reports_that_it_is_not_stored(kernel: Kernel) -> None:
    first, *_ = pages(kernel, 5, "%flow_run grows n={n} --durability off ;")

    first.says("inspect", node="grow")
    told = first.hears(inspector)

    assert told["type"] == "refused"
    assert "no longer in memory, and it was not stored" in told["message"]
    assert "NBFLOW_RETAIN_RUNS" in told["message"]


def test_a_run_that_is_shown_again_counts_too(kernel: Kernel) -> None:
    kernel.ok("%flow_run grows n=1;")
    first = kernel.ok("print(nbflow.session.last.id)").stdout.strip()
    pages(kernel, 4)
    kernel.ok(f"import weakref\nshown = %flow_show {first}\nref = weakref.ref(shown)")

    assert kernel.ok("type(shown).__name__, shown.state['n']").value == "('StoredRun', 1)"
    kernel.ok("del shown")
    pages(kernel, 4)
    kernel.ok("gc.collect()")

    assert kernel.ok("ref() is None").value == "True"


def test_a_released_run_is_resumed_from_its_old_view(kernel: Kernel) -> None:
    kernel.ok("%%flow_tool\ndef check(n): \n    if n == 0 and not mended: raise ValueError\nmended = False")
    kernel.ok("%%flow_graph grows\ngrow -> check")
    failed = page_of(kernel, kernel.run("%flow_run grows n=0", cell_id="failed"))
    kernel.ok("failed = nbflow.session.last.id\nmended = True")
    for n in range(1, 5):
        kernel.ok(f"%flow_run grows n={n};", cell_id=f"cell-{n}")
    assert kernel.ok("failed in here.live").value == "False"

    failed.says("command", name="resume")
    failed.hears(lambda told: told.get("run", {}).get("status") == "completed")

    assert kernel.ok("here.live[failed].status.value").value == "'completed'"
