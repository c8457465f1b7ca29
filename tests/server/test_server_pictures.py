"""The four views of runs of 12, 60 and 1 000 nodes, in both themes: each is complete, and the test can save a screenshot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image
from served import TOKEN, Served, serving

import nbflow

pytestmark = pytest.mark.browser
IMAGES = Path(nbflow.__file__).parents[1] / "notebooks" / "images"
KEEP = os.environ.get("NBFLOW_PICTURES")
FACES = ("graph", "timeline", "state", "log")
CELLS = [
    "%load_ext nbflow",
    '''%%flow_tool
import asyncio, random

async def step(n: int, label: str = ""):
    """Work for a while, and say so."""
    await asyncio.sleep(0.02 + 0.1 * ((n * 7919) % 11) / 11)
    print(f"{label or 'step'} {n} is done")
    return {f"part_{n % 12}": {"n": n, "label": label}}

async def flaky(n: int):
    """Fail at first."""
    if random.random() < 0.5:
        raise TimeoutError(f"part {n} took too long")
    return {"flaky": n}

def broken(n: int):
    """Fail for good."""
    raise ValueError(f"part {n} has no rows")

async def judge(round: int = 0):
    """Look whether it is good yet."""
    return {"round": round + 1}
''',
    """%%flow_graph review
fetch = step(n=1, label="fetch")
lint = step(n=2, label="lint")
types = step(n=3, label="types")
tests = step(n=4, label="tests")
scan = flaky(n=5) [retries=8, backoff=0.05]
merge = step(n=6, label="merge")
fix = step(n=7, label="fix")
judge = judge()
report = step(n=8, label="report")
publish = step(n=9, label="publish")
draft = step(n=10, label="draft")
alert = step(n=11, label="alert")
fetch -> lint & types & tests & scan -> merge -> judge
judge -> fix if round < 3 else report
fix -> judge [max=5]
report -> publish if round > 2 else draft
scan -> alert on error
reduce part_6 with last
""",
    '''from nbflow import session

def layered(name, width, depth, bad=()):
    """Define a graph of stages that split and join, some of whose nodes fail and are stood in for."""
    nodes, edges = [], []
    for stage in range(depth):
        nodes.append({"node_id": f"split{stage}", "tool": "pass"})
        if stage:
            edges += [{"from_node": f"n{stage - 1}_{at}", "to_node": f"split{stage}"} for at in range(width)]
        for at in range(width):
            here = stage * width + at
            tool = "broken" if here in bad else "step"
            nodes.append({"node_id": f"n{stage}_{at}", "tool": tool, "params": {"n": here}})
            edges.append({"from_node": f"split{stage}", "to_node": f"n{stage}_{at}"})
            if here in bad:
                edges.append({"from_node": f"n{stage}_{at}", "to_node": f"split{stage + 1}", "type": "error"})
    keys = {f"part_{at}": "last" for at in range(12)}
    session.graph(name, {"nodes": nodes, "edges": edges, "reducers": keys})

layered("layers", 5, 10, bad=(12, 31))
layered("plant", 24, 40, bad=(100, 333, 512))''',
]
SIZES = {12: "review", 60: "layers", 1_000: "plant"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("pictures") / "flows.ipynb"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbformat.write(book, path)
    with serving(path) as served:
        yield served


@pytest.fixture(scope="module")
def runs(server: Served) -> dict[int, str]:
    ids = {nodes: server.run(graph) for nodes, graph in SIZES.items()}
    for run_id in ids.values():
        server.result(run_id)
    return ids


@pytest.mark.parametrize("nodes", SIZES)
def test_each_view_is_complete_in_both_themes(nodes: int, server: Served, runs: dict[int, str], browser: Any) -> None:
    pictures = [_faces(browser, server, runs[nodes], theme) for theme in ("light", "dark")]

    for face in FACES:
        light, dark = (Image.open(BytesIO(taken[face])) for taken in pictures)
        assert light.size == dark.size
        assert light.getextrema() != dark.getextrema()
        if KEEP:
            both = Image.new("RGB", (light.width, 2 * light.height + 12), "#ffffff")
            both.paste(light, (0, 0))
            both.paste(dark, (0, light.height + 12))
            both.save(IMAGES / f"{face}-{nodes}.png", optimize=True)


def _faces(browser: Any, server: Served, run_id: str, theme: str) -> dict[str, bytes]:
    context = browser.new_context(viewport={"width": 1312, "height": 640}, color_scheme=theme)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{server.url}/?token={TOKEN}")
    page.goto(f"{server.url}/#run/{run_id}")
    view = page.locator(".nf-root.nf-large, .nf-root").last
    page.wait_for_selector(".pg-run .nf-root:not([hidden])")
    if page.locator(".nf-openup:visible").count():
        page.click(".nf-openup")
    taken = {}
    for at, face in enumerate(FACES):
        page.locator(".nf-tabs button").nth(at).click()
        page.wait_for_timeout(1_500)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        taken[face] = view.screenshot()
    context.close()
    assert wrong == []
    return taken
