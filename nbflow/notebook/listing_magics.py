"""The magics that list and show graphs, tools and runs: `%flow_show`, `%flow_graphs`, `%flow_tools`, `%flow_runs`.

Invariant: each parses its line, calls the session and shows the result.
"""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from nbflow import session
from nbflow.errors import name_list
from nbflow.events import Status
from nbflow.graph import GraphDefinition
from nbflow.notebook.arguments import argument, arguments, positive, since, takes, versioned, words
from nbflow.notebook.cell_output import deterministic, show, show_run
from nbflow.notebook.cells import Cells
from nbflow.notebook.tracebacks import readable
from nbflow.tables import Table
from nbflow.tools import ToolSpec
from nbflow.view import RunPicture
from nbflow.view.text import counted


def _called(spec: ToolSpec) -> str:
    """Return the names of a tool's parameters in one line; `?` marks those with a default."""
    names = [param.name + ("" if param.required else "?") for param in spec.params]
    return ", ".join(names + ["state"] * spec.takes_state)


def _graph_cells(name: str, graph: GraphDefinition) -> tuple[str, str, str]:
    return name, counted(len(graph.nodes), "node"), name_list(graph.entries(), most=3)


def graph_table() -> Table:
    """Return the graphs of the session and, if a store exists, the versions in the store."""
    defined, stored = session.graphs(), session.stored_graphs()
    if not stored:
        return Table(("graph", "size", "begins"), [_graph_cells(*pair) for pair in defined.items()])
    rows = []
    for name, graph in defined.items():
        same = next((one for one in stored if one.row.name == name and one.is_same(graph)), None)
        versions = (str(same.row.version), str(same.row.runs)) if same else ("", "")
        rows.append((*_graph_cells(name, graph), *versions, "here"))
        stored = [one for one in stored if one is not same]
    rows += [
        (*_graph_cells(one.row.name, one.graph), str(one.row.version), str(one.row.runs), "in the store")
        for one in stored
    ]
    return Table(("graph", "size", "begins", "version", "runs", "defined"), sorted(rows, key=lambda row: row[0]))


@magics_class
class ListingMagics(Magics):
    """The magics that list and show graphs, tools and runs."""

    def __init__(self, shell: Any, cells: Cells) -> None:
        super().__init__(shell)
        self._shell, self._cells = shell, cells

    @takes(
        argument("name", metavar="NAME|RUN", help="the graph to show, or the id of a run or its first characters"),
    )
    @no_var_expand
    @line_magic
    def flow_show(self, line: str) -> Any:
        """Show a graph or a run, and return it. With a final `;` the value is not displayed.

        The view of a run is live: a person can look at every moment of it, and resume one that did not
        complete with the buttons.

        Examples::

            %flow_show review
            %flow_show 1a2b
        """
        with readable(self._shell):
            tokens = words(line)
            shown: Any = session.show(arguments(self.flow_show, tokens).name)
            if isinstance(shown, RunPicture):
                shown = shown.run
                show_run(shown, self._shell, self._cells)
            return shown

    @takes(
        argument("--load", type=versioned, metavar="NAME[@VERSION]", help="define a graph as stored, and show it"),
        argument(
            "--delete", type=versioned, metavar="NAME[@VERSION]", help="delete a graph, or a version, from the store"
        ),
        argument("--force", action="store_true", help="with --delete: delete its runs too"),
    )
    @no_var_expand
    @line_magic
    def flow_graphs(self, line: str) -> Any:
        """List the graphs of this session, and the versions in the store with the number of their runs.

        Examples::

            %flow_graphs
            %flow_graphs --load review@2
            %flow_graphs --delete review@1 --force
        """
        with readable(self._shell):
            tokens = words(line)
            asked = arguments(self.flow_graphs, tokens)
            if asked.load and (asked.delete or asked.force):
                raise UsageError("--load cannot be combined with --delete or --force; write one of them")
            if asked.force and not asked.delete:
                raise UsageError("--force is only for --delete")
            if asked.delete:
                return self._delete(*asked.delete, force=asked.force)
            if asked.load:
                session.load_graph(*asked.load)
                return session.show(asked.load[0])
            return graph_table()

    def _delete(self, name: str, version: int | None, *, force: bool) -> None:
        deleted = session.delete_graph(name, version, force=force)
        show({"text/plain": f"{counted(deleted, 'version')} of {name!r} deleted from the store"})

    @takes()
    @no_var_expand
    @line_magic
    def flow_tools(self, line: str) -> Any:
        """List the tools of this session, with their parameters and documentation.

        Example::

            %flow_tools
        """
        with readable(self._shell):
            tokens = words(line)
            arguments(self.flow_tools, tokens)
            rows = [(spec.name, _called(spec), spec.doc) for spec in session.tools()]
            return Table(("tool", "parameters", "what it does"), rows)

    @takes(
        argument("--graph", metavar="NAME", help="only runs of this graph"),
        argument("--status", choices=[status.value for status in Status], help="only runs of this status"),
        argument("--since", type=since, metavar="SPAN|DATE", help="only runs started since: 3h, 2d, 2026-11-01"),
        argument("--limit", type=positive, default=20, metavar="N", help="at most N runs, the newest; by default 20"),
    )
    @no_var_expand
    @line_magic
    def flow_runs(self, line: str) -> Any:
        """List runs, newest first: those in the store, and those of this session that are not stored.

        Examples::

            %flow_runs
            %flow_runs --graph review --status failed --since 2d
        """
        with readable(self._shell):
            tokens = words(line)
            asked = arguments(self.flow_runs, tokens)
            found = session.runs(graph=asked.graph, status=asked.status, since=asked.since, limit=asked.limit)
            return found.table(stable=True) if deterministic() else found
