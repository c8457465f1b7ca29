"""Normalise names to NFKC, as Python normalises identifiers.

In `def f(µ)`, the name of the parameter is the Greek letter, even if the micro sign was typed. Therefore names that are
identifiers are normalised when they enter nbflow: keys of a state, params, nodes, tools, graphs, reducers. Other texts
and keys inside values are not changed.

Keys that an earlier version stored may not be normalised, so lookups in a state (`key_for`) also find other forms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from nbflow.errors import NameClashError

Value = TypeVar("Value")

_NODES_FIELDS = ("node_id", "tool", "graph", "map", "as", "as_", "into")
_EDGES_FIELDS = ("from_node", "to_node")


def identifier(name: str) -> str:
    """Return the normalised form of an identifier; any other name unchanged."""
    return name if name.isascii() or not name.isidentifier() else unicodedata.normalize("NFKC", name)


def normalised(values: Mapping[str, Value], what: str) -> dict[str, Value]:
    """Return values under normalised names; `what` says in an error what they are, such as `the initial state`.

    Raises:
        NameClashError: Two keys become one; the message names both.
    """
    found: dict[str, Value] = {}
    written: dict[str, str] = {}
    for key, value in values.items():
        name = identifier(key) if isinstance(key, str) else key
        if name in found:
            raise NameClashError(what, written[name], key, name)
        found[name], written[name] = value, key
    return found


def are_normal(names: Iterable[Any]) -> bool:
    """Return whether all names are ASCII, so that none has another form."""
    return all(not isinstance(name, str) or name.isascii() for name in names)


def node_path(path: str) -> str:
    """Return the path of a node, such as `review[3]/extract`, with the name of each node normalised."""
    return "".join(identifier(part) for part in re.split(r"([/\[\]])", path)) if not path.isascii() else path


def by_identifier(values: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return values under the names that parameters would have; the mapping itself where these are its keys.

    Of two keys that become one, which only graphs stored before names were normalised have, the normalised one counts.
    """
    if all(map(str.isascii, values)):
        return values
    return {identifier(key): value for key, value in values.items()} | {
        key: value for key, value in values.items() if identifier(key) == key
    }


def key_for(name: str, values: Mapping[str, Any]) -> str | None:
    """Return the key that a parameter takes its value from, if there is one; the same name comes first."""
    if name in values:
        return name
    return next((key for key in values if not are_normal((key,)) and identifier(key) == name), None)


def normalised_graph(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a graph's plain data with its names normalised, and a fault for each two keys that become one.

    Names are those of the graph, of its nodes, tools and subgraphs, of params, of keys of the state and of reducers.
    """
    faults: list[str] = []
    graph = {**data, **_named(data, ("name", "entry_node"))}
    nodes, edges, reducers = data.get("nodes"), data.get("edges"), data.get("reducers")
    if isinstance(nodes, list):
        graph["nodes"] = [_node(node, faults) if isinstance(node, dict) else node for node in nodes]
    if isinstance(edges, list):
        graph["edges"] = [{**e, **_named(e, _EDGES_FIELDS)} if isinstance(e, dict) else e for e in edges]
    if isinstance(reducers, Mapping) and not are_normal([*reducers, *reducers.values()]):
        named = {key: identifier(name) if isinstance(name, str) else name for key, name in reducers.items()}
        graph["reducers"] = _keys(named, "the reducers of the graph", faults)
    return graph, faults


def _named(part: Mapping[str, Any], fields: Iterable[str]) -> dict[str, str]:
    return {
        field: identifier(name) for field in fields if isinstance(name := part.get(field), str) and not name.isascii()
    }


def _node(node: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    params = node.get("params")
    named = {**node, **_named(node, _NODES_FIELDS)}
    if isinstance(params, Mapping) and not are_normal(params):
        named["params"] = _keys(params, f"the params of node {named.get('node_id')!r:.80}", faults)
    return named


def _keys(values: Mapping[str, Any], what: str, faults: list[str]) -> Mapping[str, Any]:
    try:
        return normalised(values, what)
    except NameClashError as error:
        faults.append(str(error))
        return values
