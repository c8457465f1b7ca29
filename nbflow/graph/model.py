"""The pydantic models of a graph: the JSON that users store and send.

Invariant: only the id and tool of a node and the two ends of an edge are required, and unknown keys are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from nbflow.errors import GraphError
from nbflow.graph import validation
from nbflow.names import normalised_graph

if TYPE_CHECKING:
    import networkx

END = validation.END
AS_STORED: dict[str, Any] = {"names": "as stored"}
"""The validation context of stored graphs: names are not normalised, because the events of their runs use them."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Executor = Literal["auto", "inline", "thread"]


# Constraints for the JSON schema only: `validation` checks the same, and lists all faults of a graph in one error.
_ID = r"^[^\s\x00-\x1f\x7f-\x9f/\[\]]([^\x00-\x1f\x7f-\x9f\u2028\u2029/\[\]]*[^\s\x00-\x1f\x7f-\x9f/\[\]])?$"
_ONE_OF_TWO: dict[str, Any] = {
    "oneOf": [
        {"required": [one], "properties": {one: {"type": "string"}, other: {"type": "null"}}}
        for one, other in (("tool", "graph"), ("graph", "tool"))
    ]
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)


class NodeDefinition(_Part):
    """A node: the tool or subgraph that it runs, and its options.

    Exactly one of `tool` and `graph` (the name of a subgraph) is set. The tool's defaults apply where `retries`,
    `backoff`, `timeout` or `executor` is not set explicitly. `backoff` and `timeout` are seconds. `errors` is for maps
    over the result of a map with `on_error` `collect`: items that are errors stay in the list, or are dropped.
    """

    model_config = ConfigDict(json_schema_extra=_ONE_OF_TWO)

    node_id: str = Field(json_schema_extra={"pattern": _ID})
    tool: str | None = None
    graph: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    join: Literal["all", "first", "race", "each"] = "all"
    route: Literal["first", "all"] = "first"
    map: str | None = None
    as_: str | None = Field(default=None, alias="as")
    into: str | None = None
    limit: Count | None = None
    on_error: Literal["fail", "collect"] = "fail"
    errors: Literal["carry", "drop"] = "carry"
    retries: Annotated[int, Field(ge=0, strict=True)] = 0
    backoff: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    timeout: Seconds | None = None
    executor: Executor = "auto"
    cache: bool = False


class EdgeDefinition(_Part):
    """An edge; `to_node` is the id of a node, or `END`. An edge with a condition and no type is conditional."""

    from_node: str
    to_node: str
    type: Literal["normal", "conditional", "error"] = "normal"
    condition: str | None = None
    max_iterations: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_its_condition(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(condition := data.get("condition"), str):
            flat = validation.one_line(condition)
            if flat is not condition or "type" not in data:
                return {"type": "conditional", **data, "condition": flat}
        return data


class GraphDefinition(_Part):
    """A graph as users write it, in JSON or in the notation.

    Raises:
        GraphError: The definition has faults; one error lists all of them, each with its position and the known names.
    """

    name: str = ""
    nodes: tuple[NodeDefinition, ...] = Field(json_schema_extra={"minItems": 1})
    edges: tuple[EdgeDefinition, ...] = ()
    entry_node: str | None = None
    max_iterations: Count = 100
    reducers: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_with_every_fault(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        if isinstance(data, cls):
            return data
        if isinstance(data, Mapping) and (
            fault := validation.size_fault(str(data.get("name", "")), validation.size_of(data))
        ):
            raise GraphError(fault)
        raw, clashes = validation.as_plain(data), list[str]()
        if info.context is not AS_STORED:
            named, clashes = normalised_graph(raw)
            if named != raw:
                data = raw = named
        try:
            graph, faults = handler(data), []
        except ValidationError as error:
            graph, faults = None, validation.field_faults(error, raw)
        faults += clashes + validation.structure_faults(raw)
        if faults or graph is None:
            raise GraphError(faults, graph=raw.get("name") if isinstance(raw.get("name"), str) else None)
        return graph

    @classmethod
    def from_text(cls, text: str, *, name: str = "") -> GraphDefinition:
        """Return the graph that a text in the notation, or in JSON, defines.

        Raises:
            NotationError: The text cannot be parsed; the error names the position and what was expected.
            GraphError: The text can be parsed, and the graph is not valid.
        """
        from nbflow.notation import read_graph

        return read_graph(text, name=name)

    def to_text(self) -> str:
        """Return the graph in the notation; `from_text` of it is an equal graph."""
        from nbflow.notation import to_text

        return to_text(self)

    def to_networkx(self) -> networkx.MultiDiGraph[str]:
        """Return the graph as a `networkx.MultiDiGraph` whose nodes and edges have the fields of their definitions."""
        from nbflow.graph.analysis import to_networkx

        return to_networkx(self)

    def entries(self) -> tuple[str, ...]:
        """Return the nodes where a run starts: `entry_node`, else all nodes with outgoing and without incoming edges.

        Without any of these it is the first node.
        """
        if self.entry_node is not None:
            return (self.entry_node,)
        sources = {edge.from_node for edge in self.edges}
        targets = {edge.to_node for edge in self.edges}
        roots = tuple(n.node_id for n in self.nodes if n.node_id in sources and n.node_id not in targets)
        return roots or (self.nodes[0].node_id,)


def reachable(graph: GraphDefinition, graphs: Mapping[str, GraphDefinition]) -> dict[str, GraphDefinition]:
    """Return the subgraphs of a graph, and their subgraphs, by name."""
    found: dict[str, GraphDefinition] = {}
    left = [graph]
    while left:
        for node in left.pop().nodes:
            name = node.graph
            if name is not None and name in graphs and name not in found:
                found[name] = graphs[name]
                left.append(graphs[name])
    return found
