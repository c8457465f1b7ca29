"""Routes of graphs and tools."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import Response
from pydantic import AfterValidator, Field
from pydantic.json_schema import SkipJsonSchema

from nbflow.graph.params import without_secrets
from nbflow.names import identifier
from nbflow.secrets import MASK
from nbflow.server import models
from nbflow.server.problems import problems
from nbflow.server.sent import MOST_OF_A_NAME, MOST_OF_AN_ID, NAME, graph_id_of, name_of_graph
from nbflow.server.serving import Serving
from nbflow.server.shelf import Shelved
from nbflow.server.shown import sent
from nbflow.server.toolshape import parameters_of, state_schema
from nbflow.session import Session
from nbflow.session.serialization import definition_data

router = APIRouter()
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
    "/graphs/create", status_code=201, response_model=models.GraphMade, operation_id="create_graph",
    responses={201: {"links": _LINKS}, **problems(404, 409)},
)  # fmt: skip
async def create_graph(definition: Definition, service: Serving) -> models.GraphMade:
    """Keep a graph of registered tools, so that it can be run; as a new version where its name is taken."""
    kept = await service.shelf.keep(definition)
    return models.GraphMade(id=graph_id_of(kept.graph.name), name=kept.graph.name, version=kept.version or 0)


@router.get("/graphs", response_model=models.Graphs, operation_id="list_graphs", responses=problems())
async def list_graphs(service: Serving) -> Response:
    """List the graphs that can be run, by name."""
    return sent({"graphs": [_listed(each) for each in await service.shelf.all()]})


@router.get(
    "/graphs/{graph_id:path}", response_model=models.GraphShown, operation_id="get_graph", responses=problems(404)
)
async def get_graph(graph_id: Id, service: Serving, version: Version = None) -> Response:
    """Return a graph, by default as it would run now."""
    found = await service.shelf.get(graph_id, version)
    return await service.shelf.work.run(_shown, found, service.session)


@router.delete(
    "/graphs/{graph_id:path}", response_model=models.Deleted, operation_id="delete_graph", responses=problems(404, 409)
)
async def delete_graph(
    graph_id: Id, service: Serving, force: Annotated[bool, Query(description="delete its runs with it")] = False
) -> models.Deleted:
    """Delete a graph that was sent, with all its versions."""
    return models.Deleted(deleted=await service.shelf.delete(graph_id, force=force))


@router.get("/tools", response_model=models.Tools, operation_id="list_tools", responses=problems())
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
