"""Secrets in the params of nodes: removed where a graph is stored, restored before it runs.

Invariant: the placeholder of a secret contains its name, so that a graph that was read back cannot run with the
placeholder as a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbflow import secrets
from nbflow.graph.model import GraphDefinition
from nbflow.secrets import Supply

PLACEHOLDER = "$secret"


def without_secrets(graph: GraphDefinition, mask: str | None = None) -> GraphDefinition:
    """Return a graph with `{"$secret": NAME}`, or a mask, in place of each secret in its params."""
    nodes = [(node, _without(node.params, "", mask)) for node in graph.nodes]
    if all(params is node.params for node, params in nodes):
        return graph
    masked = [node if params is node.params else node.model_copy(update={"params": params}) for node, params in nodes]
    return graph.model_copy(update={"nodes": tuple(masked)})


def _without(value: Any, name: str, mask: str | None) -> Any:
    """Return a value without its secrets; the value itself if it has none."""
    if isinstance(value, dict):
        parts = {key: _part(key, part, f"{name}.{key}".removeprefix("."), mask) for key, part in value.items()}
        return value if all(parts[key] is value[key] for key in value) else parts
    if isinstance(value, list):
        items = [_without(item, f"{name}[{at}]", mask) for at, item in enumerate(value)]
        return value if all(map(_is, items, value)) else items
    return _stand_in(value, name, mask) if secrets.is_secret(value) or _is_known(value) else value


def _part(key: Any, value: Any, name: str, mask: str | None) -> Any:
    return _stand_in(value, name, mask) if secrets.covers(key, value) else _without(value, name, mask)


def _is(one: Any, other: Any) -> bool:
    return one is other


def _is_known(value: Any) -> bool:
    return type(value) is str and secrets.contains(value)


def _stand_in(value: Any, name: str, mask: str | None) -> Any:
    if isinstance(value, Mapping) and PLACEHOLDER in value:
        return value if mask is None else mask
    secrets.learn_value(value)
    return {PLACEHOLDER: name, "kind": secrets.kind_of(value)} if mask is None else mask


def with_secrets(value: Any, supply: Supply) -> Any:
    """Return the plain data of a graph with the secrets of `supply`, which records the names of those it lacks."""
    if isinstance(value, dict):
        name = value.get(PLACEHOLDER)
        if isinstance(name, str):
            given = supply.value(name, str(value.get("kind", "str")))
            return value if type(given) is secrets.Redacted else given
        return {key: with_secrets(part, supply) for key, part in value.items()}
    return [with_secrets(item, supply) for item in value] if isinstance(value, list) else value


def lacking(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the placeholders in a node's params."""
    left: list[Any] = [params]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            name = value.get(PLACEHOLDER)
            if isinstance(name, str):
                yield name
            left += value.values()
        elif isinstance(value, list):
            left += value
