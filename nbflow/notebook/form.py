"""The form that begins a run: `%flow_run NAME --form`.

Rule: everything beneath the cell has its place from the first: the live view and the picture of a run that begins by a
click go where the form is, whatever cell ran last, and so does what its expressions print. Clicks are acted upon on the
kernel's own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from typing import Any

import ipywidgets as widgets  # type: ignore[import-untyped]

from nbflow.engine import Run
from nbflow.graph.needs import Need
from nbflow.notebook.cells import Cells
from nbflow.notebook.fields import Evaluate, Field, Given, Note, field_of
from nbflow.notebook.freeing import free
from nbflow.notebook.output import Place, RunOutput, show, widget_bundle
from nbflow.notebook.waiting import ended
from nbflow.reducers import MISSING

# What hides dead widgets beside a run's picture must not hide a form whose live view is yet to be drawn.
_STYLE = (
    "<style>.jp-OutputArea-child:has(.nbflow-form){display:flex!important}"
    ".nbflow-form .nbflow-note{white-space:normal;height:auto;line-height:1.5}"
    ".nbflow-form .widget-label code{font:inherit;color:inherit;background:none;padding:0}</style>"
)

Begin = Callable[[dict[str, Any], Place], Awaitable[tuple[Run, RunOutput]]]


class Form:
    """A form beneath a cell. `run` is the run that it began last, None before the first.

    Args:
        graph: The name of the graph.
        needs: What its initial state is to have.
        given: Values that were given already; those that the graph does not ask for go into the state as they are.
        evaluate: Returns what an expression gives.
        begin: Begins a run with a state, in a place.
        home: The kernel's loop.
        cells: Knows which cell runs.
    """

    def __init__(
        self, graph: str, needs: list[Need], given: Mapping[str, Given], *,
        evaluate: Evaluate, begin: Begin, home: asyncio.AbstractEventLoop, cells: Cells,
    ) -> None:  # fmt: skip
        self.run: Run | None = None
        self._graph, self._begin, self._home = graph, begin, home
        self._cells, self._stands_in = cells, 0
        self._fields: list[Field] = [field_of(need, given.get(need.name), evaluate) for need in needs]
        asked = {need.name for need in needs}
        self._more = {name: one.value for name, one in given.items() if name not in asked}
        self._button = widgets.Button(description="Run", button_style="primary")
        self._note = Note()
        self._view = widgets.VBox()
        rows = [field.row for field in self._fields]
        style = widgets.HTML(_STYLE, layout={"display": "none"})
        self._box = widgets.VBox([*rows, widgets.HBox([self._button, self._note.widget]), self._view, style])
        self._box.add_class("nbflow-form")
        self._button.on_click(self._clicked)
        self._going: asyncio.Task[None] | None = None
        self._output: RunOutput | None = None
        self._place: Place | None = None
        self._context: Context | None = None
        self._left = False

    def __repr__(self) -> str:
        return f"Form({self._graph!r})" if self.run is None else f"Form({self._graph!r}, run={self.run!r})"

    def _ipython_display_(self) -> None:
        """Show the same form once more, in the cell that asks; where it stands already, nothing."""
        if self._left:
            show({"text/plain": f"{self!r}, which is gone: its cell has run again"})
        elif self._stands_in != self._cells.number:
            self._stands_in = self._cells.number
            show(widget_bundle(self._box))

    def show(self) -> None:
        """Show the form beneath the running cell, and keep the place for what its runs leave there."""
        self._context, self._stands_in = copy_context(), self._cells.number
        show(widget_bundle(self._box))
        self._place = Place(self._put, show({"text/plain": ""}, display_id=True))

    def close(self) -> None:
        """Free the page's copy; while its run goes on, once that has ended."""
        self._left = True
        if self._going is None or self._going.done():
            self._free()

    def _free(self) -> None:
        if self._output is not None:
            self._output.close()
        free(self._box)

    def _put(self, view: Any) -> None:
        self._view.children = [view]

    def _clicked(self, _button: Any) -> None:
        # The message of a click has no place on the page: what is printed in its context nobody sees.
        self._home.call_soon_threadsafe(self._go, context=self._context)

    def _go(self) -> None:
        if self._going is None or self._going.done():
            self._going = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        """Begin a run if all fields fit, and wait for its end; the button rests meanwhile."""
        self._button.disabled = True
        self._note.say("")
        try:
            state = await self._state()
            if state is None or self._place is None:
                return
            if self._output is not None:
                self._output.close()
            self.run, self._output = await self._begin(state, self._place)
            self._output.follow(self.run)
            await ended(self.run)
        except Exception as error:  # noqa: BLE001 - nobody awaits this task: the page is who hears of it
            self._note.say(f"{type(error).__name__}: {error}")
        finally:
            self._button.disabled = False
            if self._left:
                self._free()

    async def _state(self) -> dict[str, Any] | None:
        """Return the state to begin with; None where a field has an error, which it shows."""
        state, fit = dict(self._more), True
        for field in self._fields:
            try:
                value = await field.value()
            except ValueError as error:
                field.say(str(error))
                fit = False
                continue
            field.say("")
            if value is not MISSING:
                state[field.need.name] = value
        return state if fit else None
