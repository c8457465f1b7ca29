"""What of a run's values something still to run may read, as far as the graph tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nbflow.scheduler import Plan
from nbflow.scheduler.composites import MapRun, SubRun
from nbflow.scheduler.plan import NodePlan
from nbflow.scheduler.tokens import GraphRun
from nbflow.tools import ToolRegistry


@dataclass(frozen=True, slots=True)
class Readable:
    """A value of the state; `reader` is the node that may read it, or whose conditions may, None for a reducer."""

    key: str
    value: Any
    reader: str | None


@dataclass(slots=True)
class _Readers:
    """By key the first node that may read it; `whole` is the first that may read any key."""

    by_key: dict[str, str | None]
    whole: str | None = None

    def reads(self, key: str) -> bool:
        return self.whole is not None or key in self.by_key

    def of(self, key: str) -> str | None:
        return self.by_key.get(key, self.whole)


def readable(run: GraphRun, registry: ToolRegistry) -> Iterator[Readable]:
    """Give the values of a run, and of the subgraphs inside it, that something still to run may read."""
    readers = _Readers(dict.fromkeys(run.plan.folds))
    _add_readers(readers, _reachable(run), run.prefix, registry)
    for path in run.paths():
        for key, value in path.items():
            if readers.reads(key):
                yield Readable(key, value, readers.of(key))
    for task in run.tasks():
        inside = task.composite
        if isinstance(inside, MapRun):
            key = task.node.id
            yield from (Readable(key, value, readers.of(key)) for value in inside.results if readers.reads(key))
        for part in inside.tasks() if isinstance(inside, MapRun) else [task]:
            if isinstance(part.composite, SubRun):
                yield from readable(part.composite.run, registry)


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
    """Note the keys that nodes, what is inside them, and the conditions behind them may read."""
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
