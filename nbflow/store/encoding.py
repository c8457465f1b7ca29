"""Events as rows of the log, and rows as events.

Rule: a row keeps what cannot be derived again: outputs, words, times and ways taken, and of inputs only their names.
What replay derives (`nbflow.engine.replay`) is left out here and put back there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quote
from typing import Any

from nbflow.engine.replay import Given
from nbflow.errors import StoreError
from nbflow.events import ENDINGS, Event, Kind
from nbflow.store.rows import Blob, LogRow
from nbflow.store.values import Codecs

# Looking a member up on its enum takes as long as making a row of it.
NODE_START, NODE_COMPLETE, EDGE_TAKEN = Kind.NODE_START, Kind.NODE_COMPLETE, Kind.EDGE_TAKEN
_PACKED = {
    Kind.NODE_START: "defaults",
    Kind.NODE_COMPLETE: "output",
    Kind.NODE_SKIPPED: "output",
    Kind.EDGE_TAKEN: "values",
    Kind.EDGE_UNTAKEN: "values",
    Kind.EXECUTION_RESUMED: "edited",
}
"""The one field of an event that holds values of the user; it stands last in the row's text."""
_DERIVED = {Kind.NODE_START: "input", Kind.EXECUTION_START: "input"} | dict.fromkeys(ENDINGS, "result")
_read = json.JSONDecoder().raw_decode
"""Reads one JSON text: a resume reads tens of thousands, and `loads` looks for white space and encodings in each."""
_dump = json.JSONEncoder(separators=(",", ":")).encode


Defaults = tuple[tuple[str, Any], ...]


class Encoder:
    """Makes rows of events.

    Args:
        codecs: How values become text.
        defaults: The defaults of a tool's parameters, by name and version; none for a version that is not known.
    """

    def __init__(self, codecs: Codecs, defaults: Callable[[str, int], Mapping[str, Any]]) -> None:
        self.blobs: list[Blob] = []
        self.unstored: list[tuple[int, str | None, str, str]] = []
        """What could not be kept: seq, node, key and why."""
        self._codecs, self._defaults = codecs, defaults
        self._starts: dict[tuple[Any, ...], tuple[str, Defaults]] = {}

    def take(self) -> tuple[tuple[Blob, ...], list[tuple[int, str | None, str, str]]]:
        """Return the blobs of the rows made since the last time, and what of them could not be kept."""
        taken = tuple(self.blobs), self.unstored
        self.blobs, self.unstored = [], []
        return taken

    def row(self, event: Event) -> LogRow:
        """Return an event's row; its values are added to `blobs`."""
        kind, data = event.kind, event.data
        # These three come at every node, so they are put together without a detour.
        if kind is EDGE_TAKEN and data["values"] is None:
            text = self._edge(event)
        elif kind is NODE_START and "tool" in data:
            text = self._start(event)
        elif kind is NODE_COMPLETE and "derived" not in data:
            text = self._complete(event)
        else:
            text = self._any(event)
        return LogRow(event.seq, kind._value_, event.time, event.node, None if text == "{}" else text)

    def _edge(self, event: Event) -> str:
        data = event.data
        if data["condition"] is None and data["type"] == "normal" and data["from"] == event.node:
            return f'{{"to":{quote(data["to"])}}}'
        return _dump(_short_edge(event, {key: value for key, value in data.items() if key != "values"}))

    def _start(self, event: Event) -> str:
        data, given = event.data, event.data["input"]
        same = (data["tool"], data["version"], data["source"], *given)
        known = self._starts.get(same)
        if known is None:
            about = {"tool": data["tool"], "version": data["version"], "source": data["source"], "given": list(given)}
            defaults = self._defaults(data["tool"], data["version"])
            known = _dump(about)[1:-1], tuple((name, value) for name, value in defaults.items() if name in given)
            self._starts[same] = known
        about_tool, defaults_given = known
        # What is left at its default is known by nothing but the tool, which may be another one by then.
        kept = {name: value for name, value in defaults_given if given[name] is value}
        tail = f',"defaults":{self._packed(event, kept)}' if kept else ""
        return f"{{{_place(data)},{about_tool}{tail}}}"

    def _complete(self, event: Event) -> str:
        data, output = event.data, event.data["output"]
        cached = "true" if data["cached"] else "false"
        head = f'{{{_place(data)},"duration_ms":{data["duration_ms"]!r},"cached":{cached}'
        return head + "}" if output is None else f'{head},"output":{self._packed(event, output)}}}'

    def _any(self, event: Event) -> str:
        kind = event.kind
        data = {key: value for key, value in event.data.items() if key != _DERIVED.get(kind)}
        name = _PACKED.get(kind)
        values = data.pop(name, None) if name else None
        if name == "values":
            data = _short_edge(event, data)
        if values is None or data.get("derived"):
            return _dump(data)
        return f'{_dump(data)[:-1]}{"," if data else ""}"{name}":{self._packed(event, values)}}}'

    def _packed(self, event: Event, values: Any) -> str:
        if "item" in event.data and event.kind in (Kind.NODE_COMPLETE, Kind.NODE_SKIPPED):
            values = {"": values}
        text, blobs, reasons = self._codecs.pack_state(values)
        self.blobs += blobs
        self.unstored += [(event.seq, event.node, key, why) for key, why in reasons.items()]
        return text


def _place(data: Mapping[str, Any]) -> str:
    """Return the fields that tell an attempt from all others."""
    text = f'"firing":{data["firing"]},"attempt":{data["attempt"]}'
    if "scope" in data:
        text += f',"scope":{quote(data["scope"])}'
    return f'{text},"item":{data["item"]}' if "item" in data else text


def _short_edge(event: Event, data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what most edges have in common."""
    usual = {"from": event.node, "type": "normal", "condition": None}
    return {key: value for key, value in data.items() if key not in usual or usual[key] != value}


@dataclass(slots=True)
class Decoder:
    """Makes events of rows; `notes` gathers what did not come back as it was."""

    codecs: Codecs
    blobs: Callable[[str], Blob]
    notes: list[str] = field(default_factory=list)

    def event(self, row: LogRow) -> Event:
        """Return a row's event, without what replay puts back.

        Raises:
            StoreError: It is no row that nbflow wrote; the error names it.
        """
        try:
            kind = Kind(row.kind)
            data, packed = split(kind, row.data)
            values = None if packed in (None, "null") else self._unpacked(packed or "")
            return Event(kind, row.seq, row.time, row.node, _whole(kind, row, data, values))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(
                f"row {row.seq} of the log ({row.kind[:40]}) is not as nbflow writes it: {error}; it was changed by "
                "hand or is damaged"
            ) from error

    def _unpacked(self, text: str) -> dict[str, Any]:
        return self.codecs.unpack_state(text, self.blobs, self.notes)


def split(kind: Kind, text: str | None) -> tuple[dict[str, Any], str | None]:
    """Return a row's plain fields, and the text of the one that holds values."""
    name = _PACKED.get(kind)
    if text is None:
        return {}, None
    # Within a JSON text quotes are escaped, so these signs stand nowhere else before it.
    mark = f'"{name}":'
    head, found, tail = text.partition(f",{mark}")
    if not found and text.startswith("{" + mark):
        head, found, tail = "{", mark, text[len(mark) + 1 :]
    if name is None or not found:
        return _object(text), None
    return _object(head + "}"), tail[:-1]


def _object(text: str) -> dict[str, Any]:
    data, end = _read(text)
    if type(data) is not dict or end != len(text):
        raise ValueError(f"a JSON object was expected, and nothing behind it, not {text[:40]!r}")
    return data


def _whole(kind: Kind, row: LogRow, data: dict[str, Any], values: Any) -> dict[str, Any]:
    if kind in (Kind.NODE_COMPLETE, Kind.NODE_SKIPPED) and not data.get("derived"):
        return data | {"output": values[""] if "item" in data and values is not None else values}
    if kind is Kind.NODE_START and "given" in data:
        names = data.pop("given")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("the names of the arguments are no list of texts")
        return data | {"input": Given(tuple(names), values or {})}
    if kind in (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN):
        usual = {"from": row.node, "to": None, "type": "normal", "condition": None}
        return usual | data | {"values": values}
    if kind is Kind.EXECUTION_RESUMED and values is not None:
        return data | {"edited": values}
    return data


def texts_of(rows: Iterable[LogRow]) -> Iterable[str]:
    """Return the texts of values in rows, which may name blobs."""
    for row in rows:
        if row.data is not None and '"$"' in row.data:
            packed = split(Kind(row.kind), row.data)[1]
            if packed is not None:
                yield packed
