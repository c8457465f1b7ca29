"""The magics that control what runs: `%flow_answer`, `%flow_cancel` and `%flow_serve`.

Invariant: each parses its line, calls the session and shows the result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope, no_var_expand

from nbflow import session
from nbflow.notation import parse_run_line
from nbflow.notebook.arguments import argument, arguments, takes, words
from nbflow.notebook.cell_body import any_awaited, names_for, read_expression, values_of
from nbflow.notebook.cell_output import deterministic, show
from nbflow.notebook.tracebacks import readable
from nbflow.notebook.waiting import blocking, without_loop

if TYPE_CHECKING:
    from nbflow.serve.embedded import Served


@magics_class
class SteeringMagics(Magics):
    """The magics `%flow_answer` and `%flow_cancel`, for runs in the background and runs of other cells."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell

    @takes(
        argument("answer", metavar="ANSWER", nargs="?", help="a choice or a text; quote it if it has spaces"),
        argument("fields", metavar="KEY=EXPR", nargs="*", help="a field of the answer and any Python expression"),
        argument("--node", metavar="NODE", help="the node that asks, if several do: review/approve"),
        argument("--question", type=int, metavar="N", help="the number of the question, if a node asks several"),
        argument("--run", metavar="RUN", help="the run, if several wait: its id or the first characters of it"),
    )
    @needs_local_scope
    @no_var_expand
    @line_magic
    def flow_answer(self, line: str, local_ns: Mapping[str, Any] | None = None) -> None:
        """Answer the question of a run: with a choice, a text, or a value for each field.

        Examples::

            %flow_answer yes
            %flow_answer "Ship as draft" --node approve
            %flow_answer severity="high" lines=3
        """
        with readable(self._shell):
            parsed = parse_run_line(line)
            options = arguments(self.flow_answer, [*([parsed.name] if parsed.name else []), *parsed.options])
            if (options.answer is None) == (not parsed.assignments):
                raise UsageError("give one answer: a choice, a text, or KEY=EXPR for each field")
            codes = {key: read_expression(self._shell, text) for key, text in parsed.assignments}
            fields = values_of(codes, names_for(self._shell, local_ns))
            given = blocking(fields) if any_awaited(codes.values()) else without_loop(fields)
            value = given if options.answer is None else options.answer
            session.current().answer(value, run_id=options.run, node=options.node, question=options.question)

    @takes(
        argument(
            "run",
            metavar="RUN",
            nargs="?",
            help="its id, or the first characters of it; by default the only active run",
        ),
    )
    @no_var_expand
    @line_magic
    def flow_cancel(self, line: str) -> None:
        """Stop a run of the background, or by its id a run of another process. %flow_resume resumes it.

        Examples::

            %flow_cancel
            %flow_cancel 1a2b
        """
        with readable(self._shell):
            run = session.current().cancel(arguments(self.flow_cancel, words(line)).run)
            name = "the run" if deterministic() else f"run {run.id}"
            status = f"is {run.status}" if run.result else "is running in another process, which is asked to stop it"
            show({"text/plain": f"{name} of {run.name} {status}"})


@magics_class
class ServingMagics(Magics):
    """The magic `%flow_serve`, which serves the graphs and runs of the notebook."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell
        self._served: Served | None = None
        self._stopping: asyncio.Task[None] | None = None

    @takes(
        argument("--host", metavar="ADDRESS", help="the address to listen on; by default only this machine"),
        argument("--port", type=int, metavar="N", help="the port, by default 8765; 0 for any free port"),
        argument("--token", metavar="TOKEN", help="the token that requests must carry; by default a new one"),
        argument("--stop", action="store_true", help="stop serving; runs continue"),
    )
    @no_var_expand
    @line_magic
    def flow_serve(self, line: str) -> Served | None:
        """Serve the graphs and runs of this notebook: REST, WebSocket and a page; return at once.

        Graphs that are defined later are served too. The value has the address and the token; behind
        JupyterHub the link uses the proxy of the hub. The server shares the loop of the kernel, so a cell
        that computes delays its answers.

        Examples::

            %flow_serve
            %flow_serve --port 0
            %flow_serve --stop
        """
        with readable(self._shell):
            options = arguments(self.flow_serve, words(line))
            if options.stop:
                self._stop()
                return None
            if self._served is not None and self._served.running:
                raise UsageError(
                    f"this notebook is already served at {self._served.address}; %flow_serve --stop stops it"
                )
            given = {name: value for name in ("host", "port", "token") if (value := getattr(options, name)) is not None}
            self._served = session.current().serve(**given)
            _show_address(self._served)
            return self._served

    def _stop(self) -> None:
        if self._served is None or not self._served.running:
            raise UsageError("this notebook is not served; start with %flow_serve")
        self._stopping = asyncio.ensure_future(self._served.stop())
        show({"text/plain": "no longer served"})


def _show_address(served: Served) -> None:
    """Show the address. The link contains the token only if it is new, since a new token is not valid later."""
    address = "the address" if deterministic() else served.address
    link = served.url if served.token_is_new else served.address
    html = f'Served at <a href="{escape(link)}" target="_blank" rel="noopener">{escape(address)}</a>'
    text = f"served at {link}"
    show({"text/plain": "served" if deterministic() else text, "text/html": "Served" if deterministic() else html})
