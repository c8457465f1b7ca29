"""The outputs of a run beneath its cell: the live view, and a static picture with a text for the saved notebook.

They are two outputs, because JupyterLab prefers the widget of a single bundle and shows an error in its place when the
kernel is gone; it does not fall back to the other types. Only a page with widgets draws the live view. The static
picture is hidden while a live view is drawn; GitHub, nbconvert and a notebook opened without its kernel show it.
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
from nbflow.view.recorded_run import empty_view
from nbflow.view.text import clean

if TYPE_CHECKING:
    from nbflow.notebook.live_view import LivePage

READY_SECONDS = 2.0
_PASSING = re.compile(r"^runs are (?:kept|stored) in |\b[0-9a-f]{12}\b")
"""Matches notices that differ between two executions of a notebook: those with paths or ids of runs."""
INSTALL = "No live view here. To get it: pip install anywidget ipywidgets (in the environment JupyterLab runs in)."


def deterministic() -> bool:
    """Return True if outputs must be equal at every execution of the notebook (NBFLOW_DETERMINISTIC=1)."""
    return os.environ.get("NBFLOW_DETERMINISTIC", "") not in ("", "0")


@dataclass(frozen=True)
class Slot:
    """A reserved position beneath a cell: `put` shows a live view there, `picture` is the display of the picture."""

    put: Callable[[Any], None]
    picture: Any


class RunOutput:
    """The outputs of one run. Create, `start` and `end` it on the loop of the run, if that has not ended.

    Args:
        run: The run to show.
        shell: The shell of the cell.
        cells: The cells of the shell.
        describe: Returns the first line of a tool's documentation.
        background: True if the run may end after its cell. A picture is then shown at once, and updated at the end.
        slot: A reserved position beneath another cell, where the outputs appear.
    """

    def __init__(
        self, run: RunRecord, shell: Any, cells: Cells, describe: Callable[[str], str], *,
        background: bool = True, slot: Slot | None = None,
    ) -> None:  # fmt: skip
        self._run: RunRecord | None = run
        self._name, self._graph = run.name, run.graph
        self._shell, self._cells, self._describe = shell, cells, describe
        self._background, self._slot = background, slot
        self._kernel = hasattr(shell, "kernel")
        # Only a front end with a page sends ids of cells; nbclient and the like do not.
        self._watched = self._kernel and cells.current_id is not None and not deterministic()
        self._view: RunView | None = self._fold(run)
        self._over = self._due = False
        self._page: LivePage | None = None
        self._static: Any = None if slot is None else slot.picture
        self._soon: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None
        self._hint, self._ready = "", False

    def _fold(self, run: RunRecord) -> RunView:
        return empty_view(run, locate=self._cells.locate, stable=deterministic())

    def start(self) -> None:
        """Show the live view, and one frame later the static picture."""
        run, view = self._run, self._view
        if not self._kernel or run is None or view is None:
            return
        from nbflow.notebook.live_view import LivePage, home_of
        from nbflow.view.fold.throttle import FRAME

        home = home_of(self._shell)
        self._page = LivePage(run, view, describe=self._describe, home=home, on_run=self._show_next, fold=self._fold)
        session.current().memory.holders.add(self)
        if self._slot is None:
            show(widget_bundle(self._page.widget))
        else:
            self._slot.put(self._page.widget)
        for output in self._cells.replaced(self):
            output.close()
        loop = run.loop if isinstance(run, Run) and run.result is None else None
        self._over = loop is None
        if self._background or loop is None:
            self._show_static()
        elif not deterministic():
            self._soon = loop.call_later(FRAME, self._show_static)
        if self._watched and loop is not None:
            self._page.feed.on_ready = self._on_ready
            loop.call_later(READY_SECONDS, self._show_hint)

    def _show_next(self, run: Run) -> None:
        """Show a run that the page resumed or forked, in the same outputs."""
        self._run, self._view = run, self._fold(run)
        self._name, self._graph = run.name, run.graph
        self._over = self._due = False
        if self._page is not None:
            self._page.show(run, self._view)
        self.follow(run)

    def follow(self, run: Run) -> None:
        """Update the outputs when the run ends."""

        async def follow() -> None:
            await ended(run)
            self.end(run)

        self._following = asyncio.ensure_future(follow())

    @property
    def alive(self) -> bool:
        """True if there is a live view."""
        return self._page is not None

    def _show_static(self) -> None:
        """Show the static picture of the present state, for pages without a live view; it is updated later."""
        if self._page is not None:
            self._soon = None
            self._show(self._page.snapshot)

    def end(self, run: RunRecord) -> None:
        """Show the end of the run in both outputs, unless they show another run since, such as a fork."""
        if run is not self._run:
            return
        if self._soon is not None:
            self._soon.cancel()
        self._show(self._page.feed.close() if self._page else self._folded(run))
        self._over = True
        if self._due:
            self.release(run)

    def release(self, run: RunRecord) -> None:
        """Drop the references to an ended run; the page reads it from the store again if necessary."""
        if self._page is not None and (run is not self._run or self._over):
            self._page.release(run)
        if run is self._run and self._over:
            self._run = self._view = None
        elif run is self._run:
            self._due = True  # released once its end is shown

    def close(self) -> None:
        """Remove the live view from the page, unless its run is running."""
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
        elif not deterministic():  # nbval does not support updates of a display
            self._static.update(bundle, raw=True)

    def _show_hint(self) -> None:
        """Show how to install the widgets; `_on_ready` removes the text if the page was only slow."""
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
    """Show a run with a live view: a run of this process, or one read from the store."""
    output = RunOutput(run, shell, cells, describe_tool)
    output.start()
    if not output.alive:
        output.end(run)
    elif isinstance(run, Run) and run.result is None:
        output.follow(run)
    else:
        session.current().memory.retain(run)


def describe_tool(tool: str) -> str:
    """Return the first line of a tool's documentation; empty if the session does not have the tool."""
    return session.current().describe(tool)


def describe_run(run: RunRecord) -> str:
    """Return a summary of a run in one line."""
    return repr(RunPicture(run, deterministic=deterministic()))


def show_notices(_result: Any = None) -> None:
    """Show the pending notices of the session about the store, each once, as muted lines."""
    lines = session.current().take_notices()
    if deterministic():
        lines = [notice for notice in lines if not _PASSING.search(notice)]
    if lines:
        muted = "".join(f'<div style="opacity:.65">{escape(clean(notice))}</div>' for notice in lines)
        show({"text/plain": "\n".join(lines), "text/html": muted})


def widget_bundle(widget: Any) -> dict[str, Any]:
    """Return the bundle that shows a widget; front ends without widgets show nothing."""
    reference = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"text/plain": "", "application/vnd.jupyter.widget-view+json": reference}


def show(bundle: Mapping[str, Any], **settings: Any) -> Any:
    """Display a bundle of data by MIME type beneath the running cell."""
    return ipython.display(bundle, raw=True, **settings)  # type: ignore[no-untyped-call]  # IPython is untyped here
