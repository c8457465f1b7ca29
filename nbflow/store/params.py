"""The params of nodes in a stored graph: as JSON where that says them exactly, else in the form of stored values.

A param such as a date is stored as `{"$value": TREE}`. Objects of classes with fields are stored as pydantic writes
them, as a graph has no codecs that rebuild them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from nbflow.errors import StoreError
from nbflow.graph import GraphDefinition
from nbflow.store.rows import Blob
from nbflow.store.values.classes import Classes, sort_of
from nbflow.store.values.faults import Refused
from nbflow.store.values.forms import FORMS
from nbflow.store.values.packing import Packer
from nbflow.store.values.unpacking import Unpacker

MARK = "$value"
_JSON = (str, bool, int, type(None))


def with_stored_params(graph: GraphDefinition) -> GraphDefinition:
    """Return a graph with stand-ins for the params that JSON does not say exactly; itself where there are none."""
    stored = [(node, _stored(node.params)) for node in graph.nodes]
    if all(params is node.params for node, params in stored):
        return graph
    nodes = [node if params is node.params else node.model_copy(update={"params": params}) for node, params in stored]
    return graph.model_copy(update={"nodes": tuple(nodes)})


def _stored(params: dict[str, Any]) -> dict[str, Any]:
    if not any(map(_needs_form, params.values())):
        return params
    return {name: {MARK: _tree(value)} if _needs_form(value) else value for name, value in params.items()}


def _needs_form(value: Any) -> bool:
    """Return whether a value is changed by JSON, and has a form of its own."""
    return (isinstance(value, dict) and MARK in value) or (_differs(value) and not _has_fields(value))


def _differs(value: Any) -> bool:
    if isinstance(value, float):
        return not isfinite(value)
    if isinstance(value, dict):
        return any(type(key) is not str for key in value) or any(_differs(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_differs(part) for part in value)
    return not isinstance(value, _JSON) and type(value) in FORMS


def _has_fields(value: Any) -> bool:
    """Return whether a value is, or contains, an object that is stored by its fields or not at all."""
    if isinstance(value, dict):
        return any(_has_fields(part) for part in (*value, *value.values()))
    if isinstance(value, list | tuple | set | frozenset) and sort_of(type(value)) is None:
        return any(_has_fields(part) for part in value)
    return not isinstance(value, (*_JSON, float)) and type(value) not in FORMS


def _tree(value: Any) -> Any:
    return Packer(Classes(), inline=True).tree(value)


def restore_params(data: Any) -> None:
    """Put the values back into the params of a stored graph's plain data.

    Raises:
        StoreError: What is stored is not what nbflow writes.
    """
    nodes = data.get("nodes") if isinstance(data, dict) else None
    for node in nodes if isinstance(nodes, list) else ():
        params = node.get("params") if isinstance(node, dict) else None
        if isinstance(params, dict):
            for name, value in params.items():
                if isinstance(value, dict) and value.keys() == {MARK}:
                    params[name] = _value(value, node.get("node_id"), name)


def _value(stored: Mapping[str, Any], node: Any, name: str) -> Any:
    try:
        return Unpacker(Classes(), _no_blob, None).value(stored[MARK])
    except (Refused, ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"the stored param {name!r} of node {node!r} cannot be read: {error}") from error


def _no_blob(name: str) -> Blob:
    raise StoreError(f"a stored param names the value {name[:16]}, and params name none")
