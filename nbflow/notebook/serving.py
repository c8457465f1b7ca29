"""The magic that serves the kernel's own session: `%flow_serve`.

Rule: it returns at once, and the server lives on the kernel's loop beside the cells: a cell that computes holds it up,
as it holds up everything else.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from nbflow import session
from nbflow.notebook.arguments import argument, arguments, takes, words
from nbflow.notebook.output import deterministic, show
from nbflow.notebook.tracebacks import readable

if TYPE_CHECKING:
    from nbflow.serving import Served


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
