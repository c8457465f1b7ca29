"""Figures that tools draw with pyplot are separate, and the open ones become pictures of the node."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from running import finished

from nbflow import Run
from nbflow.engine import capture, figures

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("agg")
ROOT = Path(figures.__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_figures() -> Iterator[None]:
    """Let no test find figures of another one."""
    plt.close("all")
    yield
    plt.close("all")
    capture.uninstall()


def pictures(run: Run, node: str) -> list[dict[str, Any]]:
    return [e.data["picture"] for e in run.events if e.kind == "node_output" and e.node == node and "picture" in e.data]


def colour(picture: dict[str, Any]) -> tuple[int, ...]:
    """Return the colour in the middle of a picture."""
    image = pytest.importorskip("PIL.Image").open(BytesIO(base64.b64decode(picture["data"]))).convert("RGB")
    return tuple(image.getpixel((image.width // 2, image.height // 2)))


def fill(name: str) -> None:
    """Draw step by step into whatever pyplot's current figure is."""
    plt.figure(figsize=(2, 1))
    plt.axes((0, 0, 1, 1))
    plt.axhspan(0, 1, color=name)
    plt.ylim(0, 1)


RED, LIME, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_tools_side_by_side_in_threads_draw_each_its_own_figure() -> None:
    together = threading.Barrier(3, timeout=300)

    def drawn(name: str) -> int:
        for _ in range(5):
            together.wait()
            plt.figure(figsize=(2, 1))
            together.wait()
            plt.axes((0, 0, 1, 1))
            together.wait()
            plt.axhspan(0, 1, color=name)
            together.wait()
            plt.ylim(0, 1)
            plt.close(plt.get_fignums()[0]) if len(plt.get_fignums()) > 1 else None
        return len(plt.get_fignums())

    def red() -> int:
        return drawn("red")

    def lime() -> int:
        return drawn("lime")

    def blue() -> int:
        return drawn("blue")

    run = finished("pass -> red & lime & blue", red, lime, blue)

    assert run.state == {"red": 1, "lime": 1, "blue": 1}
    assert [list(map(colour, pictures(run, name))) for name in ("red", "lime", "blue")] == [[RED], [LIME], [BLUE]]


def test_async_tools_side_by_side_draw_each_its_own_figure() -> None:
    async def drawn(name: str) -> None:
        fill("white")
        await asyncio.sleep(0.01)
        plt.axhspan(0, 1, color=name)
        await asyncio.sleep(0.01)

    async def red() -> None:
        await drawn("red")

    async def blue() -> None:
        await drawn("blue")

    run = finished("pass -> red & blue", red, blue)
    assert [list(map(colour, pictures(run, name))) for name in ("red", "blue")] == [[RED], [BLUE]]


def test_items_of_a_map_have_a_picture_each() -> None:
    def paint(name: str) -> None:
        fill(name)

    run = finished("fan = paint [map=names]", paint, names=["red", "lime", "blue"])
    assert [colour(pictures(run, f"fan[{item}]")[0]) for item in range(3)] == [RED, LIME, BLUE]


@pytest.mark.parametrize("kind", ["async", "waits", "thread", "generator", "inline"])
def test_a_figure_left_open_is_a_picture_before_the_node_ends_and_is_closed(kind: str) -> None:
    def thread() -> None:
        fill("red")
        left.append(plt.gcf())

    async def waits() -> None:
        await asyncio.sleep(0)
        thread()

    async def at_once() -> None:
        thread()

    def generator() -> Iterator[dict[str, int]]:
        thread()
        yield {"x": 1}

    left: list[Any] = []
    tool = {"async": at_once, "waits": waits, "generator": generator}.get(kind, thread)
    run = finished(f"tool = {tool.__name__}" + (" [executor=inline]" if kind == "inline" else ""), tool)

    kinds = [event.kind.value for event in run.events if event.node == "tool"]
    assert kinds == ["node_start", "node_output", "node_complete"]
    assert list(map(colour, pictures(run, "tool"))) == [RED]
    assert plt.get_fignums() == []
    left[0].savefig(BytesIO())  # and stays usable


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_a_tool_that_fails_leaves_its_pictures_too(kind: str) -> None:
    def thread() -> None:
        fill("red")
        raise ValueError("no")

    async def on_loop() -> None:
        thread()

    tool = thread if kind == "thread" else on_loop
    run = finished(f"tool = {tool.__name__} [retries=1, backoff=0]", tool)
    kinds = [event.kind.value for event in run.events if event.node == "tool"]
    assert kinds == ["node_start", "node_output", "node_retry", "node_start", "node_output", "node_error"]
    assert plt.get_fignums() == []


def test_a_tool_that_is_cancelled_leaves_no_figure_open() -> None:
    async def waits() -> None:
        fill("red")
        await asyncio.sleep(300)

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    run = finished("pass -> waits & fails", waits, fails)
    assert list(map(colour, pictures(run, "waits"))) == [RED]
    assert plt.get_fignums() == []


def test_show_takes_the_open_figures_in_their_order() -> None:
    def tool() -> int:
        fill("red")
        fill("lime")
        plt.show()
        left = len(plt.get_fignums())
        fill("blue")
        return left

    run = finished("tool", tool)
    assert list(map(colour, pictures(run, "tool"))) == [RED, LIME, BLUE]
    assert run.state["tool"] == 0


def test_the_show_of_a_figure_shows_it_once() -> None:
    def tool() -> None:
        fill("red")
        plt.gcf().show()

    assert list(map(colour, pictures(finished("tool", tool), "tool"))) == [RED]


def test_figures_of_the_caller_stay_as_they_are() -> None:
    mine = plt.figure(7)

    def tool() -> list[int]:
        before = plt.get_fignums()
        fill("red")
        plt.close("all")
        fill("lime")
        return before

    run = finished("tool", tool)
    assert run.state["tool"] == []
    assert (plt.get_fignums(), plt.gcf() is mine) == ([7], True)


def test_a_thread_that_the_tool_starts_draws_into_the_tool_s_figures() -> None:
    capture.install()

    def tool() -> None:
        plt.figure(figsize=(2, 1))
        thread = threading.Thread(target=lambda: plt.gca().set_facecolor("red"))
        thread.start()
        thread.join()
        plt.gca().set_position((0, 0, 1, 1))

    run = finished("tool", tool)
    assert list(map(colour, pictures(run, "tool"))) == [RED]


def test_a_figure_that_the_tool_returns_stays_usable() -> None:
    def tool() -> dict[str, Any]:
        fill("red")
        return {"figure": plt.gcf()}

    run = finished("tool", tool)
    run.state["figure"].savefig(BytesIO())
    assert len(pictures(run, "tool")) == 1


def test_pictures_are_bounded_in_number_and_size_and_the_omitted_ones_are_logged() -> None:
    def tool() -> None:
        for _ in range(figures.MOST + 3):
            fill("red")
        plt.figure(figsize=(400, 1))

    with plt.rc_context({"figure.max_open_warning": 0}):
        run = finished("tool", tool)
    assert len(pictures(run, "tool")) == figures.MOST
    told = "".join(e.data["text"] for e in run.events if e.kind == "node_output" and e.data["stream"] == "stderr")
    assert told.endswith(f"4 more figures were closed: a node shows {figures.MOST} pictures an attempt\n")


def test_a_large_figure_is_made_smaller() -> None:
    def tool() -> None:
        plt.figure(figsize=(400, 2))

    (picture,) = pictures(finished("tool", tool), "tool")
    assert max(picture["width"], picture["height"]) <= figures.SIDE


def test_a_figure_that_cannot_be_drawn_is_logged_and_fails_nothing() -> None:
    def tool() -> None:
        plt.figure()
        plt.title("$\\notthere$")

    run = finished("tool", tool)
    assert run.status == "completed"
    assert [e.data["text"][:28] for e in run.events if e.kind == "node_output"] == ["a figure could not be drawn:"]


LATE = """
import sys
from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine
import asyncio
registry = ToolRegistry()

@registry.tool
def draws():
    import matplotlib
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    plt.plot([1, 2])

@registry.tool
def plain():
    return "matplotlib" in sys.modules

async def main(text):
    run = WorkflowEngine(registry).start(GraphDefinition.from_text(text), {})
    await run
    return run

print(asyncio.run(main("plain")).state["plain"])
run = asyncio.run(main("draws"))
print(sum("picture" in event.data for event in run.events), sys.modules["matplotlib.pyplot"].get_fignums())
print(type(sys.modules["matplotlib.pyplot"].__loader__).__name__)
"""


def test_pyplot_is_imported_by_nobody_else_and_prepared_where_a_tool_imports_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", LATE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", "1 []", "SourceFileLoader"]


def test_uninstalling_restores_pyplot() -> None:
    from matplotlib._pylab_helpers import Gcf

    finished("pass")
    assert type(Gcf.figs).__name__ == "_Figures"
    capture.uninstall()
    assert type(Gcf.figs).__name__ == "OrderedDict"
    assert not hasattr(plt._get_backend_mod, "nbflow_wraps")
