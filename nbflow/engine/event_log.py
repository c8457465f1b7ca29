"""The event log of one run: its ordered events.

Invariant: appending is cheap, since it happens several times per firing. The log stores a small record, and builds the
`Event` when it is read.
"""

from __future__ import annotations

import linecache
import logging
import traceback
from collections.abc import Callable, Sequence
from itertools import dropwhile
from pathlib import PurePath
from types import TracebackType
from typing import Any, overload

from nbflow.errors import ConditionError, ExecutionCancelled, ExecutionError
from nbflow.errors.failures import failure_of, raised_by, traceback_of
from nbflow.events import ENDINGS, Event, Kind
from nbflow.scheduler import EdgeTaken, EdgeUntaken, Task
from nbflow.secrets import mask
from nbflow.values import whole

logger = logging.getLogger("nbflow")

ENDING_OF = {status: kind for kind, status in ENDINGS.items()}

Entry = tuple[Any, ...]
"""Kind, clock time (s), and by kind: node_start task, attempt, input, spec, and of maps and subgraphs which attempt is
begun; ends of a node task, attempt, start time, output, whether cached, or error, whether handled, and of maps and
subgraphs whether derived from what is inside; a completion last the keys of its output that are no update; edges the
scheduler's answer; questions and answers task, attempt and data; the rest a node's path or None, and the data. Inputs
and outputs may be `Compact`."""


class Journal(Sequence[Event]):
    """The events of a run; `log[i].seq` is `i + 1`.

    `epoch` is the time at which the clock of the run was 0, in seconds since 1970.
    """

    def __init__(self, epoch: float) -> None:
        self.epoch = epoch
        self._entries: list[Entry | Event] = []
        self.listeners: list[Callable[[], None]] = []
        self.add = self._entries.append
        """Append an entry, or an event from a store; `notify` then calls the listeners."""

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
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if isinstance(index, slice):
            return [self._event(i) for i in range(*index.indices(len(self._entries)))]
        return self._event(index if index >= 0 else range(len(self._entries))[index])

    def entries(self, first: int, upto: int) -> list[Any]:
        """Return the stored entries from `first` up to `upto` (exclusive); cheaper than the events."""
        return self._entries[first:upto]

    def kinds(self, first: int) -> list[Kind]:
        """Return the kinds of the events from `first` on; cheaper than the events."""
        return [entry.kind if isinstance(entry, Event) else entry[0] for entry in self._entries[first:]]

    def paths(self, first: int, upto: int) -> list[str | None]:
        """Return the node paths of the events from `first` up to `upto` (exclusive); None for events of the run."""
        return [_path(entry) for entry in self._entries[first:upto]]

    def _event(self, index: int) -> Event:
        entry = self._entries[index]
        if isinstance(entry, Event):
            return entry
        kind: Kind = entry[0]
        node, data = _DATA.get(kind, _plain)(entry)
        return Event(kind, index + 1, self.epoch + entry[1], node, data)


def _path(entry: Entry | Event) -> str | None:
    if isinstance(entry, Event):
        return entry.node
    of = entry[2]
    if isinstance(of, Task):
        return of.name
    return of.prefix + of.edge.definition.from_node if isinstance(of, EdgeTaken | EdgeUntaken) else of


def _plain(entry: Entry) -> tuple[str | None, dict[str, Any]]:
    return entry[2], entry[3]


def _start(entry: Entry) -> tuple[str, dict[str, Any]]:
    _, _, task, attempt, given, spec, *begun = entry
    data = attempt_place(task, attempt)
    data["input"] = whole(given)
    if begun and begun[0] > 1:
        data["begun"] = begun[0]
    if spec is not None:
        data["tool"], data["version"], data["source"] = spec.name, spec.version, spec.source_hash
    return task.name, data


def _complete(entry: Entry) -> tuple[str, dict[str, Any]]:
    _, time, task, attempt, started, output, cached, *more = entry
    data = _end(task, attempt, time - started, more[:1])
    data["output"], data["cached"] = whole(output), cached
    if len(more) > 1:
        data["unchanged"] = list(more[1])
    return task.name, data


def _error(entry: Entry) -> tuple[str, dict[str, Any]]:
    _, time, task, attempt, started, error, handled, *derived = entry
    return task.name, _end(task, attempt, time - started, derived) | {"error": describe(error), "handled": handled}


def _retry(entry: Entry) -> tuple[str, dict[str, Any]]:
    _, time, task, attempt, started, error, delay = entry
    return task.name, _end(task, attempt + 1, time - started) | {"delay": delay, "error": describe(error)}


def _cancelled(entry: Entry) -> tuple[str, dict[str, Any]]:
    _, time, task, attempt, started, in_thread = entry
    return task.name, _end(task, attempt, time - started) | {"thread_runs_on": in_thread}


def _skipped(entry: Entry) -> tuple[str, dict[str, Any]]:
    _, time, task, attempt, started, output = entry
    return task.name, _end(task, attempt, time - started) | {"output": output}


def _asked(entry: Entry) -> tuple[str, dict[str, Any]]:
    _, _, task, attempt, data = entry
    return task.name, attempt_place(task, attempt) | data


def attempt_place(task: Task, attempt: int) -> dict[str, Any]:
    """Return the fields of an event that identify the attempt within its run."""
    place: dict[str, Any] = {"firing": task.firing, "attempt": attempt}
    if task.scope:
        place["scope"] = task.scope
    if task.item is not None:
        place["item"] = task.item
    return place


def milliseconds(seconds: float) -> float:
    """Return a time in milliseconds, rounded to the microsecond, as events contain it."""
    return round(seconds * 1e6) / 1e3


def _end(task: Task, attempt: int, seconds: float, derived: Sequence[bool] = ()) -> dict[str, Any]:
    place = attempt_place(task, attempt)
    place["duration_ms"] = milliseconds(seconds)
    if derived and any(derived):
        place["derived"] = True
    return place


def _edge(entry: Entry) -> tuple[str, dict[str, Any]]:
    answer: EdgeTaken = entry[2]
    edge = answer.edge.definition
    return answer.prefix + edge.from_node, {
        "from": edge.from_node, "to": edge.to_node, "type": edge.type, "condition": edge.condition,
        "values": answer.values,
    }  # fmt: skip


_DATA: dict[Kind, Callable[[Entry], tuple[str | None, dict[str, Any]]]] = {
    Kind.NODE_START: _start,
    Kind.NODE_COMPLETE: _complete,
    Kind.NODE_ERROR: _error,
    Kind.NODE_RETRY: _retry,
    Kind.NODE_CANCELLED: _cancelled,
    Kind.NODE_SKIPPED: _skipped,
    Kind.NODE_WAITING: _asked,
    Kind.NODE_ANSWERED: _asked,
    Kind.EDGE_TAKEN: _edge,
    Kind.EDGE_UNTAKEN: _edge,
}


def ending(state: dict[str, Any], error: BaseException | None) -> dict[str, Any]:
    """Return the data of the event that ends a run."""
    if error is None:
        return {"result": state}
    if isinstance(error, ExecutionCancelled):
        return {"result": state, "reason": error.reason}
    return {"result": state, "error": {"node": None, **describe(error)}}


def describe(error: BaseException) -> dict[str, Any]:
    """Return the data of an error in an event: type, message, traceback, and the position in the user's code.

    An exception group also has `errors`, as in `error_data`.
    """
    failure = failure_of(raised_by(error))
    inner = error.node if isinstance(error, ExecutionError | ConditionError) else None
    about = failure.data() | {"traceback": traceback_of(failure, _users_frames)}
    where = _where(_users_frames(failure.error.__traceback__))
    return ({} if inner is None else {"node": inner}) | about | {"where": where}


def _users_frames(traceback_: TracebackType | None) -> list[traceback.FrameSummary]:
    frames = dropwhile(_is_machinery, traceback.extract_tb(traceback_))
    return [frame for frame in frames if not _is_ours(frame)]


_OWN = __file__.rpartition("engine")[0]


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_OWN) and not frame.filename.startswith(_OWN + "review")


def _is_machinery(frame: traceback.FrameSummary) -> bool:
    """Return whether a frame belongs to the machinery around a tool; a shown traceback starts at the user's code."""
    return _is_ours(frame) or PurePath(frame.filename).parent.name in ("asyncio", "futures", "tenacity")


def _where(frames: list[traceback.FrameSummary]) -> dict[str, Any] | None:
    """Return the innermost position in the file of the tool, with a line before and after."""
    if not frames:
        return None
    place = [frame for frame in frames if frame.filename == frames[0].filename][-1]
    line = place.lineno or 1
    lines = [(n, linecache.getline(place.filename, n).rstrip("\n")) for n in range(max(1, line - 1), line + 2)]
    return {
        "file": place.filename,
        "line": line,
        "function": place.name,
        "code": [[n, mask(text)] for n, text in lines if text or n == line],
    }
