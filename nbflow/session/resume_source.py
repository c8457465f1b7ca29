"""Where a resume or a fork starts: the run, the event and the state.

A plain resume continues the same run. A resume from an earlier event, or with edited keys, creates a fork: a new run
that knows its parent (SEMANTICS rule 25).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbflow.engine.record import RunRecord
from nbflow.engine.replay import Replay, ResumePoint, is_decided, lacks, rules_of
from nbflow.errors import GraphError, RunStateError, did_you_mean, name_list
from nbflow.events import ENDINGS, Event, Kind, Status
from nbflow.graph import GraphDefinition, reachable
from nbflow.names import node_path
from nbflow.scheduler import RULES, Plan
from nbflow.secrets import Supply, learn, redacted_in
from nbflow.session.recompute import ReadableValue, Recomputation, readable_values, unstored_in
from nbflow.store.archive import garbage_collection_paused, seconds_of
from nbflow.store.codecs.classes import Substitute, substitutes_in
from nbflow.store.rows import RunHead, RunRow
from nbflow.values import own

if TYPE_CHECKING:
    from nbflow.engine import Run, WorkflowEngine
    from nbflow.store.archive import Archived
    from nbflow.store.session_store import SessionStore
    from nbflow.store.store import Store
    from nbflow.tools import ToolRegistry

_MOST_DIGITS = 18
"""The most digits of a firing's number in `NODE#3`."""
_MOST_CLASSES = 5
"""The most classes that one error names."""
_MOST_BYTES = 50_000_000
"""The largest notebook that is searched for the definition of a class or tool."""


@dataclass(frozen=True, slots=True)
class Source:
    """A run to resume or to fork, in memory or in the store; `head` is None if no store has it."""

    id: str
    name: str
    run: RunRecord | Archived
    events: list[Event]
    head: RunHead | None
    notes: Sequence[str] = ()

    @property
    def initial(self) -> dict[str, Any]:
        """The initial state of the run."""
        return self.run.initial

    def adopted(self, graphs: dict[str, GraphDefinition]) -> GraphDefinition:
        """Return the graph of the run's name from `graphs`; add the run's own graphs for the names that are missing."""
        if self.name not in graphs:
            graphs[self.name] = self.run.graph
        for name in self.run.inner_names:
            if name not in graphs:
                graphs[name] = self.run.subgraphs[name]
        return self._as_stored(graphs[self.name])

    def _as_stored(self, graph: GraphDefinition) -> GraphDefinition:
        """Return a graph, or the run's if they differ only in the Unicode form of names, which the events have."""
        if self.head is None or self.head.definition.isascii():
            return graph  # without validating the stored graph, which would ask for its secrets
        named = GraphDefinition.model_validate(self.run.graph.model_dump(by_alias=True, exclude_unset=True))
        return self.run.graph if named == graph else graph

    @property
    def status(self) -> Status:
        """The status in which the run ended; `running` if it has not ended."""
        return ENDINGS.get(self.events[-1].kind, Status.RUNNING) if self.events else Status.RUNNING


def latest_run(session_store: SessionStore, *, unfinished: bool) -> RunRow | None:
    """Return the stored run to resume or fork by default; None if there is none. Blocks.

    It is the last run of this process's notebook. If the notebook of this process, or that of the last run in the
    store, is unknown, it is the last run in the store, and a notice names the file in which that run was started.

    Args:
        session_store: The store of the session.
        unfinished: True if only runs that did not complete are considered.

    Raises:
        RunStateError: This notebook has no such run, and the last one belongs to another notebook, which is named.
    """
    store = session_store.open_existing()
    if store is None:
        return None
    notebook = session_store.notebook()
    own_runs = store.latest(notebook=notebook, unfinished=unfinished).result() if notebook else []
    if own_runs:
        return _without_owner(own_runs) or own_runs[0]
    found = store.latest(unfinished=unfinished).result()
    others = [row for row in found if row.owner is None] if unfinished else found
    if notebook and others and _belongs_to_another(others[0], store, session_store):
        raise _of_another_notebook(notebook, others[0], unfinished=unfinished)
    if notebook:
        found = others
    row = _without_owner(found) or next(iter(found), None)
    if row is not None:
        file = row.notebook or row.origin
        origin = f"it was started in {file}" if file else "the file in which it was started is not known"
        session_store.notices.append(f"{'resuming' if unfinished else 'forking'} run {row.id} of {row.graph}: {origin}")
    return row


def _without_owner(rows: Sequence[RunRow]) -> RunRow | None:
    """Return the first run that no live process owns."""
    return next((row for row in rows if row.owner is None), None)


def _belongs_to_another(row: RunRow, store: Store, session_store: SessionStore) -> bool:
    """Return whether a run is known to belong to another notebook than the one of this process.

    A missing file may be this notebook before it was renamed, unless other machines use the store too.
    """
    return row.notebook is not None and (store.shared or ((session_store.folder or Path()) / row.notebook).is_file())


def _of_another_notebook(notebook: str, row: RunRow, *, unfinished: bool) -> RunStateError:
    none, one, effect = (
        ("no run of {} is unfinished", "did not complete", "resumes it") if unfinished
        else ("{} has no run to fork", "is the last", "forks it")
    )  # fmt: skip
    return RunStateError(
        f"{none.format(notebook)}; run {row.id} of {row.graph} in another notebook, {row.notebook}, {one}: "
        f"%flow_resume {row.id} {effect}"
    )


async def find_source(
    session_store: SessionStore, known: Run | None, run_id: str, *, stored: bool, fork: bool, supply: Supply
) -> Source:
    """Return the run to resume or fork, from memory if possible, where it has the values that cannot be stored too.

    Args:
        session_store: The store of the session.
        known: The run, if this process has it in memory.
        run_id: The id of the run, or a prefix of it.
        stored: True if the run is in the store.
        fork: True if a new run starts from it; the run itself may be running then.
        supply: The secrets that a stored run lacks; a run in memory still has them.

    Raises:
        RunNotFoundError: No such run.
        RunStateError: The run is still running here, or on another event loop.
    """
    if known is not None and known.result is None:
        if not fork or known.loop is not asyncio.get_running_loop():
            raise RunStateError(f"run {known.id} is still {known.status} here; cancel it, or wait for its end")
        events = list(known.events)
        await known.until_stored(len(events))
        head = (await asyncio.to_thread(session_store.open().head(known.id).result)) if stored else None
        return Source(known.id, known.name, known, events, head)
    if known is not None:
        head = (await asyncio.to_thread(session_store.open().head(known.id).result)) if stored else None
        if head is None or head.row.seq == len(known.events):
            return Source(known.id, known.name, known, list(known.events), head)
    archived = await asyncio.to_thread(session_store.read, run_id, supply=supply)
    row = archived.head.row
    return Source(row.id, row.graph, archived, archived.events, archived.head, archived.notes)


async def has_newer_events(store: Store, source: Source) -> bool:
    """Return whether another process wrote to a run after it was read and before this process claimed it."""
    head = await asyncio.wrap_future(store.head(source.id))
    return head.row.seq != len(source.events)


def fork_point(source: Source, at: int | str | None) -> int:
    """Return the number of the last event that a fork copies, including the events that follow directly from it.

    Args:
        source: The run to fork.
        at: An event's number; a node, for the event before its last firing; `NODE#3`, for the one before its third
            firing; None for the last event.

    Raises:
        RunStateError: The run has no such event, or no such firing.
    """
    events = source.events
    upto = len(events) if at is None else at if isinstance(at, int) else _before_firing(source, at)
    if not 1 <= upto <= len(events):
        raise RunStateError(
            f"run {source.id} has events 1 to {len(events)}, and no event {upto}; %flow_show lists them"
        )
    while upto < len(events) and _follows(events[upto]):
        upto += 1
    return upto


def _before_firing(source: Source, target: str) -> int:
    """Return the event before the last firing of a node (`NODE`), or before its third (`NODE#3`)."""
    name, _, number = target.rpartition("#")
    if not number.isdecimal() or len(number) > _MOST_DIGITS or not name:
        name, number = target, ""
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
        raise RunStateError(f"node {name!r} started {len(found)} times in run {source.id}, so there is no {target}")
    return found[int(number) - 1 if number else -1] - 1


def _follows(event: Event) -> bool:
    """Return whether an event follows directly from the one before it, so that a fork includes both.

    The start of a map or subgraph is one, because it starts with its token. The end by a faulty condition is not:
    a fork is how a person repairs it.
    """
    if event.kind is Kind.NODE_START:
        return "tool" not in event.data and bool(event.data.get("input"))
    return is_decided(event) and event.kind is not Kind.EXECUTION_ERROR


def lacks_values(source: Source, upto: int) -> bool:
    """Return whether the state or an output lacks a value that could not be stored, and may be recomputed."""
    return any(True for part in _parts(source, upto) for _ in unstored_in(part))


def lacking_secrets(source: Source, upto: int) -> set[str]:
    """Return the names of all secrets that are missing in the state and the outputs."""
    return {missing.name for part in _parts(source, upto) for missing in redacted_in(part)}


def _parts(source: Source, upto: int) -> Iterator[Any]:
    yield source.initial
    for event in source.events[:upto]:
        yield event.data.get("output")


async def recompute(engine: WorkflowEngine, plan: Plan, source: Source, upto: int) -> tuple[Source, list[str]]:
    """Recompute the values that could not be stored and are still needed.

    Returns:
        The source with complete events, and a note for each firing that ran again.

    Raises:
        StoreError: A value cannot be recomputed.
    """
    if not any(map(lacks, _parts(source, upto))):
        return source, []
    recomputation = Recomputation(engine, plan, source.initial, source.events[:upto])
    await recomputation.run()
    return replace(source, events=recomputation.events + source.events[upto:]), recomputation.notes


def past_of(
    source: Source, plan: Plan, upto: int, edits: Mapping[str, Any] | None, *, fork: bool, routes_from_log: bool = False
) -> ResumePoint:  # fmt: skip
    """Return the state that a run starts from: its events, replayed on the current graph.

    With `routes_from_log` the replay takes the edges that the events name, and evaluates no condition: it may read a
    secret that is missing.

    Raises:
        RunStateError: An event, which is named, does not fit the graph.
    """
    events = source.events[:upto]
    replay = Replay(plan, source.initial, rules=rules_of(events), routes_from_log=routes_from_log)
    with garbage_collection_paused():
        replay.feed(events)
    resumed: dict[str, Any] = {"parent": source.id, "at": upto} if fork else {}
    if replay.scheduler.rules != RULES:  # every later start follows the current rules
        resumed["rules"] = replay.scheduler.rules = RULES
    if edits:
        learn(edits)
        resumed["edited"] = own(dict(edits))
        replay.scheduler.edit(resumed["edited"])
    return ResumePoint(replay, events, stored=upto, seconds=seconds_of(events), data=resumed)


def check_classes(session_store: SessionStore, source: Source, past: ResumePoint, registry: ToolRegistry) -> None:
    """Refuse to resume where a tool would get a dict of fields instead of an object whose class is missing.

    Raises:
        RunStateError: The class of an object is missing, or its fields do not fit. The error names the key, the node,
            the class, and what to do, such as the cell to run.
    """
    if not source.notes or source.head is None:
        return  # every stored value was restored exactly
    found: dict[str, tuple[ReadableValue, Substitute]] = {}
    for part in readable_values(past.replay.scheduler.root, registry):
        for substitute in substitutes_in(part.value):
            found.setdefault(substitute.cls, (part, substitute))
    if not found:
        return
    notebook = next(iter(_files_of(session_store, source)), None)
    lines = [_substitute_line(*pair, notebook) for pair in list(found.values())[:_MOST_CLASSES]]
    more = [f"and {len(found) - _MOST_CLASSES} more classes"] if len(found) > _MOST_CLASSES else []
    raise RunStateError("\n".join([f"run {source.id} cannot resume yet:", *lines, *more]))


def read_secrets(past: ResumePoint, registry: ToolRegistry) -> set[str]:
    """Return the names of the secrets that are missing in values which a task that has yet to run may read."""
    parts = readable_values(past.replay.scheduler.root, registry)
    return {missing.name for part in parts for missing in redacted_in(part.value)}


def _substitute_line(part: ReadableValue, substitute: Substitute, notebook: Path | None) -> str:
    reader = "its reducer" if part.reader is None else f"node {part.reader!r}"
    return f"{reader} reads {part.key!r}, and {substitute.why}; {_cure(substitute, part.key, notebook)}"


def _cure(substitute: Substitute, key: str, notebook: Path | None) -> str:
    module, _, bare = substitute.cls[:400].rpartition(".")
    if substitute.is_known:
        return f"define the class with its former fields, or fork the run with a new value of {key!r}"
    if module.partition(".")[0] != "__main__":
        return f"import {module} and call nbflow.register_type({bare}), then resume again"
    return _cell_to_run(substitute.cls.removeprefix("__main__.").partition(".")[0][:200], notebook)


def _files_of(session_store: SessionStore, source: Source) -> list[Path]:
    """Return the files whose cells may define the tools of a run: this process's notebook, then the run's."""
    row = None if source.head is None else source.head.row
    names = [session_store.notebook(), *((row.notebook, row.origin) if row else ())]
    return [(session_store.folder or Path()) / name for name in dict.fromkeys(names) if name]


def with_cures(
    error: GraphError, session_store: SessionStore, source: Source, graphs: Mapping[str, GraphDefinition],
    registry: ToolRegistry,
) -> GraphError:  # fmt: skip
    """Return the error of a graph that cannot run here, with the cell to run for each tool that is not defined."""
    graph = graphs[source.name]
    files = _files_of(session_store, source)
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
        f"node {node!r} names unknown tool {tool!r}; {_cell_to_run(tool, *files) if in_cells else other}{started}"
        for tool, node in tools.items()
    ]
    return GraphError([*cures, *others], graph=error.graph)


def _cell_to_run(name: str, *notebooks: Path | None) -> str:
    """Return the advice to run the cell that defines a class or tool, with the cell's number where it is found."""
    cell = next(filter(None, (_cell_that_defines(name, each) for each in notebooks if each is not None)), "")
    return f"run the cell that defines {name}{cell}, then resume again"


def _cell_that_defines(name: str, notebook: Path) -> str:
    """Return the last cell of a notebook that defines a name, as ` (In [3] of flows.ipynb)`; empty without one."""
    pattern = re.compile(rf"^((async\s+)?def\s+|class\s+){re.escape(name)}\b|^{re.escape(name)}\s*=", re.MULTILINE)
    found = [label for label, source in _cells(notebook) if pattern.search(source)]
    return f" ({found[-1]} of {notebook.name})" if found else ""


def _cells(notebook: Path) -> Iterator[tuple[str, str]]:
    """Yield the label and the source of each code cell of a notebook; nothing if the file cannot be read."""
    try:
        if notebook.suffix != ".ipynb" or notebook.stat().st_size > _MOST_BYTES:
            return
        cells: Any = json.loads(notebook.read_text(encoding="utf-8-sig"))["cells"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return
    if not isinstance(cells, list):
        return
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    for number, cell in enumerate(code, 1):
        source, count = cell.get("source"), cell.get("execution_count")
        text = "".join(map(str, source)) if isinstance(source, list) else source
        if isinstance(text, str):
            yield f"In [{count}]" if isinstance(count, int) else f"code cell {number}", text


def changed_tools(head: RunHead, registry: ToolRegistry) -> list[str]:
    """Return the tools whose source has changed since the run last used them."""
    last = {tool.name: tool.hash for tool in head.tools}
    return [name for name, had in last.items() if had and name in registry and registry.get(name).source_hash != had]
