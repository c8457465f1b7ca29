"""The magics that show what there is: `%flow_show`, `%flow_graphs`, `%flow_tools`.

Rule: each is parse, call, show; the session knows the answer.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from nbflow import session
from nbflow.errors import name_list
from nbflow.graph import GraphDefinition
from nbflow.notebook.arguments import argument, arguments, takes, words
from nbflow.notebook.tracebacks import readable
from nbflow.tools import ToolSpec
from nbflow.view.plain import clean
from nbflow.view.words import counted


class Listing:
    """Rows of text under headings, drawn as a table."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.headings, self.rows = tuple(headings), [tuple(row) for row in rows]

    def __repr__(self) -> str:
        lines = [self.headings, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.headings))]
        padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join(line.rstrip() for line in padded)

    def _repr_html_(self) -> str:
        table = ET.Element("table")
        for tag, line in [("th", self.headings), *(("td", row) for row in self.rows)]:
            row = ET.SubElement(table, "tr")
            for cell in line:
                ET.SubElement(row, tag, {"style": "text-align:left"}).text = clean(cell)
        return ET.tostring(table, encoding="unicode", method="html")


def _first(graph: GraphDefinition) -> str:
    return name_list(graph.entries(), most=3)


def _called(spec: ToolSpec) -> str:
    """Return a tool's parameters as they are given by name; `?` marks those with a default."""
    names = [param.name + ("" if param.required else "?") for param in spec.params]
    return ", ".join(names + ["state"] * spec.takes_state)


@magics_class
class ListingMagics(Magics):
    """Shows graphs and tools."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell

    @takes(
        argument("name", metavar="NAME", help="the graph to show"),
    )
    @no_var_expand
    @line_magic
    def flow_show(self, line: str) -> Any:
        """Show a graph.

        Example::

            %flow_show review
        """
        with readable(self._shell):
            tokens, hidden = words(line)
            picture = session.current().show(arguments(self.flow_show, tokens).name)
            return None if hidden else picture

    @takes()
    @no_var_expand
    @line_magic
    def flow_graphs(self, line: str) -> Any:
        """List the graphs of this session.

        Example::

            %flow_graphs
        """
        with readable(self._shell):
            tokens, hidden = words(line)
            arguments(self.flow_graphs, tokens)
            rows = [
                (name, counted(len(graph.nodes), "node"), _first(graph)) for name, graph in session.graphs().items()
            ]
            return None if hidden else Listing(("graph", "size", "begins"), rows)

    @takes()
    @no_var_expand
    @line_magic
    def flow_tools(self, line: str) -> Any:
        """List the tools of this session, with their parameters and what they do.

        Example::

            %flow_tools
        """
        with readable(self._shell):
            tokens, hidden = words(line)
            arguments(self.flow_tools, tokens)
            rows = [(spec.name, _called(spec), spec.doc) for spec in session.tools()]
            return None if hidden else Listing(("tool", "parameters", "what it does"), rows)
