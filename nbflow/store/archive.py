"""Runs read back from a store, with complete events, to be shown, resumed or forked.

Invariant: the content of a store is data, never code. Graphs are validated again, values are rebuilt by their codecs
alone, and the state comes from a replay of the events.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbflow import errors
from nbflow.conditions.operations import FUNCTIONS
from nbflow.engine.record import RunRecord
from nbflow.engine.replay import Replay, rules_of
from nbflow.engine.result import ExecutionResult
from nbflow.errors import StoreError
from nbflow.events import Event, Kind, Status
from nbflow.graph import GraphDefinition
from nbflow.scheduler import Plan
from nbflow.secrets import Supply
from nbflow.store.codecs import Codecs
from nbflow.store.encoding import Decoder, texts_of
from nbflow.store.rows import Blob, LogRow, RunHead
from nbflow.store.stored_graph import graph_of

if TYPE_CHECKING:
    from nbflow.store.store import Store


@dataclass(frozen=True)
class Archived:
    """A run that was read from the store.

    `events` lack what a replay derives. `notes` describe values that were restored as something else than they were.
    """

    head: RunHead
    initial: dict[str, Any]
    events: list[Event]
    notes: list[str] = field(default_factory=list)
    supply: Supply | None = None

    @cached_property
    def graph(self) -> GraphDefinition:
        """The graph of the run, validated on first use.

        Raises:
            StoreError: The stored graph is not valid.
        """
        return graph_of(self.head.definition, self.supply)

    @cached_property
    def subgraphs(self) -> dict[str, GraphDefinition]:
        """The subgraphs by name, validated on first use.

        Raises:
            StoreError: A stored graph is not valid.
        """
        return {name: graph_of(json.dumps(data), self.supply) for name, data in self.inner_names.items()}

    @cached_property
    def inner_names(self) -> Mapping[str, Any]:
        """The plain data of the subgraphs, by name."""
        data = json.loads(self.head.subgraphs)
        if not isinstance(data, dict):
            raise StoreError("the stored subgraphs are no JSON object; the store is damaged")
        return data


def read(
    store: Store, codecs: Codecs, run_id: str, *, upto: int | None = None, supply: Supply | None = None
) -> Archived:
    """Return a run with its events up to number `upto`. Blocks, so call it on a thread where an event loop runs.

    `supply` has the values of secrets, which are never stored; without it they are `Redacted`.

    Raises:
        RunNotFoundError: No such run.
        StoreError: The store has something that nbflow does not write.
    """
    head = store.head(run_id).result()
    with garbage_collection_paused():
        rows = store.log(head.row.id, upto=upto).result()
        blobs = Blobs(store, codecs)
        blobs.fetch([head.initial, *texts_of(rows)])
        decoder = Decoder(codecs, blobs.get, supply=supply)
        initial = codecs.unpack_state(head.initial, blobs.get, decoder.notes, supply)
        events = [_with_initial(decoder.event(row), initial) for row in rows]
    return Archived(head, initial, events, decoder.notes, supply)


def _with_initial(event: Event, initial: Mapping[str, Any]) -> Event:
    """Return an event. The store has the initial state once, outside the events; the start of the run gets it here."""
    if event.kind is not Kind.EXECUTION_START:
        return event
    return Event(event.kind, event.seq, event.time, event.node, {**event.data, "input": dict(initial)})


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Pause the garbage collector while very many objects are created that all stay alive.

    The collector would find nothing, and take as long as the creation of the objects.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def seconds_of(events: Sequence[Event | LogRow]) -> float:
    """Return the run time (s) of a run: the sum over its incarnations, each from its first event to its last."""
    total, started, last = 0.0, None, 0.0
    for event in events:
        if event.kind in (Kind.EXECUTION_START, Kind.EXECUTION_RESUMED):
            total += 0.0 if started is None else last - started
            started = event.time
        last = event.time
    return total + (0.0 if started is None else last - started)


class Blobs:
    """The blobs that texts refer to, and the blobs that those refer to."""

    def __init__(self, store: Store, codecs: Codecs) -> None:
        self._store, self._codecs = store, codecs
        self._known: dict[str, Blob] = {}

    def fetch(self, texts: Iterable[str]) -> None:
        """Read the blobs that texts refer to; blocks.

        Raises:
            StoreError: A blob is missing.
        """
        wanted = {ref for text in texts for ref in self._codecs.refs(text)}
        while wanted:
            found = self._store.blobs(wanted).result()
            self._known |= found
            wanted = {ref for blob in found.values() for ref in self._codecs.refs_of(blob)} - self._known.keys()

    def get(self, name: str) -> Blob:
        """Return the blob with a hash.

        Raises:
            StoreError: `fetch` did not read it.
        """
        if name not in self._known:
            raise StoreError(f"the value {name[:16]} is referred to but not stored; the store is damaged")
        return self._known[name]


class UncalledPredicates(dict[str, Callable[..., Any]]):
    """The predicates of a run that is only read, whether or not this process has them.

    The event log has the edges that the run took, so a replay calls no predicate.
    """

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return name not in FUNCTIONS

    def __missing__(self, name: str) -> Callable[..., Any]:
        def unknown(*_: object) -> bool:
            raise LookupError(f"the predicate {name!r} is not registered here")

        return unknown


class StoredRun(RunRecord):
    """A run from the store, for reading, comparison and display; `head` is its row."""

    def __init__(self, plan: Plan, archived: Archived) -> None:
        row = archived.head.row
        super().__init__(plan, archived.initial, run_id=row.id, subgraphs=archived.subgraphs)
        self.head, self.notes = archived.head, archived.notes
        self.status, self.started_at = Status(row.status), row.started
        replay = self._replayed(archived.events)
        self.events = archived.events
        if row.ended is not None:
            error = _error_text(self.status, self.name, row.error)
            state = replay.scheduler.state()
            self.result = ExecutionResult(row.id, self.status, state, row.seconds, error, self.events)

    def _replayed(self, events: Sequence[Event]) -> Replay:
        replay = Replay(self.plan, self.initial, rules=rules_of(events), routes_from_log=True)
        replay.feed(events)
        return replay

    def __repr__(self) -> str:
        return f"<StoredRun {self.id} of {self.name or 'a graph'}: {self.status}>"


def _error_text(status: Status, name: str, text: str | None) -> str | None:
    """Return the message of the error that ended a run, the same as the live run raised."""
    stored = None if text is None else json.loads(text)
    if status is Status.CANCELLED:
        return f"run of {name or 'the graph'} was cancelled {stored or ''}".strip()
    if not isinstance(stored, dict):
        return None if stored is None else str(stored)
    if isinstance(getattr(errors, str(stored.get("type")), None), type):  # its message names the node already
        return str(stored.get("message"))
    return f"node {stored.get('node')!r} failed: {stored.get('type')}: {stored.get('message')}"
