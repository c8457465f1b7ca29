"""Runs read back from a store: their events in full, ready to be looked at or gone on from.

Rule: what is read is data. A graph is validated again, a value is rebuilt only as its codec says, and the rest is
replayed.
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
from nbflow.store.rows import Blob, RunHead
from nbflow.store.stored_graph import graph_of

if TYPE_CHECKING:
    from nbflow.store.store import Store


@dataclass(frozen=True)
class Archived:
    """A run as it is stored. `events` lack what replay derives; `notes` tell what did not come back as it was."""

    head: RunHead
    initial: dict[str, Any]
    events: list[Event]
    notes: list[str] = field(default_factory=list)
    supply: Supply | None = None

    @cached_property
    def graph(self) -> GraphDefinition:
        """The graph as it was, validated again when somebody needs it.

        Raises:
            StoreError: It is no sound graph.
        """
        return graph_of(self.head.definition, self.supply)

    @cached_property
    def subgraphs(self) -> dict[str, GraphDefinition]:
        """The subgraphs by name, likewise."""
        return {name: graph_of(json.dumps(data), self.supply) for name, data in self.inner_names.items()}

    @cached_property
    def inner_names(self) -> Mapping[str, Any]:
        """The subgraphs' names, and their plain data."""
        return _names(self.head.subgraphs)


def read(
    store: Store, codecs: Codecs, run_id: str, *, upto: int | None = None, supply: Supply | None = None
) -> Archived:
    """Return a run, with its events up to `upto`. Blocks: call it on a thread where a loop waits.

    Secrets are what `supply` has for them, else `Redacted`.

    Raises:
        RunNotFoundError: No such run.
        StoreError: What is stored is not what nbflow writes.
    """
    head = store.head(run_id).result()
    with uncollected():
        rows = store.log(head.row.id, upto=upto).result()
        blobs = Blobs(store, codecs)
        blobs.fetch([head.initial, *texts_of(rows)])
        decoder = Decoder(codecs, blobs.get, supply=supply)
        initial = codecs.unpack_state(head.initial, blobs.get, decoder.notes, supply)
        events = [decoder.event(row) for row in rows]
    if events and events[0].kind is Kind.EXECUTION_START:
        events[0].data["input"] = dict(initial)
    return Archived(head, initial, events, decoder.notes, supply)


@contextmanager
def uncollected() -> Iterator[None]:
    """Do without the garbage collector for a moment.

    Where very many things are made that live on, it finds nothing, and takes as long as making them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Blobs:
    """The blobs that texts name, and those that these name in turn."""

    def __init__(self, store: Store, codecs: Codecs) -> None:
        self._store, self._codecs = store, codecs
        self._known: dict[str, Blob] = {}

    def fetch(self, texts: Iterable[str]) -> None:
        """Read what texts name; blocks. Raises StoreError where something of it is not there."""
        wanted = {ref for text in texts for ref in self._codecs.refs(text)}
        while wanted:
            found = self._store.blobs(wanted).result()
            self._known |= found
            wanted = {ref for blob in found.values() for ref in self._codecs.refs_of(blob)} - self._known.keys()

    def get(self, name: str) -> Blob:
        """Return what was read under a hash."""
        if name not in self._known:
            raise StoreError(f"the value {name[:16]} is named and not stored; the store is damaged")
        return self._known[name]


def _names(text: str) -> Mapping[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise StoreError("the stored subgraphs are not as nbflow writes them; the store is damaged")
    return data


def _error(status: Status, name: str, text: str | None) -> str | None:
    """Return in words what ended a run, as the run said it itself."""
    told = None if text is None else json.loads(text)
    if status is Status.CANCELLED:
        return f"run of {name or 'the graph'} was cancelled {told or ''}".strip()
    if not isinstance(told, dict):
        return None if told is None else str(told)
    own = isinstance(getattr(errors, str(told.get("type")), None), type)  # its message says where it arose
    return (
        str(told.get("message"))
        if own
        else f"node {told.get('node')!r} failed: {told.get('type')}: {told.get('message')}"
    )


class UncalledPredicates(dict[str, Callable[..., Any]]):
    """Predicates for a run that is only read: its log tells the ways taken, so those not known here are not called."""

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return name not in FUNCTIONS

    def __missing__(self, name: str) -> Callable[..., Any]:
        def unknown(*_: object) -> bool:
            raise LookupError(f"the predicate {name!r} is not registered here")

        return unknown


class StoredRun(RunRecord):
    """A run from the store: to be read, compared, shown; `head` is what stands about it there."""

    def __init__(self, plan: Plan, archived: Archived) -> None:
        row = archived.head.row
        super().__init__(plan, archived.initial, run_id=row.id, subgraphs=archived.subgraphs)
        self.head, self.notes = archived.head, archived.notes
        self.status, self.started_at = Status(row.status), row.started
        replay = self._replayed(archived.events)
        self.events = archived.events
        if row.ended is not None:
            error = _error(self.status, self.name, row.error)
            state = replay.scheduler.state()
            self.result = ExecutionResult(row.id, self.status, state, row.seconds, error, self.events)

    def _replayed(self, events: Sequence[Event]) -> Replay:
        replay = Replay(self.plan, self.initial, rules=rules_of(events), as_told=True)
        replay.feed(events)
        return replay

    def __repr__(self) -> str:
        return f"<StoredRun {self.id} of {self.name or 'a graph'}: {self.status}>"
