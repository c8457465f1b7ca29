"""What a tool takes, and what a graph needs to begin with, as JSON schemas.

Rule: pydantic says it; a type that JSON has no form for is left open.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError

from nbflow.graph import GraphDefinition
from nbflow.graph.needs import needs
from nbflow.json_values import own_data
from nbflow.session import Session
from nbflow.state import MISSING
from nbflow.tools import ToolSpec


def parameters_of(spec: ToolSpec) -> dict[str, Any]:
    """Return the schema of an object of a tool's parameters."""
    types = spec.types
    keys = [Key(param.name, types.get(param.name, Any), param.default, param.required) for param in spec.params]
    whole = spec.parameters.whole
    fields = whole.fields if whole is not None else ()
    keys += [Key(each.name, each.annotation, each.default, each.required) for each in fields]
    return {**_object(keys), "additionalProperties": spec.takes_kwargs or spec.takes_state}


def state_schema(graph: GraphDefinition, session: Session) -> dict[str, Any]:
    """Return the schema of the initial state that a graph needs; other keys may stand there too."""
    asked = needs(graph, session.registry, session.graphs)
    schema = _object([Key(need.name, need.annotation, need.default, need.required, need.help) for need in asked])
    for text in (part for part in schema["properties"].values() if part.get("type") == "string"):
        if not text.keys() & {"format", "enum", "const", "pattern"}:
            text["format"] = "multiline"  # the form's own word: it may be a whole file
    return schema


class Key(NamedTuple):
    """A key of an object: its type as Python has it, its default or MISSING, and what it is."""

    name: str
    annotation: Any
    default: Any
    required: bool
    help: str = ""


def _object(keys: list[Key]) -> dict[str, Any]:
    adapters = {key.name: adapter for key in keys if (adapter := _adapter(key.annotation)) is not None}
    # All at once, as their definitions stand at the top, where references look for them.
    schemas, shared = TypeAdapter.json_schemas([(name, "validation", each) for name, each in adapters.items()])
    properties = {}
    for key in keys:
        schema = dict(schemas.get((key.name, "validation"), {}))
        properties[key.name] = schema | _about(key, adapters.get(key.name))
    required = [key.name for key in keys if key.required]
    return {"type": "object", "properties": properties, "required": required, **shared}


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        adapter.json_schema()
    except (PydanticUserError, TypeError, NameError):
        return None
    return adapter


def _about(key: Key, adapter: TypeAdapter[Any] | None) -> dict[str, Any]:
    told: dict[str, Any] = {"title": key.name} | ({"description": key.help} if key.help else {})
    if key.default is not MISSING:
        told["default"] = _default(key.default, adapter)
    return told


def _default(value: Any, adapter: TypeAdapter[Any] | None) -> Any:
    try:
        return own_data(value if adapter is None else adapter.dump_python(value, mode="json", warnings=False))
    except (PydanticSerializationError, ValueError):
        return own_data(value)
