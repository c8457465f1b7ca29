"""Recompute values that could not be stored, when a run resumes in another process.

A firing runs again only if a task that has yet to run may read a value that the stored output of the firing lacks. The
other keys of its output are taken from the store, so a stored key never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbflow.engine import WorkflowEngine
from nbflow.engine.replay import Replay, node_of, rules_of
from nbflow.engine.result import Key, key_of
from nbflow.errors import StoreError
from nbflow.events import Event, Kind
from nbflow.functions.arguments import STATE
from nbflow.graph import GraphDefinition, NodeDefinition
from nbflow.graph.model import AS_STORED
from nbflow.scheduler import Plan
from nbflow.scheduler.commands import steps_of
from nbflow.scheduler.composites import MapRun, SubgraphRun
from nbflow.scheduler.plan import NodePlan
from nbflow.scheduler.tokens import GraphRun
from nbflow.state import Unstored
from nbflow.tools import ToolRegistry


class Recomputation:
    """Recomputes the values that the events of a run lack.

    Attributes:
        events: The events of the run. `run` replaces those whose output was completed; no event is changed in place.
        notes: A sentence for each firing that ran again.
    """

    def __init__(self, engine: WorkflowEngine, plan: Plan, initial: Mapping[str, Any], events: list[Event]) -> None:
        self.events = [*events]
        self.notes: list[str] = []
        self._engine, self._plan, self._initial = engine, plan, initial
        self._stored = events  # so that no marker is freed while its id is in use below
        self._values: dict[int, Any] = {}
        """The recomputed values, by the id of the marker that each replaces."""

    async def run(self) -> None:
        """Recompute the missing values that a task that has yet to run may read.

        Raises:
            StoreError: A value cannot be recomputed: it belongs to the initial state, or its tool no longer returns it.
        """
        replay = Replay(self._plan, self._initial, rules=rules_of(self.events))
        replay.feed(self.events)
        needed = missing_values(replay.scheduler.root, self._engine.registry)
        own = [event for event in self.events if not event.data.get("derived")]
        writers = {id(marker): event for event in own for marker in unstored_in(event.data.get("output"))}
        firings: dict[int, Event] = {}
        for marker in needed:
            self._add_with_inputs(marker, writers, firings)
        for seq in sorted(firings):
            await self._run_again(firings[seq])

    def _add_with_inputs(self, marker: Unstored, writers: Mapping[int, Event], firings: dict[int, Event]) -> None:
        """Add the firing that wrote a missing value, and the firings that wrote the missing values it read itself."""
        event = writers.get(id(marker))
        if event is None:
            raise StoreError(
                f"a value of the run's initial state was not stored ({marker.why}), and a node that is still to run "
                "reads it; start a new run, or fork this one with a value for that key"
            )
        if event.seq not in firings:
            firings[event.seq] = event
            for inner in unstored_in(self._start(event).data.get("input")):
                self._add_with_inputs(inner, writers, firings)

    def _start(self, end: Event) -> Event:
        same: Key = key_of(end)
        starts = [e for e in self.events[: end.seq] if e.kind is Kind.NODE_START and key_of(e) == same]
        return starts[-1]

    async def _run_again(self, event: Event) -> None:
        node = _definition(self._plan, event)
        given = _keys_given(node, self._start(event).data["input"], self._engine.registry)
        # Firings run in the order of their events, so the values that this one lacked have been recomputed by now.
        given = {key: self._values.get(id(value), value) for key, value in given.items()}
        result = await self._engine.execute(_alone(node), given)
        output = result.logs[-1].output or {}
        self.notes.append(f"{event.node!r} ran again: its output could not be stored")
        if "item" in event.data:
            completed = output[node.node_id] if output.keys() == {node.node_id} else output
            self._values[id(event.data["output"])] = completed
        else:
            completed = self._completed(event, output)
        self.events[event.seq - 1] = replace(event, data={**event.data, "output": completed})

    def _completed(self, event: Event, output: Mapping[str, Any]) -> dict[str, Any]:
        """Return the stored output of an event with the keys that it lacks taken from a new output."""
        completed = dict(event.data["output"])
        for key, value in event.data["output"].items():
            if type(value) is Unstored:
                if key not in output:
                    raise StoreError(
                        f"node {event.node!r} no longer returns {key!r}, which could not be stored and is still read; "
                        f"restore the tool, or fork the run with a value for {key!r}"
                    )
                self._values[id(value)] = completed[key] = output[key]
        return completed


def _keys_given(node: NodeDefinition, given: Mapping[str, Any], registry: ToolRegistry) -> dict[str, Any]:
    """Return the keys that a firing passed to its tool, including the keys of a whole `state`."""
    whole = given.get(STATE) if registry.get(node.tool or "").takes_state and STATE not in node.params else None
    if not isinstance(whole, Mapping):
        return dict(given)
    return {**whole, **{name: value for name, value in given.items() if name != STATE}}


def unstored_in(value: Any) -> Iterator[Unstored]:
    """Yield the values within a value that could not be stored."""
    if type(value) is Unstored:
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from unstored_in(inner)
    elif isinstance(value, list):
        yield from (inner for inner in value if type(inner) is Unstored)


def _definition(plan: Plan, event: Event) -> NodeDefinition:
    for step in steps_of(key_of(event)[0]) or ():
        inner = next(node for node in plan.nodes if node.id == step.node).subplan
        assert inner is not None  # noqa: S101 - a scope leads through subgraphs
        plan = inner
    return next(node for node in plan.nodes if node.id == node_of(event)).definition


def _alone(node: NodeDefinition) -> GraphDefinition:
    """Return a graph of one node; of a map, for one item."""
    copied = ("node_id", "tool", "retries", "backoff", "timeout", "executor")
    options = {name: getattr(node, name) for name in copied if name in node.model_fields_set}
    return GraphDefinition.model_validate({"nodes": [options]}, context=AS_STORED)


def missing_values(run: GraphRun, registry: ToolRegistry) -> list[Unstored]:
    """Return the values that were not stored and that, by the graph, a task that has yet to run may read."""
    return [marker for part in readable_values(run, registry) for marker in unstored_in(part.value)]


@dataclass(frozen=True, slots=True)
class ReadableValue:
    """A value of the state; `reader` is the node that may read it, or whose conditions may; None for a reducer."""

    key: str
    value: Any
    reader: str | None


@dataclass(slots=True)
class _Readers:
    """For each key the first node that may read it; `whole` is the first node that may read any key."""

    by_key: dict[str, str | None]
    whole: str | None = None

    def reads(self, key: str) -> bool:
        return self.whole is not None or key in self.by_key

    def of(self, key: str) -> str | None:
        return self.by_key.get(key, self.whole)


def readable_values(run: GraphRun, registry: ToolRegistry) -> Iterator[ReadableValue]:
    """Yield the values of a run and its subgraphs that a task that has yet to run may read."""
    readers = _Readers(dict.fromkeys(run.plan.folds))
    _add_readers(readers, _reachable(run), run.prefix, registry)
    for path in run.paths():
        for key, value in path.items():
            if readers.reads(key):
                yield ReadableValue(key, value, readers.of(key))
    for task in run.tasks():
        composite = task.composite
        if isinstance(composite, MapRun):
            key = task.node.id
            yield from (ReadableValue(key, each, readers.of(key)) for each in composite.results if readers.reads(key))
        for part in composite.tasks() if isinstance(composite, MapRun) else [task]:
            if isinstance(part.composite, SubgraphRun):
                yield from readable_values(part.composite.run, registry)


def _reachable(run: GraphRun) -> list[NodePlan]:
    found: dict[NodePlan, None] = {}
    left = run.positions()
    while left:
        node = left.pop(0)
        if node not in found:
            found[node] = None
            left += [edge.target for edge in node.edges + node.error_edges if edge.target is not None]
    return list(found)


def _add_readers(readers: _Readers, nodes: Iterable[NodePlan], prefix: str, registry: ToolRegistry) -> None:
    """Add the keys that nodes, their subgraphs and the conditions of their edges may read."""
    for node in nodes:
        name = prefix + node.id
        keys = {name for edge in node.conditional if edge.condition for name in edge.condition.names}
        if node.definition.map is not None:
            keys.add(node.definition.map)
        if node.subplan is not None:
            _add_inner(readers, node.subplan, name, registry)
        else:
            spec = registry.get(node.definition.tool or "")
            if spec.takes_state and readers.whole is None:
                readers.whole = name
            keys |= {param.name for param in spec.params if param.name not in node.definition.params}
        for key in keys:
            readers.by_key.setdefault(key, name)


def _add_inner(readers: _Readers, plan: Plan, name: str, registry: ToolRegistry) -> None:
    inner = _Readers(dict.fromkeys(plan.folds))
    _add_readers(inner, plan.nodes, f"{name}/", registry)
    for key, reader in inner.by_key.items():
        readers.by_key.setdefault(key, reader)
    readers.whole = readers.whole or inner.whole
