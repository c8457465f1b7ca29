"""The graphs of a session: defined in this process, or loaded from the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbflow.errors import GraphError, GraphNotFoundError, StoreError
from nbflow.graph import GraphDefinition
from nbflow.names import identifier
from nbflow.secrets import Supply
from nbflow.store.rows import GraphRow
from nbflow.tools import ToolRegistry

if TYPE_CHECKING:
    from nbflow.graph.needs import InitialStateCheck, Need
    from nbflow.store import Store
    from nbflow.store.session_store import SessionStore


@dataclass(frozen=True)
class StoredGraph:
    """A version of a graph in the store; `row` has its name, its version and the number of its runs."""

    row: GraphRow

    @cached_property
    def graph(self) -> GraphDefinition:
        """The graph, validated again."""
        from nbflow.store.stored_graph import graph_of

        return graph_of(self.row.definition, Supply())

    def is_same(self, graph: GraphDefinition) -> bool:
        """Return whether a graph has the same definition."""
        from nbflow.store.stored_graph import text_of

        return text_of(graph) == self.row.definition


class GraphRegistry:
    """The graphs of a session.

    Args:
        open_store: Returns the store of the session.
        tools: The tools that the graphs name.

    Attributes:
        graphs: The graphs of this process by name.
    """

    def __init__(self, open_store: Callable[[], SessionStore], tools: ToolRegistry) -> None:
        self._open_store, self._tools = open_store, tools
        self.graphs: dict[str, GraphDefinition] = {}
        self._checks: dict[str, InitialStateCheck] = {}

    def define(self, name: str, source: str | Mapping[str, Any] | GraphDefinition) -> GraphDefinition:
        """Define a graph, as `Session.graph` does.

        Raises:
            NotationError: The text cannot be read.
            GraphError: The source defines no valid graph, or a graph with another name.
        """
        if not name.strip():
            raise GraphError("a graph of a session needs a name")
        name = identifier(name)
        if isinstance(source, str):
            graph = GraphDefinition.from_text(source, name=name)
        else:
            data = source if isinstance(source, GraphDefinition) else GraphDefinition.model_validate(dict(source))
            if data.name not in ("", name):
                raise GraphError(f"it is defined as {name!r} and its own name is {data.name!r}; use one name for both")
            graph = data.model_copy(update={"name": name})
        self.graphs[name] = graph
        return graph

    def find(self, name: str) -> GraphDefinition:
        """Return the graph with this name.

        Raises:
            GraphNotFoundError: No graph has this name; the message lists similar names.
        """
        found = self.graphs.get(identifier(name)) or self.graphs.get(name)
        if found is None:
            raise GraphNotFoundError(name, self.graphs)
        return found

    def lint(self, name: str, given: Mapping[str, Any] | None) -> list[str]:
        """Return the likely mistakes in a graph, as `Session.lint` does."""
        from nbflow.graph.analysis import lint

        return lint(self.find(name), self._tools, self.graphs, given=given)

    def needs(self, name: str) -> list[Need]:
        """Return the keys of the initial state of a graph, as `Session.needs` does."""
        from nbflow.graph.needs import needs

        return needs(self.find(name), self._tools, self.graphs)

    def prepare_check(self, graph: GraphDefinition) -> None:
        """Compute the keys that every run of a graph needs, for `refuse_missing`. Any thread may call it."""
        self._check_of(graph).missing(())

    def refuse_missing(self, graph: GraphDefinition, given: Collection[str]) -> None:
        """Check that the keys of an initial state include all keys that every run of a graph needs.

        Raises:
            InitialStateError: Some are missing.
        """
        known = self._known_check(graph)
        if known is not None and not known.missing(given):
            return
        # A tool that was changed in place may no longer need these keys, which only a new check finds.
        self._new_check(graph).refuse_missing(given)

    def unread(self, name: str, given: Collection[str]) -> list[str]:
        """Return a notice for each key that nothing in a graph reads, as `Session.unread` does."""
        return self._check_of(self.find(name)).unread(given)

    def _check_of(self, graph: GraphDefinition) -> InitialStateCheck:
        return self._known_check(graph) or self._new_check(graph)

    def _known_check(self, graph: GraphDefinition) -> InitialStateCheck | None:
        """Return the last check of a graph, unless the graph or one of its subgraphs was redefined since."""
        known = self._checks.get(graph.name)
        return known if known is not None and known.is_of(graph, self.graphs) else None

    def _new_check(self, graph: GraphDefinition) -> InitialStateCheck:
        from nbflow.graph.needs import InitialStateCheck

        check = self._checks[graph.name] = InitialStateCheck(graph, self._tools, self.graphs)
        return check

    def stored(self, name: str | None) -> list[StoredGraph]:
        """Return the stored versions of one graph or of all, as `Session.stored_graphs` does. Blocks."""
        store = self._open_store().open_existing()
        named = name and self.stored_name(name)
        return [] if store is None else [StoredGraph(row) for row in store.graphs(named).result()]

    def stored_name(self, name: str) -> str:
        """Return the name under which a graph is stored: normalised, unless an older nbflow stored it without that."""
        store, other = self._open_store().open_existing(), identifier(name)
        return name if other == name or (store is not None and store.graphs(name).result()) else other

    def load(self, name: str, version: int | None) -> GraphDefinition:
        """Define a graph as it is stored, as `Session.load_graph` does. Blocks."""
        stored = StoredGraph(self._store_of(name).graph(self.stored_name(name), version).result())
        self.graphs[stored.graph.name] = stored.graph
        return stored.graph

    def delete(self, name: str, version: int | None, *, force: bool) -> int:
        """Delete versions of a graph from the store, as `Session.delete_graph` does. Blocks."""
        return self._store_of(name).delete_graph(self.stored_name(name), version, force=force).result()

    def _store_of(self, name: str) -> Store:
        store = self._open_store().open_existing()
        if store is None:
            raise StoreError(f"no graph {name!r} in the store: no store exists here yet")
        return store
