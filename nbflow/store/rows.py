"""What the store keeps of a run, in plain form: the one thing that its parts hand to each other.

Rule: texts are JSON and nothing here knows what they mean; times are seconds since 1970, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MOST_ROWS = 2**62
"""More rows than any database has; what a database is asked for may be no larger number than it knows."""


class LogRow(NamedTuple):
    """One event of a run. `seq` starts at 1 and has no gaps; `data` is a JSON object, None for an empty one.

    A tuple, as it is made for every event, and a frozen dataclass takes four times as long to make.
    """

    seq: int
    kind: str
    time: float
    node: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """A value over 1 KiB, or one with a form of its own, kept once under its content's hash; `codec` reads it."""

    hash: str
    codec: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A version of a tool that a run used; `source` None where Python does not know it."""

    name: str
    version: int
    hash: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class GraphRow:
    """A graph as it was when a run used it; `version` counts from 1 for each name, by content."""

    name: str
    hash: str
    definition: str
    version: int = 0
    created: float = 0.0
    runs: int = 0


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run at its start. `subgraphs` is a JSON object of definitions by name, `initial` one of values by key.

    `origin` is the file that it was started from, and `notebook` the notebook that its kernel belongs to, both as
    `files.origin` returns them; None where that is not known. `parent` and `parent_seq` are the run and
    event that a fork goes on from: its log up to there is copied, with `nodes` completions of nodes. `first` is the
    run's own first event, with the edits of a fork; it is committed with the run, so that no process reads one without
    the other.
    """

    id: str
    graph: GraphRow
    subgraphs: str
    initial: str
    started: float
    durability: str
    blobs: tuple[Blob, ...] = ()
    origin: str | None = None
    parent: str | None = None
    parent_seq: int | None = None
    nodes: int = 0
    first: Batch | None = None
    notebook: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `result` is a JSON object of values by key, `error` one of node, type and message."""

    status: str
    ended: float
    seconds: float
    result: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit adds to a run: all of it, or nothing. `nodes` counts the completions of nodes among the rows."""

    rows: tuple[LogRow, ...]
    blobs: tuple[Blob, ...] = ()
    tools: tuple[ToolRow, ...] = ()
    nodes: int = 0
    status: str | None = None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A stored run. `seconds` is how long it ran in all; `owner` names the live process that has it, else None.

    `cancel_asked` is why another process asked its owner to end it. `notebook` is the file of the notebook that it was
    last started or resumed in, None where that is not known.
    """

    id: str
    graph: str
    version: int
    status: str
    started: float
    ended: float | None
    seconds: float
    nodes: int
    seq: int
    durability: str
    error: str | None
    origin: str | None
    parent: str | None
    parent_seq: int | None
    owner: str | None
    cancel_asked: str | None = None
    notebook: str | None = None


@dataclass(frozen=True, slots=True)
class RunHead:
    """All that is stored of a run but its log: with its definition, subgraphs, initial state, result and tools."""

    row: RunRow
    definition: str
    subgraphs: str
    initial: str
    result: str | None
    tools: tuple[ToolRow, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning took away, or would take: how many of each, and the bytes of the log's texts and the values."""

    runs: int
    rows: int
    values: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store at a glance. `size` is in bytes, `rows` by table; `oldest` and `newest` are the starts of runs."""

    place: str
    size: int
    rows: dict[str, int]
    schema: str
    oldest: float | None
    newest: float | None
