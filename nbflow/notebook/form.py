"""The form that begins a run: `%flow_run NAME --form`.

Rule: everything beneath the cell has its place from the first: the live view and the picture of a run that begins by a
click go where the form is, whatever cell ran last, and so does what its expressions print. Clicks are acted upon on the
kernel's own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from enum import Enum
from html import escape
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import ipywidgets as widgets  # type: ignore[import-untyped]
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError

from nbflow.engine import Run
from nbflow.engine.questions import faults_of
from nbflow.graph.needs import Need
from nbflow.notebook.cell_output import Place, RunOutput, show, widget_bundle
from nbflow.notebook.cells import Cells
from nbflow.notebook.live_view import free
from nbflow.notebook.waiting import ended
from nbflow.state import MISSING

# Fields of a form: each key that a graph needs, as a widget that suits its type, and the value that stands there.
#
# Rule: pydantic says what a type takes, so that a field and an answer are judged alike; what no field suits is an
# expression of Python. Names and help are data: what they hold is shown as it is.

_PLAIN = (bool, int, float, str)
# Signs that a page may take for TeX, even before it reads the HTML around them; and those of HTML.
_TEX, _HTML = set("$\\"), set("&<>`")
_NAMES, _WIDTH, _LINE, _LINES = "11em", "30em", 60, 12

Evaluate = Callable[[str], Awaitable[Any]]


class Note:
    """A line of text beside a widget, shown as it is: neither markup nor, as a Label would take it, TeX."""

    def __init__(self) -> None:
        self.widget = widgets.HTML()
        self.widget.add_class("nbflow-note")

    def say(self, text: str, *, error: bool = False) -> None:
        """Show a text."""
        self.widget.value = escape(text, quote=False)
        self.widget.style.text_color = "var(--jp-error-color1, #d32f2f)" if error else None


def _name(widget: Any, name: str, mark: str) -> None:
    """Label a widget with a name, shown as it is: what a label holds is typeset as TeX, unless it is code."""
    if not _TEX & set(name):
        widget.description = name + mark
        return
    shown = "".join(f"&#{ord(sign)};" if sign in _TEX | _HTML else sign for sign in name)
    widget.description_allow_html = True
    widget.description = f"<code>{shown}</code>{mark}"


class Field:
    """A key of the state. `row` is its place in a form; what stands beside the widget is its help, or its error.

    Args:
        need: The key.
        widget: Where its value is given.
        parse: Returns the value of what stands in the widget, or raises ValueError.
        start: The value that stands there at the start, MISSING for none.
        given: Whether that was given for this run, and is not the default.
    """

    def __init__(
        self, need: Need, widget: Any, parse: Callable[[Any], Any], *, start: Any = MISSING, given: bool = False
    ) -> None:
        self.need, self.widget, self._parse = need, widget, parse
        self._start, self._shown = start, widget.value
        self._left_out = not (given or need.required)
        self._note = Note()
        self._note.say(need.help)
        self.row = widgets.HBox([widget, self._note.widget])
        _name(widget, need.name, " *" if need.required else "")
        widget.style.description_width = _NAMES
        widget.layout.width = _WIDTH
        widget.layout.flex = "0 0 auto"

    async def value(self) -> Any:
        """Return the value; MISSING where the tools are left to their default.

        Raises:
            ValueError: None stands there that fits.
        """
        shown = self.widget.value
        if self._start is not MISSING and type(shown) is type(self._shown) and shown == self._shown:
            return MISSING if self._left_out else self._start
        if shown == "" and not isinstance(self._start, str):
            if self.need.required and not _takes_none(self.need.annotation):
                raise ValueError("a value is needed")
            return None if self.need.required else MISSING
        return await self.parsed(shown)

    async def parsed(self, shown: Any) -> Any:
        """Return the value of what stands in the widget."""
        return self._parse(shown)

    def say(self, error: str) -> None:
        """Show an error beside the field; with an empty text its help again."""
        self._note.say(error or self.need.help, error=bool(error))


class Expression(Field):
    """A key whose value is what an expression gives, where the cell's names are known."""

    def __init__(self, need: Need, text: str, evaluate: Evaluate, **start: Any) -> None:
        box = widgets.Text(value=text, placeholder="an expression of Python", continuous_update=True)
        super().__init__(need, box, str, **start)
        self._evaluate = evaluate

    async def parsed(self, shown: Any) -> Any:
        """Return what the expression gives."""
        try:
            return await self._evaluate(shown.strip())
        except Exception as error:  # noqa: BLE001 - the user's own code, and the field is where to tell
            raise ValueError(f"{type(error).__name__}: {error}") from None


@dataclass(frozen=True)
class Given:
    """A value for a key, and the source that it came from, where it is known."""

    value: Any
    source: str = ""


def field_of(need: Need, given: Given | None, evaluate: Evaluate) -> Field:
    """Return the field for a key, with its value at the start: the given one, else the default."""
    start = need.default if given is None else given.value
    settings = {"start": start, "given": given is not None}
    hint = type(start) if need.annotation is Any and type(start) in _PLAIN else need.annotation
    adapter, schema = _known(hint)
    if adapter is None or not _fits(adapter, start):
        text = (given.source if given else "") or ("" if start is MISSING else repr(start))
        return Expression(need, text, evaluate, **settings)
    widget = _plain(_bare(hint), hint, start)
    if widget is not None:
        return Field(need, widget, _checked(adapter), **settings)
    kinds = [one.get("type") for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    parse, begin = adapter.validate_json, _json
    # A whole number too: a box would round it to what a page can count, and say nothing.
    if len(kinds) == 1 and kinds[0] in ("string", "integer", "number"):
        parse, begin = adapter.validate_strings, _string
    text = "" if start is MISSING or start is None else begin(adapter, start)
    told = "JSON" if begin is _json else "text" if kinds[0] == "string" else "a number"
    return Field(need, _text(text, lines=begin is _json, told=told), _judged(parse), **settings)


def _known(hint: Any) -> tuple[TypeAdapter[Any] | None, dict[str, Any]]:
    """Return what judges values of a type, and its schema; None where a page has no data for such a type."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        schema = adapter.json_schema()
    except (PydanticUserError, TypeError, NameError):
        return None, {}
    return (adapter if schema else None), schema


def _plain(bare: Any, hint: Any, start: Any) -> Any:
    """Return the widget whose value is one of the type; None for a type that is written as text."""
    none = start is MISSING or start is None
    if (choices := _choices(hint)) is not None:
        return widgets.Dropdown(options=choices, value=None if none else start)
    value = {} if none else {"value": start}
    if bare is bool:
        return widgets.Checkbox(indent=True, **value)
    if bare is float and start is not MISSING:  # a box of numbers is never empty, so one to be given is a text
        return widgets.FloatText(**value)
    if bare is str:
        text = "" if none else start
        return _text(text, lines=start is MISSING or "\n" in text or len(text) > _LINE, told="")
    return None


def _choices(hint: Any) -> list[tuple[str, Any]] | None:
    """Return the values of a type that has few, under their names; None for any other."""
    bare = _bare(hint)
    if get_origin(bare) is Literal:
        return [(str(value), value) for value in get_args(bare)]
    if isinstance(bare, type) and issubclass(bare, Enum):
        return [(member.name, member) for member in bare]
    if _takes_none(bare):
        kinds = [kind for kind in get_args(bare) if kind is not NoneType]
        inner = (
            [("True", True), ("False", False)] if kinds == [bool] else _choices(kinds[0]) if len(kinds) == 1 else None
        )
        return None if inner is None else [("none", None), *inner]
    return None


def _text(value: str, *, lines: bool, told: str) -> Any:
    if lines:
        rows = min(max(value.count("\n") + 1, 3), _LINES)
        return widgets.Textarea(value=value, rows=rows, placeholder=told)
    return widgets.Text(value=value, placeholder=told)


def _bare(hint: Any) -> Any:
    return _bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def _takes_none(hint: Any) -> bool:
    bare = _bare(hint)
    return get_origin(bare) in (Union, UnionType) and NoneType in get_args(bare)


def _fits(adapter: TypeAdapter[Any], start: Any) -> bool:
    if start is MISSING or start is None:  # a default of None is common where the type does not say so
        return True
    try:
        adapter.validate_python(start, strict=True)
        adapter.dump_json(start, warnings="error")
    except (ValidationError, PydanticSerializationError):
        return False
    return True


def _json(adapter: TypeAdapter[Any], start: Any) -> str:
    return adapter.dump_json(start, indent=2).decode()


def _string(adapter: TypeAdapter[Any], start: Any) -> str:
    return str(adapter.dump_python(start, mode="json"))


def _checked(adapter: TypeAdapter[Any]) -> Callable[[Any], Any]:
    return _judged(adapter.validate_python)


def _judged(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the parser with its faults told in one line, each by its place."""

    def judged(shown: Any) -> Any:
        try:
            return parse(shown)
        except ValidationError as error:
            raise ValueError("; ".join(": ".join(filter(None, fault)) for fault in faults_of(error))) from None

    return judged


# -- the form ----------------------------------------------------------------------------------------------------------

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
