"""The one wiring place: the tools, graphs, engine and runs of a process.

Rule: every magic and every command is a call of a method here; what they add is parsing and showing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.engine import Run
from nbflow.errors import GraphError
from nbflow.graph import GraphDefinition
from nbflow.names import identifier, normalised
from nbflow.session.resumption import Reopening
from nbflow.tools import ToolSpec
from nbflow.values import own

if TYPE_CHECKING:
    from nbflow.graph.needs import InitialStateCheck, Need
    from nbflow.serve.embedded import Served
    from nbflow.settings import Durability
    from nbflow.store.recorder import Recorder


class Session(Reopening):
    """What a notebook, a command or a server works with.

    `tool`, `predicate` and `reducer` are the registry's decorators.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tool: Callable[..., Any] = self.registry.tool
        self.predicate = self.registry.predicate
        self.reducer = self.registry.reducer
        self._checks: dict[str, InitialStateCheck] = {}

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
        name = identifier(name)
        if isinstance(source, str):
            graph = GraphDefinition.from_text(source, name=name)
        else:
            data = source if isinstance(source, GraphDefinition) else GraphDefinition.model_validate(dict(source))
            if data.name not in ("", name):
                raise GraphError(f"it is defined as {name!r} and calls itself {data.name!r}; use one of the names")
            graph = data.model_copy(update={"name": name})
        self.graphs[name] = graph
        return graph

    def lint(self, name: str, *, given: Mapping[str, Any] | None = None) -> list[str]:
        """Return what is likely wrong with a graph, a sentence each.

        That is unknown tools, unreachable nodes, loops without a way out, and parameters that no path provides. `given`
        are keys of the initial state, where they are known.
        """
        from nbflow.graph.analysis import lint

        return lint(self.find(name), self.registry, self.graphs, given=given)

    def needs(self, name: str) -> list[Need]:
        """Return the keys that a graph's initial state is to have or may have, those first that it cannot run without.

        Raises:
            GraphError: There is no such graph.
        """
        from nbflow.graph.needs import needs

        return needs(self.find(name), self.registry, self.graphs)

    def start(
        self, name: str, state: Mapping[str, Any] | None = None, *,
        max_parallel: int | None = None, durability: Durability | None = None, allow_unstored: bool | None = None,
        cache: bool = True, breaks: Collection[str] = (), run_id: str | None = None,
    ) -> Run:  # fmt: skip
        """Start a run of a graph on the running loop and return it at once.

        Args:
            name: The graph.
            state: The state at its start.
            max_parallel: How many nodes may run at once; without it, all that can.
            durability: `sync` keeps a completion on the disk before anything that depends on it starts, `async` keeps
                in groups behind the run, `off` keeps nothing; by default as the setting NBFLOW_DURABILITY says.
            allow_unstored: Whether a run kept with `sync` goes on where a value cannot be stored; by default as the
                setting NBFLOW_ALLOW_UNSTORED says.
            cache: Whether nodes with `cache` take stored outputs; if not, theirs are computed and stored anew.
            breaks: The nodes to pause at, as by `Run.break_at`.
            run_id: What to call it, in place of a new id.

        Raises:
            GraphError: There is no such graph, or it names tools or graphs that are not there.
            InitialStateError: The state lacks keys without which no run of the graph completes; nothing has started.
            RunStateError: One of `breaks` is no node of the graph.
            NameClashError: Two keys of the state become one name.
        """
        graph, run_id = self.find(name), run_id or self.engine.new_id()
        self.engine.plan(graph, breaks=breaks)  # a tool that is not there is refused before the state is looked at
        named = normalised(state or {}, "the initial state")
        self._refuse_missing(graph, named.keys())
        # Copied here too, as the store may encode it only after the caller has changed it.
        initial = own(named)
        keeper = self._keeper(run_id, graph, initial, durability, allow_unstored)
        run = self.engine.start(
            graph, initial, max_parallel=max_parallel, run_id=run_id, keeper=keeper,
            cache=lambda: self.outputs if cache else self.outputs.anew(), breaks=breaks,
        )  # fmt: skip
        self._known_here(run, keeper)
        return run

    def prepare(self, graph: GraphDefinition) -> None:
        """Compile one of the graphs and find what its runs need, so that `start` has that ready; in any thread.

        Raises:
            GraphError: It names tools or graphs that are not there.
        """
        self.engine.plan(graph)
        known = self._checks.get(graph.name)
        if known is None or not known.is_of(graph, self.graphs):
            known = self._checks[graph.name] = self._initial_check(graph)
        known.missing(())

    def _refuse_missing(self, graph: GraphDefinition, given: Collection[str]) -> None:
        """Refuse the keys of an initial state where some are missing without which no run of a graph completes."""
        known = self._checks.get(graph.name)
        if known is not None and known.is_of(graph, self.graphs) and not known.missing(given):
            return
        # A tool that was changed in place since may not need these keys any longer, which only a new look finds.
        check = self._checks[graph.name] = self._initial_check(graph)
        check.refuse_missing(given)

    def _initial_check(self, graph: GraphDefinition) -> InitialStateCheck:
        from nbflow.graph.needs import InitialStateCheck

        return InitialStateCheck(graph, self.registry, self.graphs)

    def _keeper(
        self, run_id: str, graph: GraphDefinition, state: Mapping[str, Any], durability: Durability | None,
        allow_unstored: bool | None,
    ) -> Recorder | None:  # fmt: skip
        from nbflow.settings import settings

        durability = durability or settings().durability
        if durability == "off":
            return None
        strict = durability == "sync"
        self._kept.add(run_id)
        return self.history.recorder(
            run_id, graph, self.graphs, state, time.time(), strict=strict, allow_unstored=allow_unstored
        )

    async def run(self, name: str, /, **state: Any) -> Run:
        """Run a graph to its end; return the run, whose `.state` and `.result` tell what came of it.

        Raises:
            ExecutionError: The run failed or was cancelled; it has `.result`.
            ConditionError: A condition could not be evaluated.
        """
        run = self.start(name, state)
        await run
        return run

    def serve(
        self, *, host: str | None = None, port: int | None = None, token: str | None = None
    ) -> Served:  # fmt: skip
        """Serve this session on the running loop: REST, WebSocket and a page; return at once.

        Args:
            host: The address to listen at; by default as NBFLOW_HOST says, else this machine's alone, 127.0.0.1.
            port: The port, 0 for any that is free; by default as NBFLOW_PORT says, else 8765.
            token: What requests must bring; by default as NBFLOW_TOKEN says, else one made now.

        Raises:
            NbflowError: The address is taken, or no loop runs.
            ImportError: The extra `server` is not installed.
        """
        from nbflow.serve.embedded import serve

        given = {"host": host, "port": port, "token": token}
        return serve(self, **{name: value for name, value in given.items() if value is not None})

    def tools(self) -> list[ToolSpec]:
        """Return the tools, in the order in which they were first registered."""
        return [self.registry.get(name) for name in self.registry.names()]
