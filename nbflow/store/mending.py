"""Values that no store could keep, made once more for a run that goes on without the process that had them.

Rule: a firing runs again only if something still to run may read what it lacks; what it wrote besides stays as stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbflow.engine import WorkflowEngine
from nbflow.engine.replay import Replay, node_of, rules_of
from nbflow.engine.result import Key, key_of
from nbflow.errors import StoreError
from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition, NodeDefinition
from nbflow.graph.model import AS_STORED
from nbflow.reducers import Unstored
from nbflow.scheduler import Plan
from nbflow.scheduler.commands import steps_of
from nbflow.scheduler.tokens import GraphRun
from nbflow.state_parameter import NAME as STATE
from nbflow.store.readable import readable
from nbflow.tools import ToolRegistry


class Mender:
    """Fills in what the events of a run lack; `said` tells what was run again for it."""

    def __init__(self, engine: WorkflowEngine, plan: Plan, initial: Mapping[str, Any], events: list[Event]) -> None:
        self._engine, self._plan, self._initial, self._events = engine, plan, initial, events
        self.said: list[str] = []
        self._made: dict[int, Any] = {}

    async def mend(self) -> None:
        """Make what is missing and may still be read.

        Raises:
            StoreError: It cannot be made again: it was given to the run, or its tool no longer returns it.
        """
        replay = Replay(self._plan, self._initial, rules=rules_of(self._events))
        replay.feed(self._events)
        needed = wanted(replay.scheduler.root, self._engine.registry)
        told = [event for event in self._events if not event.data.get("derived")]
        makers = {id(marker): event for event in told for marker in _markers(event.data.get("output"))}
        todo: dict[int, Event] = {}
        for marker in needed:
            self._with_inputs(marker, makers, todo)
        for seq in sorted(todo):
            await self._make(todo[seq])

    def _with_inputs(self, marker: Unstored, makers: Mapping[int, Event], todo: dict[int, Event]) -> None:
        """Note the firing that wrote a value, and those that wrote what it read itself."""
        event = makers.get(id(marker))
        if event is None:
            raise StoreError(
                f"a value of the run's initial state was not stored ({marker.why}), and something still to run reads "
                "it; start anew, or fork with the key given"
            )
        if event.seq not in todo:
            todo[event.seq] = event
            for inner in _markers(self._start(event).data.get("input")):
                self._with_inputs(inner, makers, todo)

    def _start(self, end: Event) -> Event:
        same: Key = key_of(end)
        starts = [e for e in self._events[: end.seq] if e.kind is Kind.NODE_START and key_of(e) == same]
        return starts[-1]

    async def _make(self, event: Event) -> None:
        node = _definition(self._plan, event)
        start = self._start(event)
        # What it lacked itself has been made by now, in the events that it was read from.
        given = _keys_given(node, start.data["input"], self._engine.registry)
        given = {key: self._made.get(id(value), value) for key, value in given.items()}
        result = await self._engine.execute(_alone(node), given)
        output = result.logs[-1].output or {}
        self.said.append(f"{event.node!r} ran again: what it returned then could not be stored")
        if "item" in event.data:
            raw = output[node.node_id] if output.keys() == {node.node_id} else output
            self._made[id(event.data["output"])] = raw
            event.data["output"] = raw
            return
        for key, value in list(event.data["output"].items()):
            if type(value) is Unstored:
                if key not in output:
                    told = f"node {event.node!r} no longer returns {key!r}, which could not be stored and is still read"
                    raise StoreError(told)
                self._made[id(value)] = output[key]
                event.data["output"][key] = output[key]


def _keys_given(node: NodeDefinition, given: Mapping[str, Any], registry: ToolRegistry) -> dict[str, Any]:
    """Return the keys that a firing's tool was given: those of the whole state too, where `state` is that."""
    whole = given.get(STATE) if registry.get(node.tool or "").takes_state and STATE not in node.params else None
    if not isinstance(whole, Mapping):
        return dict(given)
    return {**whole, **{name: value for name, value in given.items() if name != STATE}}


def _markers(value: Any) -> Iterator[Unstored]:
    if type(value) is Unstored:
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _markers(inner)
    elif isinstance(value, list):
        yield from (inner for inner in value if type(inner) is Unstored)


def _definition(plan: Plan, event: Event) -> NodeDefinition:
    for step in steps_of(key_of(event)[0]) or ():
        inner = next(node for node in plan.nodes if node.id == step.node).subplan
        assert inner is not None  # noqa: S101 - a scope leads through subgraphs
        plan = inner
    return next(node for node in plan.nodes if node.id == node_of(event)).definition


def _alone(node: NodeDefinition) -> GraphDefinition:
    """Return a graph of this node alone: of a map, for one item."""
    kept = ("node_id", "tool", "retries", "backoff", "timeout", "executor")
    said = {name: getattr(node, name) for name in kept if name in node.model_fields_set}
    return GraphDefinition.model_validate({"nodes": [said]}, context=AS_STORED)


def wanted(run: GraphRun, registry: ToolRegistry) -> list[Unstored]:
    """Return the missing values that something still to run may read, as far as the graph tells."""
    return [marker for part in readable(run, registry) for marker in _markers(part.value)]
