"""Figures of tools in a notebook: the view shows them at their nodes, and the cell's output does not contain them."""

from __future__ import annotations

import pytest
from kernels import Kernel

pytest.importorskip("matplotlib")

DEFINE = """%%flow_tool
import matplotlib.pyplot as plt
def thread(n=2):
    for number in range(n):
        plt.figure(figsize=(2, 1))
        plt.plot([number, 1])
async def on_loop():
    plt.plot([1, 2])
def shows():
    plt.plot([1, 2])
    plt.show()
    plt.plot([2, 3])
def shows_one():
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    figure.show()
def fails():
    plt.plot([1, 2])
    raise ValueError("no")
"""
PICTURES = """
NODES = ('thread', 'on_loop', 'shows', 'shows_one')
def pictures(run, node):
    return sum("picture" in e.data for e in run.events if e.kind == "node_output" and e.node == node)
"""


@pytest.fixture(scope="module", autouse=True)
def _tools(kernel: Kernel) -> None:
    kernel.ok(DEFINE)
    kernel.ok(PICTURES)
    kernel.ok("%%flow_graph draws\nstart = pass\nstart -> thread & on_loop & shows & shows_one\n")
    kernel.ok("%%flow_graph broken\nfails\n")


def images(reply) -> int:
    return sum("image/png" in data for data in [*reply.displays, reply.result])


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["True", "False"])
def test_figures_of_tools_are_pictures_of_their_nodes_alone(kernel: Kernel, setting: str) -> None:
    kernel.ok(f"%config InlineBackend.close_figures = {setting}")
    try:
        reply = kernel.ok("run = %flow_run draws")
    finally:
        kernel.ok("%config InlineBackend.close_figures = True")
    assert images(reply) == 0
    assert kernel.ok("[pictures(run, n) for n in NODES]").value == "[2, 1, 2, 1]"


def test_a_figure_of_the_cell_is_shown_once_and_unchanged(kernel: Kernel) -> None:
    cell = "plt.figure(figsize=(3, 3)); plt.plot([1, 5])\nrun = %flow_run draws\nprint(plt.get_fignums())"
    reply = kernel.ok(cell)
    assert (images(reply), reply.stdout) == (1, "[1]\n")


def test_the_figures_of_a_tool_that_fails_are_no_output_of_the_cell(kernel: Kernel) -> None:
    reply = kernel.run("%flow_run broken")
    assert (reply.status, images(reply)) == ("error", 0)
    assert (
        kernel.ok("from nbflow import session\npictures(session.last, 'fails'), plt.get_fignums()").value == "(1, [])"
    )


def test_a_cell_draws_as_usual_after_a_run(kernel: Kernel) -> None:
    assert images(kernel.ok("plt.plot([1, 2])\nplt.show()")) == 1
    assert images(kernel.ok("plt.plot([1, 2]);")) == 1
