"""The pydantic models of requests and responses, which the OpenAPI document describes.

A request with an unknown field is refused. Responses are built from plain data; their models only describe them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nbflow.events import Status
from nbflow.names import identifier
from nbflow.server.validation import MOST_OF_AN_ID, NAME, name_of_graph

GraphId = Annotated[
    str, Field(min_length=1, max_length=MOST_OF_AN_ID, pattern=NAME, description="the graph's id, or its name"),
    AfterValidator(name_of_graph), AfterValidator(identifier),
]  # fmt: skip
Json = dict[str, Any]


class Request(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")


class RunRequest(Request):
    """A graph to run, and its initial state."""

    graph_id: GraphId
    initial_state: Json = Field(default_factory=dict)


class AnswerRequest(Request):
    """An answer to a question; `node`, or the `seq` of its `node_waiting` event, says which, where several are open."""

    value: Any
    node: str | None = None
    question: Annotated[int, Field(ge=1, strict=True)] | None = None


class ForkRequest(Request):
    """The moment to fork at: after an event, or before the last start of a node (`NODE`) or its third (`NODE#3`)."""

    at: Annotated[int, Field(ge=1, strict=True)] | Annotated[str, Field(min_length=1, max_length=500)] | None = None
    state: Json = Field(default_factory=dict, description="keys written over what every path sees")
    secrets: Json = Field(default_factory=dict, description="secrets that the run had, by name")


class ResumeRequest(Request):
    """The secrets of a run to resume, by name, as secrets are never stored."""

    secrets: Json = Field(default_factory=dict)


class GraphCreated(BaseModel):
    """A created graph; a definition that is stored already has its old version.

    `id` is its name, or in place of one that an address would change `~` and the name in base64url.
    """

    id: str
    name: str
    version: int


class GraphSummary(BaseModel):
    """A graph; `version` is null until its first run.

    `sent` is true for a graph that the served file does not define: a client created it by POST /graphs/create, or
    another file of the same store ran it, and all its tools exist here.
    """

    id: str
    name: str
    version: int | None
    nodes: int
    runs: int
    sent: bool


class GraphDetail(GraphSummary):
    """A graph with its definition, in the form that POST /graphs/create takes, and as text in the notation.

    `state_schema` is the JSON schema of the initial state: the keys that its tools ask for and nothing before writes.
    """

    definition: Json
    text: str
    state_schema: Json


class GraphList(BaseModel):
    """All graphs, by name."""

    graphs: list[GraphSummary]


class GraphDeleted(BaseModel):
    """The number of deleted versions."""

    deleted: int


class RunAccepted(BaseModel):
    """A run that was started."""

    run_id: str


class RunStatus(BaseModel):
    """The status of a run after an operation."""

    run_id: str
    status: Status


class LogEntry(BaseModel):
    """One attempt of a node."""

    node_id: str
    status: Literal["started", "completed", "failed", "cancelled"]
    input: Json
    output: Any
    error: str | None
    attempt: int
    timestamp: datetime
    duration_ms: float | None
    firing: int
    scope: str
    cached: bool
    overlaps: bool


class StateAndLog(BaseModel):
    """The state and the log of a run, final or so far."""

    state: Json
    logs: list[LogEntry]


class RunResult(BaseModel):
    """A run with its state and log; `execution_time` is in seconds.

    If values or rows are left out, `truncated` is true, and `whole` is the path of the complete result.
    """

    run_id: str
    status: Status
    result: StateAndLog
    execution_time: float
    error: str | None
    truncated: bool = False
    whole: str = Field("", description="only where `truncated` is true")


class RunSummary(BaseModel):
    """A run in a list.

    `owner` is the process that owns the run now, `origin` the file that it was started from, `notebook` the notebook
    that it was started or last resumed in.
    """

    run_id: str
    graph: str
    version: int
    status: Status
    started: datetime
    ended: datetime | None
    execution_time: float
    nodes: int
    events: int
    durability: str
    error: Any
    origin: str | None
    parent: str | None
    parent_event: int | None
    owner: str | None
    notebook: str | None


class RunPage(BaseModel):
    """Runs, newest first; `next` is the cursor of the page after, null on the last."""

    runs: list[RunSummary]
    next: str | None


class EventPage(BaseModel):
    """Events of a run, oldest first; request those after `next` while `ended` is false."""

    events: list[Json]
    next: int
    ended: bool


class ToolSummary(BaseModel):
    """A tool, with the JSON schema of its parameters."""

    name: str
    doc: str
    version: int
    parameters: Json


class ToolList(BaseModel):
    """All tools."""

    tools: list[ToolSummary]


class Health(BaseModel):
    """`ok`, or `draining` while the server shuts down."""

    status: Literal["ok", "draining"]
