"""What a run leaves beneath its cell: the live view, and the picture and words that stay in the saved notebook.

Rule: two outputs. The first is the live view, which only a page with widgets draws. The second is static and hidden
wherever the first is alive; GitHub, nbconvert and an opened notebook without a kernel show it.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from IPython import display as ipython

from nbflow import session
from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.notebook.cells import Cells
from nbflow.notebook.waiting import ended
from nbflow.view import RunPicture, RunView, static_html, static_svg, summary
from nbflow.view.recorded_run import unfed
from nbflow.view.text import clean

if TYPE_CHECKING:
    from nbflow.notebook.live_view import LivePage

PATIENCE = 2.0
_PASSING = re.compile(r"^runs are kept in |\b[0-9a-f]{12}\b")
"""What differs from one run of a notebook to the next: places, and ids of runs."""
INSTALL = "No live view here. To get it: pip install anywidget ipywidgets (in the environment JupyterLab runs in)."


def deterministic() -> bool:
    """Return whether outputs must be the same at every run of the notebook (NBFLOW_DETERMINISTIC=1)."""
    return os.environ.get("NBFLOW_DETERMINISTIC", "") not in ("", "0")


@dataclass(frozen=True)
class Place:
    """A place that was kept beneath a cell: what puts a live view there, and the display of the picture."""

    put: Callable[[Any], None]
    picture: Any


class RunOutput:
    """The outputs of one run; make, `begin` and `end` it on the loop of a run that goes on.

    A `background` run ends when its cell has ended long since, so its picture must stand there before. One that begins
    then has a `place`.
    """

    def __init__(
        self, run: RunRecord, shell: Any, cells: Cells, describe: Callable[[str], str], *,
        background: bool = True, place: Place | None = None,
    ) -> None:  # fmt: skip
        self._run: RunRecord | None = run
        self._name, self._graph = run.name, run.graph
        self._shell, self._cells, self._describe = shell, cells, describe
        self._background, self._place = background, place
        self._kernel = hasattr(shell, "kernel")
        # Only a front end with cells names them in its requests; nbclient and its like have no page to watch.
        self._watched = self._kernel and cells.current_id is not None and not deterministic()
        self._view: RunView | None = self._fold(run)
        self._over = self._due = False
        self._page: LivePage | None = None
        self._static: Any = None if place is None else place.picture
        self._soon: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None
        self._hint, self._ready = "", False

    def _fold(self, run: RunRecord) -> RunView:
        return unfed(run, locate=self._cells.locate, stable=deterministic())

    def begin(self) -> None:
        """Show the live view and, after its first states are on their way, the graph that stands in for it."""
        run, view = self._run, self._view
        if not self._kernel or run is None or view is None:
            return
        from nbflow.notebook.live_view import LivePage, home_of
        from nbflow.view.fold.throttle import FRAME

        home = home_of(self._shell)
        self._page = LivePage(run, view, describe=self._describe, home=home, on_run=self._go_on, fold=self._fold)
        session.current().memory.holders.add(self)
        if self._place is None:
            show(widget_bundle(self._page.widget))
        else:
            self._place.put(self._page.widget)
        for output in self._cells.gone(self):
            output.close()
        loop = run.loop if isinstance(run, Run) and run.result is None else None
        self._over = loop is None
        if self._background or loop is None:
            self._stand_in()
        elif not deterministic():
            self._soon = loop.call_later(FRAME, self._stand_in)
        if self._watched and loop is not None:
            self._page.feed.on_ready = self._on_ready
            loop.call_later(PATIENCE, self._say_what_to_install)

    def _go_on(self, run: Run) -> None:
        """Show a run that goes on again, or a fork that was made here, in the same place."""
        self._run, self._view = run, self._fold(run)
        self._name, self._graph = run.name, run.graph
        self._over = self._due = False
        if self._page is not None:
            self._page.show(run, self._view)
        self.follow(run)

    def follow(self, run: Run) -> None:
        """Bring the outputs to the run's end when it comes."""

        async def follow() -> None:
            await ended(run)
            self.end(run)

        self._following = asyncio.ensure_future(follow())

    @property
    def alive(self) -> bool:
        """Whether there is a live view of it."""
        return self._page is not None

    def _stand_in(self) -> None:
        """Show the graph now, for whoever has no live view yet; the output is brought up to date later."""
        if self._page is not None:
            self._soon = None
            self._show(self._page.snapshot)

    def end(self, run: RunRecord) -> None:
        """Bring both outputs to where the run ended, unless they show another since: a fork of it."""
        if run is not self._run:
            return
        if self._soon is not None:
            self._soon.cancel()
        self._show(self._page.feed.close() if self._page else self._folded(run))
        self._over = True
        if self._due:
            self.release(run)

    def release(self, run: RunRecord) -> None:
        """Refer to a run no longer that ended: its outputs are there, and the page reads it again where need be."""
        if self._page is not None and (run is not self._run or self._over):
            self._page.release(run)
        if run is self._run and self._over:
            self._run = self._view = None
        elif run is self._run:
            self._due = True  # once its end is shown

    def close(self) -> None:
        """Free the page's copy of the live view, unless its run goes on."""
        if (self._run is None or self._run.result is not None) and self._page is not None:
            from nbflow.notebook.live_view import free

            self._page.leave()
            free(self._page.widget)
            self._page = None

    def _folded(self, run: RunRecord) -> dict[str, Any]:
        view = self._view or self._fold(run)
        view.apply(run.events[view.seq :])
        return view.snapshot(time.time())

    def _show(self, snapshot: Mapping[str, Any]) -> None:
        bundle = self._bundle(snapshot)
        if self._static is None:
            self._static = show(bundle, display_id=True)
        elif not deterministic():  # nbval knows no updates
            self._static.update(bundle, raw=True)

    def _say_what_to_install(self) -> None:
        """Say why there is no live view; a page that was only slow takes the words back when it is ready."""
        if self._page is not None and not self._ready:
            self._hint = INSTALL
            self._show(self._page.snapshot)

    def _on_ready(self) -> None:
        self._ready = True
        if self._page is not None and self._hint:
            self._hint = ""
            self._show(self._page.snapshot)

    def _bundle(self, snapshot: Mapping[str, Any]) -> dict[str, str]:
        text = summary(snapshot, self._name, deterministic=deterministic())
        if not self._kernel:
            return {"text/plain": text}
        svg = static_svg(self._graph, snapshot, title=self._name, deterministic=deterministic())
        hint = f'<div class="nbflow-static">{escape(self._hint)}</div>' if self._hint else ""
        return {"text/plain": text, "text/html": static_html(svg, text) + hint}


def show_run(run: RunRecord, shell: Any, cells: Cells) -> None:
    """Show a run as it stands, alive: of this process, or one that a store has."""
    output = RunOutput(run, shell, cells, describe_tool)
    output.begin()
    if not output.alive:
        output.end(run)
    elif isinstance(run, Run) and run.result is None:
        output.follow(run)
    else:
        session.current().memory.retain(run)


def describe_tool(tool: str) -> str:
    """Return the first line of a tool's documentation; nothing where it is not known here."""
    return session.current().describe(tool)


def describe_run(run: RunRecord) -> str:
    """Return a run in one line."""
    return repr(RunPicture(run, deterministic=deterministic()))


def tell_notices(_result: Any = None) -> None:
    """Show what people should be told of what is kept: once, a muted line each."""
    lines = session.current().take_notices()
    if deterministic():
        lines = [told for told in lines if not _PASSING.search(told)]
    if lines:
        muted = "".join(f'<div style="opacity:.65">{escape(clean(told))}</div>' for told in lines)
        show({"text/plain": "\n".join(lines), "text/html": muted})


def widget_bundle(widget: Any) -> dict[str, Any]:
    """Return what shows a widget, and nothing where there are none."""
    reference = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"text/plain": "", "application/vnd.jupyter.widget-view+json": reference}


def show(bundle: Mapping[str, Any], **settings: Any) -> Any:
    """Show a bundle of data by MIME type beneath the running cell."""
    return ipython.display(bundle, raw=True, **settings)  # type: ignore[no-untyped-call]  # IPython is untyped here
