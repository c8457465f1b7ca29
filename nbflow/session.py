"""The one wiring place: the tools, graphs, engine and runs of a process.

Rule: every magic and every command is a call of a method here; what they add is parsing and showing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.engine import Run, WorkflowEngine
from nbflow.errors import GraphError, did_you_mean, name_list
from nbflow.graph import GraphDefinition
from nbflow.tools import ToolRegistry, ToolSpec

if TYPE_CHECKING:
    from nbflow.view import GraphPicture


class Session:
    """What a notebook, a command or a server works with.

    `tool`, `predicate` and `reducer` are the registry's decorators; `runs` are the runs of this session by id.
    """

    def __init__(self) -> None:
        self.registry = ToolRegistry()
        self.graphs: dict[str, GraphDefinition] = {}
        self.engine = WorkflowEngine(self.registry, graphs=self.graphs)
        self.runs: dict[str, Run] = {}
        self.tool: Callable[..., Any] = self.registry.tool
        self.predicate = self.registry.predicate
        self.reducer = self.registry.reducer

    def graph(self, name: str, source: str | Mapping[str, Any] | GraphDefinition) -> GraphDefinition:
        """Define a graph under a name, in place of what had it before.

        Args:
            name: What runs and subgraphs call it.
            source: A text in the notation or in JSON, the JSON's data, or a definition.

        Raises:
            NotationError: The text cannot be read.
            GraphError: It defines no sound graph, or it calls itself by another name.
        """
        if not name.strip():
            raise GraphError("a graph of a session needs a name")
        if isinstance(source, str):
            graph = GraphDefinition.from_text(source, name=name)
        else:
            data = source if isinstance(source, GraphDefinition) else GraphDefinition.model_validate(dict(source))
            if data.name not in ("", name):
                raise GraphError(f"it is defined as {name!r} and calls itself {data.name!r}; use one of the names")
            graph = data.model_copy(update={"name": name})
        self.graphs[name] = graph
        return graph

    def find(self, name: str) -> GraphDefinition:
        """Return the graph of that name.

        Raises:
            GraphError: There is none; it names those most alike.
        """
        if name not in self.graphs:
            near = did_you_mean(name, self.graphs)
            raise GraphError(f"unknown graph {name!r}{near}; known graphs: {name_list(self.graphs)}")
        return self.graphs[name]

    def lint(self, name: str, *, given: Mapping[str, Any] | None = None) -> list[str]:
        """Return what is likely wrong with a graph, a sentence each.

        That is unknown tools, unreachable nodes, loops without a way out, and parameters that no path provides. `given`
        are keys of the initial state, where they are known.
        """
        from nbflow.graph.analysis import lint

        return lint(self.find(name), self.registry, self.graphs, given=given)

    def start(self, name: str, state: Mapping[str, Any] | None = None, *, max_parallel: int | None = None) -> Run:
        """Start a run of a graph on the running loop and return it at once.

        Raises:
            GraphError: There is no such graph, or it names tools or graphs that are not there.
        """
        run = self.engine.start(self.find(name), state or {}, max_parallel=max_parallel)
        self.runs[run.id] = run
        return run

    async def run(self, name: str, /, **state: Any) -> Run:
        """Run a graph to its end; return the run, whose `.state` and `.result` tell what came of it.

        Raises:
            ExecutionError: The run failed or was cancelled; it has `.result`.
            ConditionError: A condition could not be evaluated.
        """
        run = self.start(name, state)
        await run
        return run

    def show(self, name: str) -> GraphPicture:
        """Return the picture of a graph, which a notebook displays."""
        from nbflow.view import GraphPicture

        return GraphPicture(self.find(name))

    def tools(self) -> list[ToolSpec]:
        """Return the tools, in the order in which they were first registered."""
        return [self.registry.get(name) for name in self.registry.names()]


_own = Session()


def current() -> Session:
    """Return the session of this process."""
    return _own


tool = _own.tool
predicate = _own.predicate
reducer = _own.reducer
graph = _own.graph
lint = _own.lint
start = _own.start
run = _own.run
show = _own.show
tools = _own.tools


def graphs() -> dict[str, GraphDefinition]:
    """Return the session's graphs by name."""
    return dict(_own.graphs)


def runs() -> dict[str, Run]:
    """Return the session's runs by id."""
    return dict(_own.runs)
