"""The form that starts a run: `%flow_run NAME --form`.

Invariant: the live view and the picture of a run that a click starts appear beneath the cell of the form, whichever
cell ran last, and so does the text that its expressions print. Clicks are handled on the loop of the kernel.
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
from nbflow.notebook.cell_output import RunOutput, Slot, show, widget_bundle
from nbflow.notebook.cells import Cells
from nbflow.notebook.live_view import free
from nbflow.notebook.waiting import ended
from nbflow.state import MISSING

# The fields: one widget for each key that the graph needs, chosen by the type of the key.
#
# Pydantic validates the values, as it does for answers to questions. A type for which there is no widget gets a field
# for a Python expression.
#
# Invariant: names and help texts are shown unchanged, never as markup.

_PLAIN = (bool, int, float, str)
# Characters that a page may read as TeX, even inside of HTML elements, and the special characters of HTML.
_TEX, _HTML = set("$\\"), set("&<>`")
_NAMES, _WIDTH, _LINE, _LINES = "11em", "30em", 60, 12

Evaluate = Callable[[str], Awaitable[Any]]


class Note:
    """A line of plain text beside a widget. A `Label` is not used, since it typesets TeX."""

    def __init__(self) -> None:
        self.widget = widgets.HTML()
        self.widget.add_class("nbflow-note")

    def say(self, text: str, *, error: bool = False) -> None:
        """Show a text, as an error in the colour of errors."""
        self.widget.value = escape(text, quote=False)
        self.widget.style.text_color = "var(--jp-error-color1, #d32f2f)" if error else None


def _name(widget: Any, name: str, mark: str) -> None:
    """Label a widget with a name. The page typesets TeX in a label, except inside of a `<code>` element."""
    if not _TEX & set(name):
        widget.description = name + mark
        return
    shown = "".join(f"&#{ord(sign)};" if sign in _TEX | _HTML else sign for sign in name)
    widget.description_allow_html = True
    widget.description = f"<code>{shown}</code>{mark}"


class Field:
    """The field of one key: a widget, and beside it the key's help or an error. `row` contains both.

    Args:
        need: The key.
        widget: The widget in which a person enters the value.
        parse: Converts the content of the widget to the value, or raises ValueError.
        start: The initial value; MISSING for none.
        given: True if the initial value was given for this run; False if it is the default.
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
        """Return the value; MISSING if the key is left out, so that the tools use their default.

        Raises:
            ValueError: The field is empty although a value is needed, or its content does not fit the type.
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
        """Convert the content of the widget to the value."""
        return self._parse(shown)

    def say(self, error: str) -> None:
        """Show an error beside the field; with an empty text, show the help."""
        self._note.say(error or self.need.help, error=bool(error))


class Expression(Field):
    """A field for a Python expression, which is evaluated in the namespace of the notebook."""

    def __init__(self, need: Need, text: str, evaluate: Evaluate, **start: Any) -> None:
        box = widgets.Text(value=text, placeholder="an expression of Python", continuous_update=True)
        super().__init__(need, box, str, **start)
        self._evaluate = evaluate

    async def parsed(self, shown: Any) -> Any:
        """Evaluate the expression and return its value."""
        try:
            return await self._evaluate(shown.strip())
        except Exception as error:  # noqa: BLE001 - code of the user; the field shows the error
            raise ValueError(f"{type(error).__name__}: {error}") from None


@dataclass(frozen=True)
class Given:
    """A value that was given for a key, and the text of its expression; empty if that is not known."""

    value: Any
    source: str = ""


def field_of(need: Need, given: Given | None, evaluate: Evaluate) -> Field:
    """Return the field of a key. Its initial value is the given one, else the default."""
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
    parse, write = adapter.validate_json, _json
    # An integer too: a number box would silently round it to a float of JavaScript.
    if len(kinds) == 1 and kinds[0] in ("string", "integer", "number"):
        parse, write = adapter.validate_strings, _string
    text = "" if start is MISSING or start is None else write(adapter, start)
    placeholder = "JSON" if write is _json else "text" if kinds[0] == "string" else "a number"
    return Field(need, _text(text, lines=write is _json, placeholder=placeholder), _with_faults(parse), **settings)


def _known(hint: Any) -> tuple[TypeAdapter[Any] | None, dict[str, Any]]:
    """Return the validator of a type and its JSON schema; no validator if values of the type cannot be JSON."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        schema = adapter.json_schema()
    except (PydanticUserError, TypeError, NameError):
        return None, {}
    return (adapter if schema else None), schema


def _plain(bare: Any, hint: Any, start: Any) -> Any:
    """Return a widget whose value is of the type; None for a type that is entered as text."""
    none = start is MISSING or start is None
    if (choices := _choices(hint)) is not None:
        return widgets.Dropdown(options=choices, value=None if none else start)
    value = {} if none else {"value": start}
    if bare is bool:
        return widgets.Checkbox(indent=True, **value)
    if bare is float and start is not MISSING:  # a number box is never empty, so a required number is entered as text
        return widgets.FloatText(**value)
    if bare is str:
        text = "" if none else start
        return _text(text, lines=start is MISSING or "\n" in text or len(text) > _LINE, placeholder="")
    return None


def _choices(hint: Any) -> list[tuple[str, Any]] | None:
    """Return the (name, value) pairs of a Literal, an enum or an optional bool; None for any other type."""
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


def _text(value: str, *, lines: bool, placeholder: str) -> Any:
    if lines:
        rows = min(max(value.count("\n") + 1, 3), _LINES)
        return widgets.Textarea(value=value, rows=rows, placeholder=placeholder)
    return widgets.Text(value=value, placeholder=placeholder)


def _bare(hint: Any) -> Any:
    return _bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def _takes_none(hint: Any) -> bool:
    bare = _bare(hint)
    return get_origin(bare) in (Union, UnionType) and NoneType in get_args(bare)


def _fits(adapter: TypeAdapter[Any], start: Any) -> bool:
    if start is MISSING or start is None:  # a default of None is common, also if the type does not allow it
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
    return _with_faults(adapter.validate_python)


def _with_faults(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a parser: its validation errors become one line that names the path of each."""

    def parsed(shown: Any) -> Any:
        try:
            return parse(shown)
        except ValidationError as error:
            raise ValueError("; ".join(": ".join(filter(None, fault)) for fault in faults_of(error))) from None

    return parsed


# -- the form ----------------------------------------------------------------------------------------------------------

# The style of static pictures hides dead widgets; it must not hide a form whose live view is not drawn yet.
_STYLE = (
    "<style>.jp-OutputArea-child:has(.nbflow-form){display:flex!important}"
    ".nbflow-form .nbflow-note{white-space:normal;height:auto;line-height:1.5}"
    ".nbflow-form .widget-label code{font:inherit;color:inherit;background:none;padding:0}</style>"
)

Start = Callable[[dict[str, Any], Slot], Awaitable[tuple[Run, RunOutput]]]


class Form:
    """A form beneath a cell. `run` is the run that it started last; None before the first.

    Args:
        graph: The name of the graph.
        needs: The keys that the initial state needs.
        given: Values from the line of the magic. Those of other keys go into the state without a field.
        evaluate: Evaluates a Python expression.
        start: Starts a run with a state, with its outputs in a slot.
        home: The loop of the kernel.
        cells: The cells of the shell.
    """

    def __init__(
        self, graph: str, needs: list[Need], given: Mapping[str, Given], *,
        evaluate: Evaluate, start: Start, home: asyncio.AbstractEventLoop, cells: Cells,
    ) -> None:  # fmt: skip
        self.run: Run | None = None
        self._graph, self._start, self._home = graph, start, home
        self._cells, self._shown_in = cells, 0
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
        self._running: asyncio.Task[None] | None = None
        self._output: RunOutput | None = None
        self._slot: Slot | None = None
        self._context: Context | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"Form({self._graph!r})" if self.run is None else f"Form({self._graph!r}, run={self.run!r})"

    def _ipython_display_(self) -> None:
        """Show the same form in the running cell, unless that cell shows it already."""
        if self._closed:
            show({"text/plain": f"{self!r}, which is closed: its cell has run again"})
        elif self._shown_in != self._cells.number:
            self._shown_in = self._cells.number
            show(widget_bundle(self._box))

    def show(self) -> None:
        """Show the form beneath the running cell, with a slot below it for the outputs of its runs."""
        self._context, self._shown_in = copy_context(), self._cells.number
        show(widget_bundle(self._box))
        self._slot = Slot(self._put, show({"text/plain": ""}, display_id=True))

    def close(self) -> None:
        """Remove the form from the page; if its run has not ended, when it has."""
        self._closed = True
        if self._running is None or self._running.done():
            self._free()

    def _free(self) -> None:
        if self._output is not None:
            self._output.close()
        free(self._box)

    def _put(self, view: Any) -> None:
        self._view.children = [view]

    def _clicked(self, _button: Any) -> None:
        # In the context of the cell: the message of a click belongs to no cell, and text printed there is lost.
        self._home.call_soon_threadsafe(self._go, context=self._context)

    def _go(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        """Start a run if all fields are valid, and wait until it ends; the button is disabled meanwhile."""
        self._button.disabled = True
        self._note.say("")
        try:
            state = await self._state()
            if state is None or self._slot is None:
                return
            if self._output is not None:
                self._output.close()
            self.run, self._output = await self._start(state, self._slot)
            self._output.follow(self.run)
            await ended(self.run)
        except Exception as error:  # noqa: BLE001 - nothing awaits this task; the form shows the error
            self._note.say(f"{type(error).__name__}: {error}")
        finally:
            self._button.disabled = False
            if self._closed:
                self._free()

    async def _state(self) -> dict[str, Any] | None:
        """Return the initial state; None if a field is invalid, which then shows its error."""
        state, valid = dict(self._more), True
        for field in self._fields:
            try:
                value = await field.value()
            except ValueError as error:
                field.say(str(error))
                valid = False
                continue
            field.say("")
            if value is not MISSING:
                state[field.need.name] = value
        return state if valid else None
