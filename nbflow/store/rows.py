"""The records that the parts of the store exchange.

Texts are JSON, which this module does not interpret. Times are seconds since 1970, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MOST_ROWS = 2**62
"""The largest LIMIT that is passed to a database: more rows than any has, and within its integers."""


class LogRow(NamedTuple):
    """One event of a run. `seq` starts at 1 and has no gaps; `data` is a JSON object, None for an empty one.

    A named tuple, because one is created for every event, and a frozen dataclass takes four times as long.
    """

    seq: int
    kind: str
    time: float
    node: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """A value over 1 KiB, or one in a binary form, stored once under the hash of its content; `codec` decodes it."""

    hash: str
    codec: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A version of a tool that a run used; `source` is None where Python cannot find it."""

    name: str
    version: int
    hash: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class GraphRow:
    """A version of a graph, for each distinct content; versions of a name count from 1. `runs` counts its runs."""

    name: str
    hash: str
    definition: str
    version: int = 0
    created: float = 0.0
    runs: int = 0


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run at its start.

    Attributes:
        id: The id of the run.
        graph: Its graph.
        subgraphs: A JSON object of graph definitions by name.
        initial: A JSON object of the initial state's values by key.
        started: When it started.
        durability: `sync` or `async`.
        blobs: The values that `initial` refers to.
        origin: The file that it was started from, as `files.origin` returns it; None if that is unknown.
        parent: The run that it is a fork of.
        parent_seq: The event of the parent up to which its log is copied.
        nodes: The number of completions of nodes in the copied log.
        first: The run's own first event, with the edits of a fork. It is committed with the run, so that no process
            reads one without the other.
        notebook: The notebook that its kernel belongs to; None if that is unknown.
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
    """The end of a run. `result` is a JSON object of values by key, `error` one of node, type and message."""

    status: str
    ended: float
    seconds: float
    result: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The additions of one commit to a run, all or nothing. `nodes` counts the completions of nodes in the rows."""

    rows: tuple[LogRow, ...]
    blobs: tuple[Blob, ...] = ()
    tools: tuple[ToolRow, ...] = ()
    nodes: int = 0
    status: str | None = None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A stored run, without its texts and log.

    `seconds` is the time that it ran in all. `owner` is the live process that owns it, else None. `cancel_asked` is the
    reason of another process's request to cancel it. `notebook` is the file in which it was last started or resumed,
    None if that is unknown.
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
    """A stored run without its log: its row, graph definition, subgraphs, initial state, result and tools."""

    row: RunRow
    definition: str
    subgraphs: str
    initial: str
    result: str | None
    tools: tuple[ToolRow, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """The numbers of rows that pruning deleted or would delete, and the bytes of their texts and values."""

    runs: int
    rows: int
    values: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """The size (bytes) of a store, the number of rows of each table, and when its oldest and newest run started."""

    place: str
    size: int
    rows: dict[str, int]
    schema: str
    oldest: float | None
    newest: float | None
