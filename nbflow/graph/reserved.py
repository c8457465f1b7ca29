"""Names that mean something of their own in conditions or to the engine, and parameters that have them.

`state` is none of them: what a parameter of that name gets is the matter of its annotation (SEMANTICS rule 19).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from nbflow.conditions.operations import FUNCTIONS
from nbflow.graph.model import GraphDefinition, NodeDefinition

if TYPE_CHECKING:
    from nbflow.tools import ToolRegistry, ToolSpec

CONSTANTS = frozenset({"true", "false", "null"})
"""Words that conditions read as constants."""
ERROR = "error"
"""The key that error edges write."""


def shadowing(graph: GraphDefinition, registry: ToolRegistry, reached: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each parameter of a node's tool, and param of a node, that has a reserved name."""
    failing = {edge.to_node for edge in graph.edges if edge.type == "error"}
    reached = set(reached)
    for node in graph.nodes:
        if node.node_id not in reached:
            continue
        spec = registry.get(node.tool) if node.tool is not None and node.tool in registry else None
        for name, kind in _names(node, spec).items():
            if (meaning := _meaning(name, node, registry, failing)) is not None:
                yield f"node {node.node_id!r}: {kind} {name!r} shadows a reserved name: {meaning}"


def _names(node: NodeDefinition, spec: ToolSpec | None) -> dict[str, str]:
    """Return the names that a node's tool takes, each with what it is."""
    named = {} if spec is None else {param.name: f"of tool {spec.name!r} the parameter" for param in spec.params}
    if node.map is not None and node.as_ is not None:
        named.setdefault(node.as_, "the map's item")
    return {**dict.fromkeys(node.params, "the param"), **named}


def _meaning(name: str, node: NodeDefinition, registry: ToolRegistry, failing: set[str]) -> str | None:
    """Return what a name means where it is reserved, and what to do; None for any other."""
    if name in CONSTANTS:
        return f"a condition reads {name!r} as a constant, and the key only as state[{name!r}]; give it another name"
    if name in FUNCTIONS or name in registry.predicates:
        kind = "built-in function" if name in FUNCTIONS else "predicate"
        return f"conditions call the {kind} {name!r}, so the key of this name reads like it; give it another name"
    if name.startswith("__"):
        return f"conditions refuse names with two underscores in front, and read the key only as state[{name!r}]"
    if name == ERROR and name in node.params and node.node_id in failing:
        return "the error edge that leads here writes the key 'error', and the param hides it; give it another name"
    return None
