"""What a run goes on from: its own past, or for a fork another's up to some event.

Rule: a plain resume goes on in the same run; a place or an edit makes a new run that knows its parent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbflow.engine.record import RunRecord
from nbflow.engine.replay import Past, Replay, is_decided, lacks, rules_of
from nbflow.errors import GraphError, RunStateError, did_you_mean, name_list
from nbflow.events import ENDINGS, Event, Kind, Status
from nbflow.graph import GraphDefinition, reachable
from nbflow.names import node_path
from nbflow.scheduler import RULES, Plan
from nbflow.secrets import Supply, learn
from nbflow.store.archive import uncollected
from nbflow.store.rows import LogRow, RunHead, RunRow
from nbflow.values import own

if TYPE_CHECKING:
    from nbflow.engine import Run, WorkflowEngine
    from nbflow.store.archive import Archived
    from nbflow.store.session_store import SessionStore
    from nbflow.store.store import Store
    from nbflow.tools import ToolRegistry


_MOST_DIGITS = 18
"""Of the number of a node's start."""


@dataclass(frozen=True, slots=True)
class Source:
    """A run that is to go on, wherever it was found; `head` is None where no store has it."""

    id: str
    name: str
    run: RunRecord | Archived
    events: list[Event]
    head: RunHead | None
    notes: Sequence[str] = ()

    @property
    def initial(self) -> dict[str, Any]:
        """The state at its start."""
        return self.run.initial

    def adopted(self, graphs: dict[str, GraphDefinition]) -> GraphDefinition:
        """Return the graph of its name among `graphs`; what is missing there is put there as the run had it."""
        if self.name not in graphs:
            graphs[self.name] = self.run.graph
        for name in self.run.inner_names:
            if name not in graphs:
                graphs[name] = self.run.subgraphs[name]
        return self._as_stored(graphs[self.name])

    def _as_stored(self, graph: GraphDefinition) -> GraphDefinition:
        """Return a graph, or the run's own where they differ by the form of names alone: its events have these."""
        if self.head is None or self.head.definition.isascii():
            return graph  # and the stored one is not read, as reading it asks for its secrets
        named = GraphDefinition.model_validate(self.run.graph.model_dump(by_alias=True, exclude_unset=True))
        return self.run.graph if named == graph else graph

    @property
    def status(self) -> Status:
        """How it ended, or that it has not."""
        return ENDINGS.get(self.events[-1].kind, Status.RUNNING) if self.events else Status.RUNNING


def latest(history: SessionStore, *, unfinished: bool) -> RunRow | None:
    """Return the stored run that is meant where a person names none, None without one; blocks.

    It is the last of this process's notebook. Where the notebook is not known, of this process or of the last run of
    all, it is that one, and a notice says in which file it was started.

    Args:
        history: The session's.
        unfinished: Whether only runs count that did not complete.

    Raises:
        RunStateError: This notebook has none, and the last one belongs to another notebook; it is named.
    """
    store = history.there()
    if store is None:
        return None
    notebook = history.notebook()
    own = store.latest(notebook=notebook, unfinished=unfinished).result() if notebook else []
    if own:
        return _idle(own) or own[0]
    found = store.latest(unfinished=unfinished).result()
    others = [row for row in found if row.owner is None] if unfinished else found
    if notebook and others and _is_elsewhere(others[0], store, history):
        raise _of_another_notebook(notebook, others[0], unfinished=unfinished)
    if notebook:
        found = others
    row = _idle(found) or next(iter(found), None)
    if row is not None:
        file = row.notebook or row.origin
        begun = f"it was started in {file}" if file else "the file that it was started in is not known"
        history.notices.append(f"{'resuming' if unfinished else 'forking'} run {row.id} of {row.graph}: {begun}")
    return row


def _idle(rows: Sequence[RunRow]) -> RunRow | None:
    """Return the first run that no living process has."""
    return next((row for row in rows if row.owner is None), None)


def _is_elsewhere(row: RunRow, store: Store, history: SessionStore) -> bool:
    """Return whether a run is known to belong to another notebook than that of this process.

    A file that is not there was renamed, so that nobody can tell: unless other machines use the store as well.
    """
    return row.notebook is not None and (store.shared or ((history.folder or Path()) / row.notebook).is_file())


def _of_another_notebook(notebook: str, row: RunRow, *, unfinished: bool) -> RunStateError:
    none, one, way = (
        ("no run of {} is unfinished", "did not complete", "resumes it") if unfinished
        else ("{} has no run to fork", "is the last", "forks it")
    )  # fmt: skip
    return RunStateError(
        f"{none.format(notebook)}; run {row.id} of {row.graph} in another notebook, {row.notebook}, {one}: "
        f"%flow_resume {row.id} {way}"
    )


async def find(
    history: SessionStore, known: Run | None, run_id: str, *, kept: bool, fork: bool, supply: Supply
) -> Source:
    """Return a run to go on with: from this process if it has it, values that no store could keep and all.

    Args:
        history: The session's.
        known: The run, if this process ran it.
        run_id: Its id, or the beginning of it.
        kept: Whether it is in the store.
        fork: Whether it is another run that goes on from there; this one may go on itself then.
        supply: Has the secrets that a stored run lacks; of one of this process they are in memory.

    Raises:
        RunNotFoundError: No such run.
        RunStateError: It still runs here, or on another loop.
    """
    if known is not None and known.result is None:
        if not fork or known.loop is not asyncio.get_running_loop():
            raise RunStateError(f"run {known.id} is still {known.status} here; stop it, or wait for its end")
        events = list(known.events)
        await known.until_kept(len(events))
        head = (await asyncio.to_thread(history.open().head(known.id).result)) if kept else None
        return Source(known.id, known.name, known, events, head)
    if known is not None:
        head = (await asyncio.to_thread(history.open().head(known.id).result)) if kept else None
        if head is None or head.row.seq == len(known.events):
            return Source(known.id, known.name, known, list(known.events), head)
    archived = await asyncio.to_thread(history.read, run_id, supply=supply)
    row = archived.head.row
    return Source(row.id, row.graph, archived, archived.events, archived.head, archived.notes)


async def has_moved_on(store: Store, source: Source) -> bool:
    """Return whether a run, now ours, was written to after it was read: by one who had it meanwhile, or died late."""
    head = await asyncio.wrap_future(store.head(source.id))
    return head.row.seq != len(source.events)


def cut(source: Source, at: int | str | None) -> int:
    """Return after which event a fork goes on, with all that was decided at that event.

    Raises:
        RunStateError: There is no such event, or no such start of a node.
    """
    events = source.events
    upto = len(events) if at is None else at if isinstance(at, int) else _before(source, at)
    if not 1 <= upto <= len(events):
        raise RunStateError(f"run {source.id} has events 1 to {len(events)}, and not {upto}; %flow_show tells them")
    while upto < len(events) and _follows(events[upto]):
        upto += 1
    return upto


def _before(source: Source, place: str) -> int:
    """Return the event before a node's last start, or before its third: `NODE`, `NODE#3`."""
    name, _, number = place.rpartition("#")
    if not number.isdecimal() or len(number) > _MOST_DIGITS or not name:
        name, number = place, ""
    ran = dict.fromkeys(event.node for event in source.events if event.kind is Kind.NODE_START and event.node)
    name = name if name in ran else node_path(name)
    starts: dict[int, int] = {}
    for event in source.events:
        if event.kind is Kind.NODE_START and event.node == name:
            starts.setdefault(event.data["firing"], event.seq)
    found = list(starts.values())
    if not found:
        near = did_you_mean(name, [node for node in ran if node])
        raise RunStateError(
            f"node {name!r} never started in run {source.id}{near}; these did: {name_list(map(str, ran))}"
        )
    if number and not 1 <= int(number) <= len(found):
        raise RunStateError(f"node {name!r} started {len(found)} times in run {source.id}, and not {number}")
    return found[int(number) - 1 if number else -1] - 1


def _follows(event: Event) -> bool:
    """Return whether an event was decided together with the one before it, and a fork of that goes on behind it.

    The start of a map or a subgraph is, as it begins with the token; an end by a condition is what the fork is to mend.
    """
    if event.kind is Kind.NODE_START:
        return "tool" not in event.data and bool(event.data.get("input"))
    return is_decided(event) and event.kind is not Kind.EXECUTION_ERROR


async def mend(engine: WorkflowEngine, plan: Plan, source: Source, upto: int) -> list[str]:
    """Make once more what no store could keep and the run still needs; return what ran again for it.

    Raises:
        StoreError: It cannot be made again.
    """
    from nbflow.store.mending import Mender

    events = source.events[:upto]
    if not any(lacks(part) for part in (source.initial, *(event.data.get("output") for event in events))):
        return []
    mender = Mender(engine, plan, source.initial, events)
    await mender.mend()
    return mender.said


def past_of(source: Source, plan: Plan, upto: int, edits: Mapping[str, Any] | None, *, fork: bool) -> Past:
    """Return what a run goes on from, replayed on the graph as it is now.

    Raises:
        RunStateError: An event does not fit the graph; it is named.
    """
    events = source.events[:upto]
    replay = Replay(plan, source.initial, rules=rules_of(events))
    with uncollected():
        replay.feed(events)
    told: dict[str, Any] = {"parent": source.id, "at": upto} if fork else {}
    if replay.scheduler.rules != RULES:  # what begins from now on follows the present ones
        told["rules"] = replay.scheduler.rules = RULES
    if edits:
        learn(edits)
        told["edited"] = own(dict(edits))
        replay.scheduler.edit(told["edited"])
    return Past(replay, events, kept=upto, seconds=seconds_of(events), told=told)


def check_classes(history: SessionStore, source: Source, past: Past, registry: ToolRegistry) -> None:
    """Check that nothing still to run gets the fields of an object in place of the object.

    Raises:
        RunStateError: The class of an object is not there, or does not fit it.
    """
    if not source.notes or source.head is None:
        return  # all came back as it was
    from nbflow.store.substitutes import refuse_substitutes

    refuse_substitutes(source.id, past.replay, registry, next(iter(_files_of(history, source)), None))


def _files_of(history: SessionStore, source: Source) -> list[Path]:
    """Return the files whose cells may define what a run needs: this process's notebook, then the run's own."""
    row = None if source.head is None else source.head.row
    names = [history.notebook(), *((row.notebook, row.origin) if row else ())]
    return [(history.folder or Path()) / name for name in dict.fromkeys(names) if name]


def with_cures(
    error: GraphError, history: SessionStore, source: Source, graphs: Mapping[str, GraphDefinition],
    registry: ToolRegistry,
) -> GraphError:  # fmt: skip
    """Return why a run's graph cannot run here, with the cell to run for each tool that is not there."""
    from nbflow.store.substitutes import cell_to_run

    graph = graphs[source.name]
    files = _files_of(history, source)
    tools = {
        node.tool: node.node_id
        for one in (graph, *reachable(graph, graphs).values())
        for node in one.nodes
        if node.tool is not None and node.tool not in registry
    }
    if not tools:
        return error
    others = [fault for fault in error.faults if " names unknown tool " not in fault]
    started = f"; the run was started in {files[-1].name}" if files else ""
    in_cells = not files or any(file.suffix == ".ipynb" for file in files)
    other = "import the module that defines it, then resume again"
    cures = [
        f"node {node!r} names unknown tool {tool!r}; {cell_to_run(tool, *files) if in_cells else other}{started}"
        for tool, node in tools.items()
    ]
    return GraphError([*cures, *others], graph=error.graph)


def seconds_of(events: Sequence[Event | LogRow]) -> float:
    """Return how long a run ran: in each sitting from its first event to its last."""
    total, began, last = 0.0, None, 0.0
    for event in events:
        if event.kind in (Kind.EXECUTION_START, Kind.EXECUTION_RESUMED):
            total += 0.0 if began is None else last - began
            began = event.time
        last = event.time
    return total + (0.0 if began is None else last - began)


def changed_tools(head: RunHead, registry: ToolRegistry) -> list[str]:
    """Return the tools whose source is another now than when the run last used them."""
    last = {tool.name: tool.hash for tool in head.tools}
    return [name for name, had in last.items() if had and name in registry and registry.get(name).source_hash != had]
