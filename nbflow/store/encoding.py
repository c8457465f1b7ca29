"""Encode events as rows of the log, and decode rows as events.

A row has the data that cannot be derived: outputs, texts, times, the edges taken, and the names of inputs. A replay
(`nbflow.engine.replay`) restores the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quote
from typing import Any

from nbflow.engine.ownership import without
from nbflow.engine.replay import Given
from nbflow.engine.result import count_completed
from nbflow.errors import StoreError
from nbflow.event_log import CompletionRecord, EdgeTakenRecord, EventLog, StartRecord, milliseconds
from nbflow.events import ENDINGS, Event, Kind
from nbflow.functions.arguments import STATE
from nbflow.scheduler import EdgeTaken, EdgeUntaken, Task
from nbflow.secrets import Supply, contains, mask
from nbflow.store.codecs import Codecs
from nbflow.store.codecs.json_text import TAG
from nbflow.store.rows import Blob, LogRow, ToolRow
from nbflow.tools import ToolSpec
from nbflow.values import expanded

_PACKED = {
    Kind.NODE_START: "defaults",
    Kind.NODE_COMPLETE: "output",
    Kind.NODE_SKIPPED: "output",
    Kind.EDGE_TAKEN: "values",
    Kind.EDGE_UNTAKEN: "values",
    Kind.EXECUTION_RESUMED: "edited",
}
"""The field of an event that holds the user's values; it comes last in the row's text."""
_READ_AGAIN = (Kind.NODE_COMPLETE, Kind.NODE_SKIPPED, Kind.EXECUTION_RESUMED)
"""The kinds of events whose values a resumed run uses."""
_DERIVED = {Kind.NODE_START: "input", Kind.EXECUTION_START: "input"} | dict.fromkeys(ENDINGS, "result")
_KINDS = {kind.value: kind for kind in Kind}
PLAIN = 1000
"""The most characters of a row that is decoded in one step, if its values are plain JSON."""
_read = json.JSONDecoder().raw_decode
"""Decode one JSON text: a resume reads tens of thousands, and `loads` checks each for white space and encodings."""
_dump = json.JSONEncoder(separators=(",", ":")).encode


Defaults = tuple[tuple[str, Any], ...]
Lack = tuple[int, str | None, str, str]
"""A value that could not be stored: the event's number, the node, the key, and the reason."""


class Encoder:
    """Creates rows from the records of a run's event log, and gathers the blobs and tools that the rows need.

    Args:
        codecs: The codecs of the run's values.
        sized: Called with a node and the sizes (bytes) of its values by key, where they are stored as blobs.
    """

    def __init__(self, codecs: Codecs, sized: Callable[[str | None, Mapping[str, int]], None] | None = None) -> None:
        self.blobs: list[Blob] = []
        self._sized = sized
        self._tools: list[ToolRow] = []
        self._unstored: list[Lack] = []
        self._codecs = codecs
        self._starts: dict[tuple[Any, ...], tuple[str, Defaults]] = {}
        self._told: set[tuple[str, int]] = set()
        self._given: set[str] = set()

    def add(self, blobs: Iterable[Blob]) -> None:
        """Collect blobs; skip those that were collected for this run before, because the store gets them already."""
        for blob in blobs:
            if blob.hash not in self._given:
                self._given.add(blob.hash)
                self.blobs.append(blob)

    def take(self) -> tuple[tuple[Blob, ...], tuple[ToolRow, ...], list[Lack]]:
        """Return and clear the collected blobs, the new tools, and the values that could not be stored."""
        taken = tuple(self.blobs), tuple(self._tools), self._unstored
        self.blobs, self._tools, self._unstored = [], [], []
        return taken

    def rows(self, log: EventLog, first: int, upto: int) -> tuple[list[LogRow], list[Event], int]:
        """Return the rows of the records from `first` on, their rarer events, and the number of completed nodes.

        The three events that come at every node are put together from the records of the log, as to make them first
        takes longer than all else here.
        """
        rows: list[LogRow] = []
        others: list[Event] = []
        nodes, epoch = 0, log.epoch
        node: str | None
        text: str | None
        for at, record in enumerate(log.records(first, upto), first):
            if isinstance(record, StartRecord) and record.spec is not None:
                node, text = self._start(at + 1, record, record.spec)
            elif isinstance(record, EdgeTakenRecord) and _is_usual(record.command):
                edge = record.command.edge.definition
                node, text = edge.from_node, f'{{"to":{quote(edge.to_node)}}}'
            elif isinstance(record, CompletionRecord) and not record.derived:
                node, text = self._complete(at + 1, record)
                nodes += record.task.item is None
            else:
                others.append(log[at])
                node, text = others[-1].node, self._any(others[-1])
            rows.append(LogRow(at + 1, record.kind._value_, epoch + record.time, node, text))
        return rows, others, nodes + count_completed(others)

    def _start(self, seq: int, record: StartRecord, spec: ToolSpec) -> tuple[str, str]:
        task, attempt = record.task, record.attempt
        name, given = task.name, expanded(record.input)
        same = (spec.name, spec.version, *given)
        known = self._starts.get(same) or self._starts.setdefault(same, self._about(spec, given))
        about_tool, defaults_given = known
        # Defaults are stored, because they come from the tool alone, which may have changed by the time of a resume.
        kept = {key: value for key, value in defaults_given if given[key] is value}
        tail = f',"defaults":{self._packed(seq, name, kept)}' if kept else ""
        if task.item is not None and task.node.definition.as_ is None:
            tail = f',"as":{quote(spec.first_param() or "")}{tail}'  # a changed tool may name it otherwise
        return name, f"{{{_place(task, attempt)},{about_tool}{tail}}}"

    def _about(self, spec: ToolSpec, given: Mapping[str, Any]) -> tuple[str, Defaults]:
        """Return the fields that all starts with these arguments share, as JSON, and the defaults of the arguments."""
        if (spec.name, spec.version) not in self._told:
            self._told.add((spec.name, spec.version))
            self._tools.append(ToolRow(spec.name, spec.version, spec.source_hash, spec.source and mask(spec.source)))
        about = {"tool": spec.name, "version": spec.version, "source": spec.source_hash, "given": list(given)}
        if STATE in given and not spec.takes_state:
            about["whole"] = False  # `state` is a key like any other; in rows without this field it is the whole state
        defaults = tuple((p.name, p.default) for p in spec.params if p.name in given and not p.required)
        return _dump(about)[1:-1], defaults

    def _complete(self, seq: int, record: CompletionRecord) -> tuple[str, str]:
        task, unchanged = record.task, record.unchanged
        name, output = task.name, expanded(record.output)
        took = milliseconds(record.time - record.started)
        head = f'{{{_place(task, record.attempt)},"duration_ms":{took!r},"cached":{str(record.cached).lower()}'
        if output is None:
            return name, head + "}"
        if unchanged:
            head, output = f'{head},"unchanged":{_dump(list(unchanged))}', without(output, unchanged)
        return name, f'{head},"output":{self._packed(seq, name, output if task.item is None else {"": output})}}}'

    def _any(self, event: Event) -> str | None:
        kind = event.kind
        data = {key: value for key, value in event.data.items() if key != _DERIVED.get(kind)}
        name = _PACKED.get(kind)
        values = data.pop(name, None) if name else None
        if name == "values":
            data = _short_edge(event, data)
        if kind is Kind.NODE_ANSWERED and contains(data.get("answer")):
            del data["answer"]  # a resumed run asks a question without an answer again
        if values is None or data.get("derived"):
            return mask(_dump(data)) if data else None
        if "item" in data and name == "output":
            values = {"": values}
        text = self._packed(event.seq, event.node, values)
        return f'{mask(_dump(data))[:-1]}{"," if data else ""}"{name}":{text}}}'

    def _packed(self, seq: int, node: str | None, values: Any) -> str:
        sizes: dict[str, int] = {}
        text, blobs, reasons = self._codecs.pack_state(values, sizes=sizes)
        self.add(blobs)
        if sizes and self._sized:
            self._sized(node, sizes)
        self._unstored += [(seq, node, key, why) for key, why in reasons.items()]
        return text


def _is_usual(taken: EdgeTaken | EdgeUntaken) -> bool:
    """Return whether an edge has no field to store: a normal edge of the outermost graph, without a condition."""
    edge = taken.edge.definition
    return taken.values is None and not taken.prefix and edge.type == "normal" and edge.condition is None


def _place(task: Task, attempt: int) -> str:
    """Return the fields that identify an attempt, as JSON."""
    text = f'"firing":{task.firing},"attempt":{attempt}'
    if scope := task.scope:
        text += f',"scope":{quote(scope)}'
    return text if task.item is None else f'{text},"item":{task.item}'


def _short_edge(event: Event, data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of an edge without the fields that most edges have in common."""
    usual = {"from": event.node, "type": "normal", "condition": None}
    return {key: value for key, value in data.items() if key not in usual or usual[key] != value}


@dataclass(slots=True)
class Decoder:
    """Decodes rows as events; `notes` collects values that were restored as something else than they were."""

    codecs: Codecs
    blobs: Callable[[str], Blob]
    notes: list[str] = field(default_factory=list)
    supply: Supply | None = None

    def event(self, row: LogRow) -> Event:
        """Return the event of a row, without the fields that a replay restores.

        Raises:
            StoreError: The row is not in nbflow's format; the error names it.
        """
        try:
            kind = _KINDS[row.kind]
            data, values = self._fields(kind, row.data)
            return Event(kind, row.seq, row.time, row.node, _whole(kind, row, data, values))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(
                f"row {row.seq} of the log ({row.kind[:40]}) is not as nbflow writes it: {error}; it was altered or is "
                "damaged"
            ) from error

    def _fields(self, kind: Kind, text: str | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return a row's plain fields, and its values."""
        if text is None:
            return {}, None
        if len(text) <= PLAIN and TAG not in text:
            # No value has a tag, and the text is too short to be nested deeply.
            data = _object(text)
            values = data.pop(_PACKED.get(kind, ""), None)
            return data, None if values is None else _dict(values)
        data, packed = split(kind, text)
        if packed in (None, "null"):
            return data, None
        # Values that conditions read, and defaults, are only shown, so they need no secrets.
        supply = self.supply if kind in _READ_AGAIN else None
        return data, self.codecs.unpack_state(packed or "", self.blobs, self.notes, supply)


def split(kind: Kind, text: str) -> tuple[dict[str, Any], str | None]:
    """Return the plain fields of a row, and the text of the field with values."""
    name = _PACKED.get(kind)
    # Quotes inside JSON texts are escaped, so this mark cannot occur earlier.
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


def _dict(values: Any) -> dict[str, Any]:
    if type(values) is not dict:
        raise ValueError(f"an object of values by key was expected, not {type(values).__name__}")
    return values


def _whole(kind: Kind, row: LogRow, data: dict[str, Any], values: Any) -> dict[str, Any]:
    if kind in (Kind.NODE_COMPLETE, Kind.NODE_SKIPPED) and not data.get("derived"):
        data["output"] = values[""] if "item" in data and values is not None else values
        return data
    if kind is Kind.NODE_START and "given" in data:
        names = data.pop("given")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("the names of the arguments are no list of texts")
        data["input"] = Given(tuple(names), values or {}, bool(data.pop("whole", True)), data.pop("as", None))
        return data
    if kind in (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN):
        return {"from": row.node, "to": None, "type": "normal", "condition": None, **data, "values": values}
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
