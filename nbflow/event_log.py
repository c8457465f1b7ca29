"""The event log of one run: its ordered events, in the form in which the engine writes them.

The engine appends several records to the log per firing, so a record is small: it refers to the task, the edge and the
values. The `Event` of a record, a dict of plain fields, is built when it is read. Readers that need only a few fields
of many events read the records themselves.

Slotted dataclasses with `kind` in the class take 0.2 µs each, which is the time of a call with as many arguments. A
`NamedTuple` takes more than twice as long.

Invariant: a record does not change after it was appended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

from nbflow.errors.failures import describe
from nbflow.events import Event, Kind
from nbflow.values import Compact, expanded

if TYPE_CHECKING:
    from nbflow.scheduler import EdgeTaken, EdgeUntaken, Task
    from nbflow.tools import ToolSpec

logger = logging.getLogger("nbflow")

Values = Mapping[str, Any] | Compact
"""Values by key; `expanded` returns them as a dict."""


@dataclass(slots=True)
class PlainRecord:
    """An event of the run itself, or output of a node: `data` are the fields of the event."""

    kind: Kind
    time: float
    node: str | None
    data: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return the data of the event."""
        return self.data

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return (self.data,)


@dataclass(slots=True)
class _AttemptRecord:
    """An event of one attempt. `time` is clock time (s), `attempt` counts from 1."""

    time: float
    task: Task
    attempt: int

    @property
    def node(self) -> str:
        """The path of the node."""
        return self.task.name


@dataclass(slots=True)
class StartRecord(_AttemptRecord):
    """The start of an attempt.

    `spec` is the tool; None for maps and subgraphs, and for an attempt that is skipped before its start. `begun` is the
    number of the attempt at a subgraph, 0 for any other node.
    """

    kind: ClassVar[Kind] = Kind.NODE_START
    input: Values
    spec: ToolSpec | None = None
    begun: int = 0

    def fields(self) -> dict[str, Any]:
        """Return the data of the event."""
        data = attempt_fields(self.task, self.attempt)
        data["input"] = expanded(self.input)
        if self.begun > 1:
            data["begun"] = self.begun
        if self.spec is not None:
            data["tool"], data["version"], data["source"] = self.spec.name, self.spec.version, self.spec.source_hash
        return data

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return _retained(self.input)


@dataclass(slots=True)
class _EndRecord(_AttemptRecord):
    """The end of an attempt that started at the clock time `started` (s)."""

    started: float

    def end_fields(self) -> dict[str, Any]:
        """Return the fields that the ends of attempts have in common."""
        data = attempt_fields(self.task, self.attempt)
        data["duration_ms"] = milliseconds(self.time - self.started)
        return data


@dataclass(slots=True)
class CompletionRecord(_EndRecord):
    """The completion of a node; the keys in `unchanged` are not updates.

    `derived` says that the completion of a map or subgraph follows from the events inside it.
    """

    kind: ClassVar[Kind] = Kind.NODE_COMPLETE
    output: Any
    cached: bool = False
    derived: bool = False
    unchanged: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """Return the data of the event."""
        data = self.end_fields()
        if self.derived:
            data["derived"] = True
        data["output"], data["cached"] = expanded(self.output), self.cached
        if self.unchanged:
            data["unchanged"] = list(self.unchanged)
        return data

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return _retained(self.output)


@dataclass(slots=True)
class ErrorRecord(_EndRecord):
    """The failure of a node after its last retry; `handled` says that error edges are taken.

    `derived` says that the failure of a map or subgraph follows from the events inside it.
    """

    kind: ClassVar[Kind] = Kind.NODE_ERROR
    error: BaseException
    handled: bool
    derived: bool = False

    def fields(self) -> dict[str, Any]:
        """Return the data of the event."""
        data = self.end_fields()
        if self.derived:
            data["derived"] = True
        return data | {"error": describe(self.error), "handled": self.handled}

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return (self.error,)


@dataclass(slots=True)
class RetryRecord(_EndRecord):
    """The failure of an attempt that is followed by another one in `delay` seconds."""

    kind: ClassVar[Kind] = Kind.NODE_RETRY
    error: BaseException | None
    delay: float

    def fields(self) -> dict[str, Any]:
        """Return the data of the event; its attempt is the next one."""
        data = self.end_fields() | {"attempt": self.attempt + 1, "delay": self.delay}
        return data if self.error is None else data | {"error": describe(self.error)}

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return (self.error,)


@dataclass(slots=True)
class CancellationRecord(_EndRecord):
    """The cancellation of an attempt; `in_thread` says that its thread still runs."""

    kind: ClassVar[Kind] = Kind.NODE_CANCELLED
    in_thread: bool

    def fields(self) -> dict[str, Any]:
        """Return the data of the event."""
        return self.end_fields() | {"thread_runs_on": self.in_thread}

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return ()


@dataclass(slots=True)
class SkipRecord(_EndRecord):
    """The end of a node with the output that a person gave."""

    kind: ClassVar[Kind] = Kind.NODE_SKIPPED
    output: Any

    def fields(self) -> dict[str, Any]:
        """Return the data of the event."""
        return self.end_fields() | {"output": self.output}

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return (self.output,)


@dataclass(slots=True)
class QuestionRecord(_AttemptRecord):
    """A question of a tool, or the answer to it; `data` are the fields of the event."""

    kind: Kind
    data: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return the data of the event."""
        return attempt_fields(self.task, self.attempt) | self.data

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return (self.data,)


@dataclass(slots=True)
class _EdgeRecord:
    """The result of the condition of an edge, as the scheduler's command has it. `time` is clock time (s)."""

    time: float
    command: EdgeTaken | EdgeUntaken

    @property
    def node(self) -> str:
        """The path of the source."""
        return self.command.prefix + self.command.edge.definition.from_node

    def fields(self) -> dict[str, Any]:
        """Return the data of the event."""
        edge = self.command.edge.definition
        return {
            "from": edge.from_node, "to": edge.to_node, "type": edge.type, "condition": edge.condition,
            "values": self.command.values,
        }  # fmt: skip

    def values(self) -> Iterable[Any]:
        """Return the values that the record retains."""
        return (self.command.values,)


@dataclass(slots=True)
class EdgeTakenRecord(_EdgeRecord):
    """A token took the edge."""

    kind: ClassVar[Kind] = Kind.EDGE_TAKEN


@dataclass(slots=True)
class EdgeUntakenRecord(_EdgeRecord):
    """The condition of the edge was false."""

    kind: ClassVar[Kind] = Kind.EDGE_UNTAKEN


Record = (
    PlainRecord
    | StartRecord
    | CompletionRecord
    | ErrorRecord
    | RetryRecord
    | CancellationRecord
    | SkipRecord
    | QuestionRecord
    | EdgeTakenRecord
    | EdgeUntakenRecord
)


class EventLog(Sequence[Event]):
    """The events of a run; `log[i].seq` is `i + 1`.

    `epoch` is the time at which the clock of the run was 0, in seconds since 1970.
    """

    def __init__(self, epoch: float) -> None:
        self.epoch = epoch
        self._records: list[Record | Event] = []
        self.listeners: list[Callable[[], None]] = []
        self.add: Callable[[Record | Event], None] = self._records.append
        """Append a record, or an event from a store; `notify` then calls the listeners."""

    def listen(self, callback: Callable[[], None]) -> None:
        """Call back once, when the next event is added."""
        self.listeners.append(callback)

    def notify(self) -> None:
        """Call the listeners; an error of a listener is logged and does not affect the run."""
        listeners, self.listeners = self.listeners, []
        for listener in listeners:
            try:
                listener()
            except Exception:
                logger.exception("a listener to a run's events failed")

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if isinstance(index, slice):
            return [self._event(i) for i in range(*index.indices(len(self._records)))]
        return self._event(index if index >= 0 else range(len(self._records))[index])

    def records(self, first: int, upto: int) -> list[Record | Event]:
        """Return the records from `first` up to `upto` (exclusive); cheaper than the events.

        The events that a resumed run has from a store are `Event` objects.
        """
        return self._records[first:upto]

    def kinds(self, first: int) -> list[Kind]:
        """Return the kinds of the events from `first` on; cheaper than the events."""
        return [record.kind for record in self._records[first:]]

    def paths(self, first: int, upto: int) -> list[str | None]:
        """Return the node paths of the events from `first` up to `upto` (exclusive); None for events of the run."""
        return [record.node for record in self._records[first:upto]]

    def _event(self, index: int) -> Event:
        record = self._records[index]
        if isinstance(record, Event):
            return record
        return Event(record.kind, index + 1, self.epoch + record.time, record.node, record.fields())


def attempt_fields(task: Task, attempt: int) -> dict[str, Any]:
    """Return the fields of an event that identify the attempt within its run."""
    fields: dict[str, Any] = {"firing": task.firing, "attempt": attempt}
    if task.scope:
        fields["scope"] = task.scope
    if task.item is not None:
        fields["item"] = task.item
    return fields


def milliseconds(seconds: float) -> float:
    """Return a time in milliseconds, rounded to the microsecond, as events contain it."""
    return round(seconds * 1e6) / 1e3


def _retained(values: Any) -> Iterable[Any]:
    return values.retained() if type(values) is Compact else (values,)
