"""What a tool takes, as a JSON schema.

Rule: pydantic says it; a type that JSON has no form for is left open.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError

from nbflow.tools import ToolParam, ToolSpec
from nbflow.wire import plain


def parameters_of(spec: ToolSpec) -> dict[str, Any]:
    """Return the schema of an object of a tool's parameters; definitions stand within their parameter's schema."""
    types = spec.types
    return {
        "type": "object",
        "properties": {param.name: _schema(param, types.get(param.name, Any)) for param in spec.params},
        "required": [param.name for param in spec.params if param.required],
        "additionalProperties": spec.takes_kwargs or spec.takes_state,
    }


def _schema(param: ToolParam, hint: Any) -> dict[str, Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        schema = adapter.json_schema()
    except (PydanticUserError, TypeError, NameError):
        return {}
    if param.required:
        return schema
    try:
        return {**schema, "default": adapter.dump_python(param.default, mode="json", warnings=False)}
    except (PydanticSerializationError, ValueError):
        return {**schema, "default": plain(param.default)}
