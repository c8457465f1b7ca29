"""Graphs as JSON text, and back.

The text has only what the author of a graph wrote; the rest comes from the tools. A param that JSON cannot represent
exactly, such as a date, is stored as `{"$value": TREE}` in the form of stored values. Objects of classes with fields
are stored as pydantic writes them, because a graph has no codecs that rebuild them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from pydantic_core import PydanticSerializationError

from nbflow.errors import NbflowError, StoreError
from nbflow.graph import GraphDefinition
from nbflow.graph.model import AS_STORED
from nbflow.graph.params import PLACEHOLDER, with_secrets, without_secrets
from nbflow.secrets import Supply
from nbflow.store.codecs.builtin import FORMS
from nbflow.store.codecs.classes import Classes, sort_of
from nbflow.store.codecs.errors import Refused
from nbflow.store.codecs.packer import Packer
from nbflow.store.codecs.unpacker import Unpacker
from nbflow.store.rows import Blob, GraphRow

MARK = "$value"
_JSON = (str, bool, int, type(None))


def graph_of(text: str, supply: Supply | None = None) -> GraphDefinition:
    """Return a stored graph, validated again; `supply` has the secrets among the params of its nodes.

    Raises:
        StoreError: The graph is not valid; the error lists the faults.
    """
    try:
        data = json.loads(text)
        if MARK in text:
            restore_params(data)
        known = with_secrets(data, supply) if supply and PLACEHOLDER in text else data
        return GraphDefinition.model_validate(known, context=AS_STORED)
    except (NbflowError, ValueError, RecursionError) as error:
        raise StoreError(f"a stored graph is not valid, so it was altered or is damaged: {error}") from error


def text_of(graph: GraphDefinition) -> str:
    """Return the stored text of a graph: only what its author wrote, because the rest comes from the tools.

    Raises:
        StoreError: A param has no stored form.
    """
    try:
        return with_stored_params(without_secrets(graph)).model_dump_json(exclude_unset=True, by_alias=True)
    except PydanticSerializationError as error:
        raise StoreError(f"a param of graph {graph.name!r} has no stored form: {error}") from error


def row_of(graph: GraphDefinition) -> GraphRow:
    """Return a graph as a row; the store assigns its version."""
    definition = text_of(graph)
    return GraphRow(graph.name, hashlib.sha256(definition.encode()).hexdigest(), definition)


def with_stored_params(graph: GraphDefinition) -> GraphDefinition:
    """Return a graph with placeholders for the params that JSON cannot represent; the same graph without any."""
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
    """Return whether JSON would change a value, and the value has a stored form."""
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
    """Return whether a value is, or contains, an object without a builtin form."""
    if isinstance(value, dict):
        return any(_has_fields(part) for part in (*value, *value.values()))
    if isinstance(value, list | tuple | set | frozenset) and sort_of(type(value)) is None:
        return any(_has_fields(part) for part in value)
    return not isinstance(value, (*_JSON, float)) and type(value) not in FORMS


def _tree(value: Any) -> Any:
    return Packer(Classes(), inline=True).tree(value)


def restore_params(data: Any) -> None:
    """Replace the placeholders in the params of a stored graph's plain data by their values, in place.

    Raises:
        StoreError: A placeholder is not as nbflow writes it.
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
    raise StoreError(f"a stored param refers to the value {name[:16]}, and params never do; the store was altered")
