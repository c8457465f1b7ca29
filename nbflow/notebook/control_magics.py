"""The magics that speak to a run that goes on: `%flow_answer` and `%flow_cancel`.

Rule: each is parse, call, show; what a run makes of it is its own to say.
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
    """Speaks to runs in the background, and to those of other cells."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell

    @takes(
        argument("answer", metavar="ANSWER", nargs="?", help="a choice, or a text; quote one with spaces"),
        argument("fields", metavar="KEY=EXPR", nargs="*", help="a field of the answer and any Python expression"),
        argument("--node", metavar="NODE", help="whose question, where several nodes ask: review/approve"),
        argument("--question", type=int, metavar="N", help="which one, where a node asks several: its number"),
        argument("--run", metavar="RUN", help="which run's, where several wait: its id, or the beginning of it"),
    )
    @needs_local_scope
    @no_var_expand
    @line_magic
    def flow_answer(self, line: str, local_ns: Mapping[str, Any] | None = None) -> None:
        """Answer a question that a run asks: with a choice or a text, or field by field.

        Examples::

            %flow_answer yes
            %flow_answer "Ship as draft" --node approve
            %flow_answer severity="high" lines=3
        """
        with readable(self._shell):
            asked = parse_run_line(line)
            options = arguments(self.flow_answer, [*([asked.name] if asked.name else []), *asked.options])
            if (options.answer is None) == (not asked.assignments):
                raise UsageError("give one answer: a choice or a text, or KEY=EXPR for each field")
            codes = {key: read_expression(self._shell, text) for key, text in asked.assignments}
            fields = values_of(codes, names_for(self._shell, local_ns))
            given = blocking(fields) if any_awaited(codes.values()) else without_loop(fields)
            value = given if options.answer is None else options.answer
            session.current().answer(value, run_id=options.run, node=options.node, question=options.question)

    @takes(
        argument("run", metavar="RUN", nargs="?", help="its id, or the beginning of it; else the only one"),
    )
    @no_var_expand
    @line_magic
    def flow_cancel(self, line: str) -> None:
        """Stop a run that goes on in the background, or by its id in another process. %flow_resume goes on with it.

        Examples::

            %flow_cancel
            %flow_cancel 1a2b
        """
        with readable(self._shell):
            run = session.current().cancel(arguments(self.flow_cancel, words(line)).run)
            name = "the run" if deterministic() else f"run {run.id}"
            stands = f"is {run.status}" if run.result else "goes on in another process, which is asked to stop it"
            show({"text/plain": f"{name} of {run.name} {stands}"})


# The magic that serves the kernel's own session: `%flow_serve`.
#
# Rule: it returns at once, and the server lives on the kernel's loop beside the cells: a cell that computes holds it
# up, as it holds up everything else.


@magics_class
class ServingMagics(Magics):
    """Serves what the notebook defines."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell
        self._served: Served | None = None
        self._stopping: asyncio.Task[None] | None = None

    @takes(
        argument("--host", metavar="ADDRESS", help="the address to listen at; by default this machine's alone"),
        argument("--port", type=int, metavar="N", help="the port, by default 8765; 0 for any that is free"),
        argument("--token", metavar="TOKEN", help="what requests must bring; by default one made now"),
        argument("--stop", action="store_true", help="stop serving; runs go on"),
    )
    @no_var_expand
    @line_magic
    def flow_serve(self, line: str) -> Served | None:
        """Serve the graphs and runs of this notebook: REST, WebSocket and a page; return at once.

        What is defined later is served too. The value has the address and the token; behind JupyterHub
        the link goes by the hub's proxy.

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
                    f"this notebook is served at {self._served.address} already; %flow_serve --stop ends that"
                )
            given = {name: value for name in ("host", "port", "token") if (value := getattr(options, name)) is not None}
            self._served = session.current().serve(**given)
            _tell(self._served)
            return self._served

    def _stop(self) -> None:
        if self._served is None or not self._served.running:
            raise UsageError("this notebook is not served; %flow_serve serves it")
        self._stopping = asyncio.ensure_future(self._served.stop())
        show({"text/plain": "no longer served"})


def _tell(served: Served) -> None:
    """Show where it is; of the token only what was made for this time, and so is worth nothing afterwards."""
    address = "the address" if deterministic() else served.address
    link = served.url if served.token_is_new else served.address
    html = f'Served at <a href="{escape(link)}" target="_blank" rel="noopener">{escape(address)}</a>'
    text = f"served at {link}"
    show({"text/plain": "served" if deterministic() else text, "text/html": "Served" if deterministic() else html})
