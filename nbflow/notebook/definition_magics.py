"""The magics that define tools and graphs: `%%flow_tool` and `%%flow_graph`.

Invariant: a cell that runs again replaces the tools and graphs of its earlier run. A cell that fails changes neither.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand

from nbflow import session
from nbflow.errors import ToolError, did_you_mean, name_list
from nbflow.names import identifier
from nbflow.notebook.arguments import argument, arguments, count, seconds, takes, words
from nbflow.notebook.cell_body import Body, any_awaited, read_body, run_codes
from nbflow.notebook.cell_output import show
from nbflow.notebook.cells import Cells
from nbflow.notebook.tracebacks import readable
from nbflow.notebook.transformer import AwaitedMagics
from nbflow.notebook.waiting import blocking, ticking, without_loop
from nbflow.tools import EXECUTORS


@magics_class
class DefinitionMagics(Magics):
    """The magics `%%flow_tool` and `%%flow_graph`."""

    def __init__(self, shell: Any, cells: Cells, awaited: AwaitedMagics) -> None:
        super().__init__(shell)
        self._shell, self._cells, self._awaited = shell, cells, awaited

    @takes(
        argument(
            "names", metavar="FUNCTION", nargs="*", help="register these functions; by default all without a leading _"
        ),
        argument("--executor", choices=EXECUTORS, help="the executor of the nodes that use the tools"),
        argument("--retries", type=count, metavar="N", help="the number of retries after a failed attempt"),
        argument("--timeout", type=seconds, metavar="SECONDS", help="the time limit of one attempt"),
        sign="%%",
    )
    @no_var_expand
    @cell_magic
    def flow_tool(self, line: str, cell: str) -> None:
        """Run the cell and register the functions it defines as tools.

        The body is ordinary code of a cell: it can import, await and use other magics. The options are
        defaults for the nodes that use the tools. Running the cell again replaces the tools.

        Example::

            %%flow_tool --retries 2
            def fetch(url: str) -> dict:
                "Fetch a page."
                return {"page": requests.get(url).text}
        """
        with readable(self._shell), unchanged_on_failure():
            options = arguments(self.flow_tool, words(line))
            body = self._read(cell, self._shell.transform_cell(cell))
            codes = body.codes(show=True)
            running = run_codes(codes, self._shell.user_ns)
            if any_awaited(codes):
                blocking(running)
            else:
                without_loop(running)
            self._register(options, body)

    @no_var_expand
    async def flow_tool_awaited(self, line: str, cell: str) -> None:
        """Run %%flow_tool in a cell that awaits."""
        with readable(self._shell), unchanged_on_failure():
            options = arguments(self.flow_tool, words(line))
            body = self._read(cell, self._awaited.transform_body(cell))
            with ticking(self._shell):
                await run_codes(body.codes(show=True), self._shell.user_ns)
            self._register(options, body)

    def _read(self, cell: str, transformed: str) -> Body:
        return read_body(self._shell, cell, cell=self._cells.current_text, transformed=transformed)

    def _register(self, options: argparse.Namespace, body: Body) -> None:
        registry = session.current().registry
        functions = _functions(options.names, body, self._shell.user_ns)
        settings = {"executor": options.executor, "retries": options.retries, "timeout": options.timeout}
        for name, function in functions.items():
            registry.register(name, function, **settings)
        for name, function in self._cells.outdated("tool", functions).items():
            if name in registry and registry.get(name).function is function:
                registry.remove(name)

    @takes(
        argument("name", metavar="NAME", help="the graph's name"),
        sign="%%",
    )
    @no_var_expand
    @cell_magic
    def flow_graph(self, line: str, cell: str) -> Any:
        """Define a graph, in the notation or in JSON, and show it.

        Example::

            %%flow_graph review
            fetch -> parse & index -> merge
            merge -> publish if score > 0.8 else revise
            revise -> merge [max=5]
        """
        with readable(self._shell), unchanged_on_failure():
            tokens = words(line)
            name = identifier(arguments(self.flow_graph, tokens).name)
            here = session.current()
            # An empty line replaces the line of the magic, so that errors count lines from the top of the cell.
            graph = here.graph(name, "\n" + cell)
            for old, definition in self._cells.outdated("graph", {name: graph}).items():
                if here.graphs.get(old) is definition:
                    del here.graphs[old]
            if not _loads_file(self._shell):  # a command shows them, with the keys of its initial state
                _show_warnings(here.lint(name))
            return here.show(name)


def _functions(names: list[str], body: Body, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the functions that a cell registers, by name.

    Raises:
        ToolError: The cell does not define a function that the line names, or it defines none at all.
    """
    defined = body.functions()
    public = [name for name in defined if not name.startswith("_")]
    names = [*map(identifier, names)]
    for name in sorted(set(names) - body.bound()):
        raise ToolError(
            f"the cell defines no function {name!r}{did_you_mean(name, defined)}; it defines: {name_list(defined)}"
        )
    if not names and not public:
        raise ToolError("the cell defines no function to register; write `def name(...):` without a leading _")
    return {name: namespace[name] for name in names or public if name in namespace}


def _loads_file(shell: InteractiveShell) -> bool:
    """Return whether the shell runs the cells of a file for a command or a server."""
    from nbflow.program.notebook_shell import FileShell

    return isinstance(shell, FileShell)


def _show_warnings(warnings: list[str]) -> None:
    """Display the warnings about a graph as one text; nothing if there are none."""
    if warnings:
        head = "1 warning:" if len(warnings) == 1 else f"{len(warnings)} warnings:"
        show({"text/plain": "\n".join([head, *(f"  - {warning}" for warning in warnings)])})


@contextmanager
def unchanged_on_failure() -> Iterator[None]:
    """Restore the session's tools and graphs if the body of the `with` statement raises."""
    here = session.current()
    tools, graphs = here.registry.snapshot(), dict(here.graphs)
    try:
        yield
    except BaseException:
        here.registry.restore(tools)
        here.graphs.clear()
        here.graphs.update(graphs)
        raise
