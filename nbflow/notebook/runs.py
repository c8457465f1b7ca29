"""The magic that runs: `%flow_run` and `%%flow_run`.

Rule: it waits for the run's end on the kernel's own loop, so that Run All is right and the page stays alive; where a
cell cannot await it blocks, with the same result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand

from nbflow import session
from nbflow.engine.capture import install as install_capture
from nbflow.errors import name_list
from nbflow.notation import parse_run_line
from nbflow.notebook.arguments import argument, arguments, positive, takes
from nbflow.notebook.body import any_awaited, read_body, read_expression, run_codes, value_of
from nbflow.notebook.cells import Cells
from nbflow.notebook.output import RunOutput
from nbflow.notebook.tracebacks import readable
from nbflow.notebook.transformer import AwaitedMagics
from nbflow.notebook.waiting import blocking, ended, finished, in_background, ticking, without_loop

if TYPE_CHECKING:
    from nbflow.engine import Run


@dataclass(frozen=True, slots=True)
class Order:
    """What a `%flow_run` asks for: its options, and the code that makes the initial state."""

    name: str
    background: bool
    max_parallel: int | None
    hide: bool
    expressions: dict[str, CodeType]
    body: list[CodeType]
    assigned: list[str]
    namespace: dict[str, Any]

    def awaits(self) -> bool:
        """Return whether an `await` stands in the expressions or the body."""
        return any_awaited([*self.expressions.values(), *self.body])

    async def state(self) -> dict[str, Any]:
        """Return the initial state; it suspends only if it `awaits()`."""
        state = {key: await value_of(code, self.namespace) for key, code in self.expressions.items()}
        inner = dict(self.namespace)  # what the body binds is the run's, not the notebook's
        await run_codes(self.body, inner)
        return state | {name: inner[name] for name in self.assigned if name in inner}


@magics_class
class RunMagics(Magics):
    """Runs graphs beneath cells."""

    def __init__(self, shell: Any, cells: Cells, awaited: AwaitedMagics) -> None:
        super().__init__(shell)
        self._shell, self._cells, self._awaited = shell, cells, awaited
        self._following: set[asyncio.Task[None]] = set()

    @takes(
        argument("name", metavar="NAME", help="the graph to run"),
        argument("state", metavar="KEY=EXPR", nargs="*", help="a key of the initial state and any Python expression"),
        argument("--background", action="store_true", help="return the run at once; the view goes on"),
        argument("--max-parallel", type=positive, metavar="N", help="run at most N nodes at the same time"),
    )
    @needs_local_scope
    @no_var_expand
    @line_cell_magic
    def flow_run(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Run | None:
        """Run a graph, watch it live, and wait for its end; the value is the finished run.

        With %% the assignments in the cell are the initial state. A last `;` hides the value.

        Examples::

            %flow_run review code=Path("app.py").read_text() depth=2
            run = %flow_run review code=text

            %%flow_run review --max-parallel 4
            code = Path("app.py").read_text()
        """
        with readable(self._shell):
            order = self._read(line, cell, local_ns, self._shell.transform_cell)
            state = blocking(order.state()) if order.awaits() else without_loop(order.state())
            if order.background:
                return in_background(lambda: self._start_followed(order, state))
            return blocking(self._run(order, state))

    @needs_local_scope
    @no_var_expand
    async def flow_run_awaited(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Run | None:
        """Do what %flow_run does, in a cell that awaits."""
        with readable(self._shell):
            order = self._read(line, cell, local_ns, self._awaited.transform_body)
            with ticking(self._shell):
                state = await order.state()
            return self._start_followed(order, state) if order.background else await self._run(order, state)

    def _read(self, line: str, cell: str | None, local_ns: Mapping[str, Any] | None, transform: Any) -> Order:
        asked = parse_run_line(line)
        options = arguments(self.flow_run, [*([asked.name] if asked.name else []), *asked.options])
        if options.state:
            raise UsageError(f"{options.state[0]!r} is no value of an option; write KEY=EXPR for a key of the state")
        expressions = {key: read_expression(self._shell, text) for key, text in asked.assignments}
        codes: list[CodeType] = []
        assigned: list[str] = []
        if cell is not None:
            body = read_body(self._shell, cell, cell=self._cells.current_text, transformed=transform(cell))
            codes, assigned = body.codes(show=False), body.assigned()
        if twice := [key for key in assigned if key in expressions]:
            raise UsageError(f"{name_list(map(repr, twice))} is set on the magic's line and in the cell; set it once")
        here = self._shell.user_ns
        return Order(
            name=options.name,
            background=options.background,
            max_parallel=options.max_parallel,
            hide=asked.quiet,
            expressions=expressions,
            body=codes,
            assigned=assigned,
            namespace=here if local_ns is None or local_ns is here else {**here, **local_ns},
        )

    def _start(self, order: Order, state: dict[str, Any]) -> tuple[Run, RunOutput]:
        install_capture()  # again, for a stream that was put in place since: %%capture does so
        here = session.current()
        run = here.start(order.name, state, max_parallel=order.max_parallel)
        output = RunOutput(
            run, self._shell, self._cells, lambda tool: here.registry.get(tool).doc, background=order.background
        )
        output.begin()
        return run, output

    async def _run(self, order: Order, state: dict[str, Any]) -> Run | None:
        run, output = self._start(order, state)
        try:
            await finished(run, self._shell)
        finally:
            output.end()
        return None if order.hide else run

    def _start_followed(self, order: Order, state: dict[str, Any]) -> Run | None:
        run, output = self._start(order, state)

        async def follow() -> None:
            await ended(run)
            output.end()

        task = asyncio.ensure_future(follow())
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        return None if order.hide else run
