"""The notebook of the code review, run with Run All in a real JupyterLab.

With NBFLOW_PICTURES=1 the picture of the README is taken again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WATCH = """
window.seen = {};
new MutationObserver((changes) => {
  for (const { target } of changes) {
    const node = target.closest?.('.nf-node');
    if (node) (window.seen[node.dataset.n] ||= new Set()).add([...node.classList].find((c) => c.startsWith('is-')));
  }
}).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['class'] });
"""


def code_cells() -> list[str]:
    book = nbformat.read(NOTEBOOKS / "code_review.ipynb", as_version=4)
    return [cell.source for cell in book.cells if cell.cell_type == "code"]


def test_run_all_reviews_real_files_while_the_graph_is_seen_running(notebook: Callable[..., Any]) -> None:
    cells = code_cells()
    first = next(index for index, cell in enumerate(cells) if "utils.py" in cell)
    nb = notebook(*cells, viewport={"width": 1560, "height": 1000}, device_scale_factor=2)
    nb.js("window.jupyterapp.commands.execute('application:toggle-left-area')")
    for index in range(first + 1):
        nb.run(index)
    nb.node("report", "completed")  # the first widget of a page takes seconds to load; the next ones are there at once
    nb.page.evaluate(WATCH)

    nb.js("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    nb.wait_js(f"w.content.model.cells.get({len(cells) - 1}).executionCount !== null", timeout=300_000)
    nb.wait_idle(len(cells) - 1)

    seen = nb.page.evaluate("Object.fromEntries(Object.entries(window.seen).map(([n, s]) => [n, [...s]]))")
    assert {"is-running", "is-completed"} <= set(seen["review"])  # a map over a package: it runs for seconds
    assert "is-completed" in seen["suggest_improvements"]
    assert not any(output["output_type"] == "error" for index in range(len(cells)) for output in nb.outputs(index))
    view = nb.cell(first).locator(".nf-root")
    assert view.locator(".nf-node.is-completed").count() == 8
    view.locator('.nf-node[data-n="extract_functions"]').click()
    inspector = view.locator(".nf-insp")
    inspector.get_by_text("Went to find_hotspots, because max_complexity (17) > 10 is yes").wait_for()
    if os.environ.get("NBFLOW_PICTURES") == "1":
        view.locator('.nf-node[data-n="report"]').click()
        inspector.get_by_text("maintainability").first.wait_for()
        # Shorter than it is, so that no path of the machine that takes the picture is in it.
        nb.page.add_style_tag(content=".nf-root .nf-body { height: 280px !important }")
        nb.cell(first).scroll_into_view_if_needed()
        nb.cell(first).screenshot(path=NOTEBOOKS / "images" / "live-view.png")
    assert (nb.errors, nb.external) == ([], [])
