"""Write values as JSON data, in the forms that the package documents.

Invariant: the output is finite, has only what `json.dumps` writes exactly, and is the same for the same value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import Any

from nbflow.errors import words
from nbflow.json_values.forms import PLAIN, digits, form_of_container, name_of, scalar
from nbflow.json_values.frames import LIBRARIES, form_of_array, form_of_table
from nbflow.secrets import MASK, are_known, covers, is_secret, mask
from nbflow.state import Unstored


class Room:
    """The maximum size (bytes) of the JSON of several values together; `short` is true once it did not suffice."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.short = False

    def take(self, size: int) -> bool:
        """Reserve bytes, and return True if they were available."""
        self.left -= size
        if self.left < 0:
            self.left, self.short = 0, True
        return not self.short

    def take_for(self, data: Any, least: int) -> bool:
        """Reserve the size of a text, or a list without containers, as JSON; it has at least `least` bytes."""
        if least > self.left:  # so that a large value is not encoded only to be measured
            return self.take(least)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        return self.take(len(text) if text.isascii() else len(text.encode("utf-8", "replace")))


@dataclass(frozen=True, slots=True)
class Bounds:
    """The sizes beyond which values are truncated; None means no bound.

    `cells` bounds a frame, series or array, of which a truncated one shows `rows` rows and `columns` columns. `size`
    bounds bytes, `letters` a text. `parts` bounds how many values a value contains, at every depth together, `room` how
    large the JSON is of all values that are written with these bounds.
    """

    cells: int | None = 10_000
    rows: int = 20
    columns: int = 100
    size: int | None = 1_000_000
    letters: int | None = None
    parts: int | None = None
    room: Room | None = None

    @property
    def is_short(self) -> bool:
        """True if the room did not suffice, so no more values may be written."""
        return self.room is not None and self.room.short


WHOLE = Bounds()
"""Truncates frames, arrays and bytes that are large, and nothing else."""
UNBOUNDED = Bounds(cells=None, size=None)

TYPES = frozenset({
    "attrs", "bytes", "class", "complex", "cycle", "dataclass", "date", "datetime", "decimal", "dict", "enum",
    "exception", "float", "fraction", "frame", "frozenset", "function", "instance", "int", "list", "missing", "model",
    "namedtuple", "namespace", "ndarray", "path", "range", "sequence", "series", "set", "str", "time", "timedelta",
    "unstored", "uuid",
})  # fmt: skip
"""The names of the forms. A dict with one of these as its `type` is written as pairs, so that it is taken for none."""

EXACT = 2**53 - 1
"""The largest integer that every reader of JSON reads exactly (RFC 7493, section 2.2)."""
DEEPEST = 200
_LEAST, FORM = 2, 60  # bytes that any value takes with its comma, and about those of the fields of any form
_PREVIEW = 1_000  # characters of a text for which there is no room
_LONGEST = 10_000  # characters of the text of an instance

Form = dict[str, Any]
Step = tuple[str, Any]
"""A part of a Python expression: a `%` format, and what it is filled with."""


def plain(value: Any, whole: str | None = None, bounds: Bounds = WHOLE) -> Any:
    """Return a value as JSON data; `whole` is a Python expression for it, used if it is truncated."""
    return Writer(bounds, whole).value(value)


def object_data(values: Mapping[str, Any], whole: str | None = None, bounds: Bounds = WHOLE) -> dict[str, Any]:
    """Return values by key, such as a state, as an object; all share the room, each has the other bounds.

    Keys after the end of the room are left out.
    """
    written = {}
    for key, value in values.items():
        if bounds.room is not None and not bounds.room.take_for(key, len(key)):
            break
        where = None if whole is None else f"{whole}[{key!r}]"
        written[key] = MASK if covers(key, value) else plain(value, where, bounds)
    return written


def own_data(data: Any) -> Any:
    """Return data of nbflow itself, such as an error or a JSON schema, whose objects are never mistaken for forms."""
    return Writer(WHOLE, None, own=True).value(data)


class Writer:
    """Writes one value. `whole` is a Python expression for it; `own` is true for data of nbflow itself."""

    def __init__(self, bounds: Bounds, whole: str | None, *, own: bool = False) -> None:
        self.bounds, self._whole, self._own = bounds, whole, own
        self._path: list[Step | None] = []
        self._around: list[int] = []
        self._left, self._room = bounds.parts, bounds.room

    def value(self, value: Any) -> Any:
        """Return a value as JSON data."""
        if self._room is not None and not self._room.take(_LEAST):
            return self._cut(value)
        if value is None or value is True or value is False:
            return value
        depth = len(self._path)
        try:
            if (write := PLAIN.get(type(value))) is not None:
                return self._contained(value, write)
            written = self._simple(value)
            return self._other(value) if written is None else written
        except RecursionError:  # the caller's stack is nearly used up
            del self._path[depth:]
            return self.truncated({"type": "instance", "class": class_name(type(value))}, [], None)
        except Exception as error:  # noqa: BLE001 - code of a value may raise anything; only this value is lost
            return self._broken(value, error)

    def _simple(self, value: Any) -> Any:
        """Return the form of a value that is a text, a number or a secret."""
        if is_secret(value):
            return MASK
        if isinstance(value, Enum):
            return self.fields("enum", value, {"name": value.name, "value": value.value}, flat=True)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return int(value) if -EXACT <= value <= EXACT else {"type": "int", "value": digits(value)}
        if isinstance(value, float):
            number = float(value)
            return number if isfinite(number) else {"type": "float", "value": name_of(number)}
        return {"type": "unstored", "reason": mask(value.why)} if type(value) is Unstored else None

    def _other(self, value: Any) -> Any:
        for form_of in (scalar, form_of_table):
            written = form_of(value, self)
            if written is not None:
                return written
        write = form_of_array(value) or form_of_container(value)
        return self.instance(value) if write is None else self._contained(value, write)

    def _contained(self, value: Any, write: Callable[[Any, Writer], Any]) -> Any:
        if id(value) in self._around:
            return {"type": "cycle", "levels": len(self._around) - self._around.index(id(value))}
        if len(self._around) >= DEEPEST:
            return self.truncated({"type": "instance", "class": class_name(type(value))}, [], None)
        return self._inside(value, write)

    def _inside(self, value: Any, write: Callable[[Any, Writer], Any]) -> Any:
        self._around.append(id(value))
        try:
            return write(value, self)
        finally:
            self._around.pop()

    def _text(self, value: str) -> Any:
        # Not by methods of the class, which a subclass may override.
        text, most = mask(str.__str__(value)), self.bounds.letters
        if self._room is not None and not self._room.take_for(text, len(text)):
            most = _PREVIEW if most is None else min(most, _PREVIEW)
        if most is None or len(text) <= most:
            return text
        return self.truncated({"type": "str"}, [len(text)], text[:most])

    def _cut(self, value: Any) -> Form:
        """Return the form of a value for which there is no room."""
        kind = next((each for each in (str, list, dict) if isinstance(value, each)), None)
        if kind is None:
            return self.truncated({"type": "instance", "class": class_name(type(value))}, [], None)
        return self.truncated({"type": kind.__name__}, [len(value)], kind())

    # what contains values

    def items(self, values: Iterable[Any], *, indexed: bool) -> list[Any]:
        """Return values in order, as many as the bounds allow; `indexed` says that an index returns each of them."""
        if type(values) is list and self._is_plain(values) and self._fits(values):
            return [*values]
        written = []
        for index, value in enumerate(values):
            if self._spent():
                break
            self._path.append(("[%d]", index) if indexed else None)
            written.append(self.value(value))
            self._path.pop()
        return written

    def _is_plain(self, values: list[Any]) -> bool:
        """Return whether a list is the same in JSON; this tests all items at once."""
        if self._left is not None:
            return False
        kinds = set(map(type, values))
        if kinds <= {int}:
            return not values or (min(values) >= -EXACT and max(values) <= EXACT)
        if kinds == {float}:
            return all(map(isfinite, values))
        return kinds <= {str, bool, type(None)} and not are_known() and self.bounds.letters is None

    def _fits(self, values: list[Any]) -> bool:
        """Return whether there is room for a whole list that is the same in JSON, and reserve the room."""
        if self._room is None:
            return True
        least = sum(len(value) + _LEAST if type(value) is str else _LEAST for value in values)
        return least <= self._room.left and self._room.take_for(values, least)

    def has_room(self, size: int) -> bool:
        """Reserve room for some bytes; return whether it was available."""
        return self._room is None or self._room.take(size)

    def _spent(self) -> bool:
        """Count one more part; return True if it exceeds the bounds."""
        if self._room is not None and self._room.short:
            return True
        if self._left is None:
            return False
        self._left -= 1
        return self._left < 0

    def mapping(self, value: Mapping[Any, Any]) -> Any:
        """Return a dict: an object if all keys are texts and it does not look like a form, else pairs."""
        pairs: list[tuple[Any, Any]] = []
        for key, part in value.items():
            written = mask(key) if type(key) is str else self.at(None, key)
            if self._spent() or not self.has_room(len(written) + 4 if type(key) is str else _LEAST):
                return self.truncated({"type": "dict"}, [len(value)], [*map(list, pairs)])
            pairs.append((written, self.part(key, part, ("[%r]", key) if type(key) in (str, int, bool) else None)))
        if all(isinstance(key, str) and not isinstance(key, Enum) for key in value):
            named = dict(pairs)
            if len(named) == len(pairs) and (self._own or not is_form(named)):
                return named
        return {"type": "dict", "items": [*map(list, pairs)]}

    def fields(self, type_: str, value: Any, fields: Mapping[str, Any], *, flat: bool = False) -> Form:
        """Return the form of a value that has attributes; `flat` puts them beside the `type`."""
        self.has_room(FORM + sum(len(name) + 4 for name in fields))
        parts = {name: self.part(name, part, (".%s", name)) for name, part in fields.items()}
        return {"type": type_, "class": class_name(type(value)), **(parts if flat else {"fields": parts})}

    def part(self, key: Any, value: Any, step: Step | None) -> Any:
        """Return the value of a key or field; `***` if the name is that of a secret."""
        if covers(key, value):
            return MASK
        self._path.append(step)
        written = self.value(value)
        self._path.pop()
        return written

    def at(self, step: Step | None, value: Any) -> Any:
        """Return a value inside another; `step` extends the expression for it, None if there is none."""
        self._path.append(step)
        written = self.value(value)
        self._path.pop()
        return written

    # truncated values

    def truncated(self, form: Form, shape: Sequence[int], preview: Any) -> Form:
        """Return the form of a value beyond a bound."""
        whole = self._whole
        if whole is not None:
            for step in self._path:
                if step is None:  # there is no expression for the inner value, so use that of the outer one
                    break
                whole += step[0] % (step[1],)
        told = None if whole is None else mask(whole)
        return {**form, "shape": [*shape], "preview": preview, "truncated": True, "whole": told}

    def instance(self, value: Any) -> Form:
        """Return the form of an object that JSON cannot carry."""
        text, form = mask(str(value)), {"type": "instance", "class": class_name(type(value))}
        if len(text) <= _LONGEST and self.has_room(len(text)):
            return {**form, "text": text}
        return self.truncated(form, [len(text)], text[: _PREVIEW if self.bounds.is_short else _LONGEST])

    def _broken(self, value: Any, error: Exception) -> Form:
        form: Form = {"type": "instance", "class": class_name(type(value))}
        try:
            return {**form, "text": mask(str(value))[:_LONGEST]}
        except Exception:  # noqa: BLE001 - as above
            return {**form, "text": None, "error": mask(f"{type(error).__name__}: {words(error)}")}


def is_form(data: Mapping[str, Any]) -> bool:
    """Return whether an object looks like the form of a value."""
    name = data.get("type")
    return isinstance(name, str) and name in TYPES


def class_name(cls: type) -> str:
    """Return the qualified name of a class; for a class of a library, the name by which users import it."""
    module = str(cls.__module__)
    public = module.partition(".")[0]
    return f"{public if public in LIBRARIES else module}.{cls.__qualname__}"
