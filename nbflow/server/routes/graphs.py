"""Routes of graphs and tools, with the JSON schemas of the state and the parameters that they take."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import Response
from pydantic import AfterValidator, Field, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticSerializationError

from nbflow.graph import GraphDefinition
from nbflow.graph.needs import needs
from nbflow.graph.params import without_secrets
from nbflow.json_values import own_data
from nbflow.names import identifier
from nbflow.secrets import MASK
from nbflow.server import schemas
from nbflow.server.errors import problems
from nbflow.server.graph_store import Shelved
from nbflow.server.responses import sent
from nbflow.server.routes import Serving
from nbflow.server.validation import MOST_OF_A_NAME, MOST_OF_AN_ID, NAME, JsonRoute, graph_id_of, name_of_graph
from nbflow.session import Session
from nbflow.session.serialization import definition_data
from nbflow.state import MISSING
from nbflow.tools import ToolSpec

router = APIRouter(route_class=JsonRoute)
Id = Annotated[
    str,
    Path(min_length=1, max_length=MOST_OF_AN_ID, pattern=NAME, description="the graph's id, or its name"),
    AfterValidator(name_of_graph),
    AfterValidator(identifier),
]
Version = Annotated[Annotated[int, Field(ge=1, le=2**31 - 1)] | SkipJsonSchema[None], Query()]
_LINKS = {
    operation: {"operationId": operation, "parameters": {"graph_id": "$response.body#/id"}}
    for operation in ("get_graph", "delete_graph")
}
Definition = Annotated[
    dict[str, Any],
    Body(
        description="A graph in JSON, as `%%flow_graph` takes it; it must have a name.",
        json_schema_extra={
            "allOf": [{"$ref": "#/components/schemas/GraphDefinition"}],
            "required": ["name"],
            "properties": {"name": {"minLength": 1, "maxLength": MOST_OF_A_NAME, "pattern": NAME}},
        },
        examples=[{"name": "Doubled", "nodes": [{"node_id": "a", "tool": "pass"}]}],
    ),
]


@router.post(
    "/graphs/create", status_code=201, response_model=schemas.GraphCreated, operation_id="create_graph",
    responses={201: {"links": _LINKS}, **problems(404, 409)},
)  # fmt: skip
async def create_graph(definition: Definition, service: Serving) -> schemas.GraphCreated:
    """Store a graph of registered tools, so that it can be run; a graph of the same name gets a new version."""
    kept = await service.shelf.keep(definition)
    return schemas.GraphCreated(id=graph_id_of(kept.graph.name), name=kept.graph.name, version=kept.version or 0)


@router.get("/graphs", response_model=schemas.GraphList, operation_id="list_graphs", responses=problems())
async def list_graphs(service: Serving) -> Response:
    """List the graphs that can be run, by name."""
    return sent({"graphs": [_listed(each) for each in await service.shelf.all()]})


@router.get(
    "/graphs/{graph_id:path}", response_model=schemas.GraphDetail, operation_id="get_graph", responses=problems(404)
)
async def get_graph(graph_id: Id, service: Serving, version: Version = None) -> Response:
    """Return a graph, by default its current version."""
    found = await service.shelf.get(graph_id, version)
    return await service.shelf.work.run(_shown, found, service.session)


@router.delete(
    "/graphs/{graph_id:path}",
    response_model=schemas.GraphDeleted,
    operation_id="delete_graph",
    responses=problems(404, 409),
)
async def delete_graph(
    graph_id: Id, service: Serving, force: Annotated[bool, Query(description="delete its runs with it")] = False
) -> schemas.GraphDeleted:
    """Delete a graph that a client created, with all its versions."""
    return schemas.GraphDeleted(deleted=await service.shelf.delete(graph_id, force=force))


@router.get("/tools", response_model=schemas.ToolList, operation_id="list_tools", responses=problems())
async def list_tools(service: Serving) -> Response:
    """List the tools that graphs may name, each with the JSON schema of its parameters."""
    told = [
        {"name": spec.name, "doc": spec.doc, "version": spec.version, "parameters": parameters_of(spec)}
        for spec in service.session.tools()
    ]
    return sent({"tools": told})


def _shown(found: Shelved, session: Session) -> Response:
    graph = without_secrets(found.graph, MASK)
    text, schema = graph.to_text(), state_schema(found.graph, session)
    return sent(_listed(found) | {"definition": definition_data(graph), "text": text, "state_schema": schema})


def _listed(found: Shelved) -> dict[str, Any]:
    name = found.graph.name
    told = {"version": found.version, "nodes": len(found.graph.nodes), "runs": found.runs, "sent": found.sent}
    return {"id": graph_id_of(name), "name": name, **told}


def parameters_of(spec: ToolSpec) -> dict[str, Any]:
    """Return the schema of an object of a tool's parameters."""
    types = spec.types
    keys = [Key(param.name, types.get(param.name, Any), param.default, param.required) for param in spec.params]
    whole = spec.parameters.whole
    fields = whole.fields if whole is not None else ()
    keys += [Key(each.name, each.annotation, each.default, each.required) for each in fields]
    return {**_object(keys), "additionalProperties": spec.takes_kwargs or spec.takes_state}


def state_schema(graph: GraphDefinition, session: Session) -> dict[str, Any]:
    """Return the schema of the initial state that a graph needs; other keys are allowed."""
    asked = needs(graph, session.registry, session.graphs)
    schema = _object([Key(need.name, need.annotation, need.default, need.required, need.help) for need in asked])
    for text in (part for part in schema["properties"].values() if part.get("type") == "string"):
        if not text.keys() & {"format", "enum", "const", "pattern"}:
            text["format"] = "multiline"  # a field of the schema itself: it may be a whole file
    return schema


class Key(NamedTuple):
    """A key of an object: its Python type, its default or MISSING, and its description."""

    name: str
    annotation: Any
    default: Any
    required: bool
    help: str = ""


def _object(keys: list[Key]) -> dict[str, Any]:
    adapters = {key.name: adapter for key in keys if (adapter := _adapter(key.annotation)) is not None}
    # All schemas in one call, as references resolve to definitions at the top of the document.
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
