"""The magics that run: `%flow_run`, `%%flow_run` and `%flow_resume`.

Rule: they wait for the run's end on the kernel's own loop, so that Run All is right and the page stays alive; where a
cell cannot await they block, with the same result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from getpass import getpass
from types import CodeType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from nbflow import session
from nbflow.engine.capture import install as install_capture
from nbflow.errors import SecretsNeededError, name_list
from nbflow.notation import parse_run_line
from nbflow.notation.run_line import RunLine
from nbflow.notebook.arguments import argument, arguments, place, positive, takes
from nbflow.notebook.cell_body import any_awaited, names_for, read_body, read_expression, run_codes, value_of, values_of
from nbflow.notebook.cell_output import Place, RunOutput, describe_tool, tell_notices
from nbflow.notebook.cells import Cells
from nbflow.notebook.tracebacks import LAST, readable
from nbflow.notebook.transformer import AwaitedMagics
from nbflow.notebook.waiting import blocking, finished, in_background, in_loop, ticking, without_loop

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.notebook.form import Form

# Asking a person for the secrets that a run had, where they resume it.
#
# Rule: what is typed is shown nowhere and gets into no cell and no history, as an expression on the magic's line would.


async def with_secrets(reopen: Callable[[str | None, Mapping[str, Any]], Awaitable[Run]], run_id: str | None) -> Run:
    """Reopen a run, and once more with its secrets where it lacks some and somebody is there to type them.

    Args:
        reopen: Reopens a run by its id with some secrets.
        run_id: Which one; None for the last, which is looked for once, as people are told which it is.

    Raises:
        SecretsNeededError: Nobody is.
    """
    try:
        return await reopen(run_id, {})
    except SecretsNeededError as error:
        given = _typed(error)
        if given is None:
            raise
        run_id = error.run_id
    return await reopen(run_id, given)


def _typed(error: SecretsNeededError) -> dict[str, str] | None:
    """Return the secrets as they are typed; None where the frontend has no prompt, or nothing is typed."""
    given: dict[str, str] = {}
    for name in error.names:
        try:
            given[name] = getpass(f"{name} of run {error.run_id}: ")
        except Exception:  # noqa: BLE001 - ipykernel raises StdinNotImplementedError, and a terminal EOFError
            return None
        if not given[name]:
            return None
    return given


# -- the magics --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """What a magic asks for: how the run begins, and the code that makes the state it is given.

    `form` is the graph whose form is to be shown, `sources` what its expressions are.
    """

    begin: Callable[[dict[str, Any]], Awaitable[Run]]
    background: bool
    expressions: dict[str, CodeType]
    body: list[CodeType]
    assigned: list[str]
    namespace: dict[str, Any]
    form: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def awaits(self) -> bool:
        """Return whether an `await` stands in the expressions or the body."""
        return any_awaited([*self.expressions.values(), *self.body])

    async def state(self) -> dict[str, Any]:
        """Return the state to begin with; it suspends only if it `awaits()`."""
        state = await values_of(self.expressions, self.namespace)
        inner = dict(self.namespace)  # what the body binds is the run's, not the notebook's
        await run_codes(self.body, inner)
        return state | {name: inner[name] for name in self.assigned if name in inner}


_BREAK: Any = argument(
    "--break", dest="breaks", action="append", default=[], metavar="NODE", help="pause before each start of a node"
)


@magics_class
class RunMagics(Magics):
    """Runs graphs beneath cells."""

    def __init__(self, shell: Any, cells: Cells, awaited: AwaitedMagics) -> None:
        super().__init__(shell)
        self._shell, self._cells, self._awaited = shell, cells, awaited

    @takes(
        argument("name", metavar="NAME", help="the graph to run"),
        argument("state", metavar="KEY=EXPR", nargs="*", help="a key of the initial state and any Python expression"),
        argument("--background", action="store_true", help="return the run at once; the view goes on"),
        argument("--max-parallel", type=positive, metavar="N", help="run at most N nodes at the same time"),
        argument(
            "--durability", choices=("sync", "async", "off"), help="keep each step before the next, behind, or not"
        ),
        argument(
            "--allow-unstored", action="store_true", default=None, help="with sync, go on without what cannot be kept"
        ),
        argument("--no-cache", action="store_true", help="compute what `cache` would reuse, and keep that"),
        argument("--form", action="store_true", help="show a form of the initial state; its button runs the graph"),
        _BREAK,
    )
    @needs_local_scope
    @no_var_expand
    @line_cell_magic
    def flow_run(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Run | Form:
        """Run a graph, watch it live, and wait for its end; the value is the finished run.

        With %% the assignments in the cell are the initial state. A last `;` does not display the
        value. The run is kept as it goes: %flow_resume goes on with one that did not come to its end.

        Examples::

            %flow_run review code=Path("app.py").read_text() depth=2
            run = %flow_run review code=text
            %flow_run review depth=2 --form

            %%flow_run review --max-parallel 4
            code = Path("app.py").read_text()
        """
        with readable(self._shell):
            order = self._read(line, cell, local_ns, self._shell.transform_cell)
            return self._block(order)

    @needs_local_scope
    @no_var_expand
    async def flow_run_awaited(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Run | Form:
        """Do what %flow_run does, in a cell that awaits."""
        with readable(self._shell):
            return await self._await(self._read(line, cell, local_ns, self._awaited.transform_body))

    @takes(
        argument("run", metavar="RUN", nargs="?", help="its id, or the beginning of it; else the last unfinished, "
                 "and to fork the last"),
        argument("state", metavar="KEY=EXPR", nargs="*", help="fork, with this key of the state changed"),
        argument("--from", dest="place", type=place, metavar="PLACE", help="fork before the last start of NODE, or "
                 "its third (NODE#3), or after an event (17)"),
        argument("--background", action="store_true", help="return the run at once; the view goes on"),
        _BREAK,
    )  # fmt: skip
    @needs_local_scope
    @no_var_expand
    @line_magic
    def flow_resume(self, line: str, local_ns: Mapping[str, Any] | None = None) -> Run | Form:
        """Go on with a run that failed, was stopped, or whose kernel died; the value is the finished run.

        What was completed does not run again: mend the tool in its cell, run the cell, and resume.
        With --from or a key the run stays as it is, and a new one goes on from that place. %flow_runs
        lists the runs. A last `;` does not display the value.

        Examples::

            %flow_resume
            %flow_resume 1a2b
            fork = %flow_resume 1a2b --from score rate=0.2
        """
        with readable(self._shell):
            order = self._reread(line, local_ns)
            if order.background and in_loop():
                raise UsageError("--background needs a cell that awaits; resume outside the function")
            return self._block(order)

    @needs_local_scope
    @no_var_expand
    async def flow_resume_awaited(self, line: str, local_ns: Mapping[str, Any] | None = None) -> Run | Form:
        """Do what %flow_resume does, in a cell that awaits."""
        with readable(self._shell):
            return await self._await(self._reread(line, local_ns))

    # what a line says

    def _options(self, magic: Any, asked: RunLine) -> Any:
        options = arguments(magic, [*([asked.name] if asked.name else []), *asked.options])
        if options.state:
            raise UsageError(f"{options.state[0]!r} is no value of an option; write KEY=EXPR for a key of the state")
        return options

    def _expressions(self, asked: RunLine) -> dict[str, CodeType]:
        return {key: read_expression(self._shell, text) for key, text in asked.assignments}

    def _reread(self, line: str, local_ns: Mapping[str, Any] | None) -> Order:
        asked = parse_run_line(line)
        options = self._options(self.flow_resume, asked)

        async def begin(state: dict[str, Any]) -> Run:
            return await with_secrets(
                lambda run_id, secrets: session.current().reopen(
                    run_id, at=options.place, state=state, breaks=options.breaks, secrets=secrets
                ),
                options.run,
            )

        expressions, namespace = self._expressions(asked), names_for(self._shell, local_ns)
        return Order(begin, options.background, expressions, [], [], namespace)

    def _read(self, line: str, cell: str | None, local_ns: Mapping[str, Any] | None, transform: Any) -> Order:
        asked = parse_run_line(line)
        options, expressions = self._options(self.flow_run, asked), self._expressions(asked)
        codes: list[CodeType] = []
        assigned: list[str] = []
        if cell is not None:
            body = read_body(self._shell, cell, cell=self._cells.current_text, transformed=transform(cell))
            codes, assigned = body.codes(show=False), body.assigned()
        if twice := [key for key in assigned if key in expressions]:
            raise UsageError(f"{name_list(map(repr, twice))} is set on the magic's line and in the cell; set it once")

        async def begin(state: dict[str, Any]) -> Run:
            return session.current().start(
                options.name, state, max_parallel=options.max_parallel, durability=options.durability,
                allow_unstored=options.allow_unstored, cache=not options.no_cache, breaks=options.breaks,
            )  # fmt: skip

        namespace = names_for(self._shell, local_ns)
        return Order(
            begin, options.background, expressions, codes, assigned, namespace,
            options.name if options.form else None, dict(asked.assignments),
        )  # fmt: skip

    # what is done

    def _block(self, order: Order) -> Run | Form:
        state = blocking(order.state()) if order.awaits() else without_loop(order.state())
        if order.form is not None:
            return self._form(order, state)
        if order.background:
            return in_background(lambda: self._start_followed(order, state))
        return blocking(self._run(order, state))

    async def _await(self, order: Order) -> Run | Form:
        with ticking(self._shell):
            state = await order.state()
        if order.form is not None:
            return self._form(order, state)
        return await (self._start_followed(order, state) if order.background else self._run(order, state))

    async def _start(
        self, order: Order, state: dict[str, Any], place: Place | None = None
    ) -> tuple[Run, RunOutput]:  # fmt: skip
        install_capture()  # again, for a stream that was put in place since: %%capture does so
        with ticking(self._shell):
            run = await order.begin(state)
        background = order.background or place is not None
        output = RunOutput(run, self._shell, self._cells, describe_tool, background=background, place=place)
        output.begin()
        if place is None:
            tell_notices()
        return run, output

    async def _run(self, order: Order, state: dict[str, Any]) -> Run:
        run, output = await self._start(order, state)
        try:
            with readable(self._shell, last=LAST):
                await finished(run, self._shell)
        finally:
            output.end(run)
        return run

    async def _start_followed(self, order: Order, state: dict[str, Any]) -> Run:
        run, output = await self._start(order, state)
        output.follow(run)
        return run

    def _form(self, order: Order, state: dict[str, Any]) -> Form:
        from nbflow.notebook.form import Form, Given
        from nbflow.notebook.live_view import home_of

        home = home_of(self._shell)
        if home is None or order.form is None:
            raise UsageError("--form needs a page of Jupyter; give KEY=EXPR for each key instead")

        async def evaluate(text: str) -> Any:
            return await value_of(read_expression(self._shell, text), order.namespace)

        given = {key: Given(value, order.sources.get(key, "")) for key, value in state.items()}
        form = Form(
            order.form, session.needs(order.form), given,
            evaluate=evaluate, begin=lambda state, place: self._start(order, state, place),
            home=home, cells=self._cells,
        )  # fmt: skip
        form.show()
        for output in self._cells.gone(form):
            output.close()
        return form
