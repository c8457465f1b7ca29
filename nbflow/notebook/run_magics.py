"""The magics that run graphs: `%flow_run`, `%%flow_run` and `%flow_resume`.

Invariant: a magic returns when its run has ended, so that Run All runs cells in order. In a cell that can await, it
awaits on the loop of the kernel, and the page stays responsive; elsewhere it blocks, with the same result.
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
from nbflow.notebook.arguments import argument, arguments, position, positive, takes
from nbflow.notebook.cell_body import any_awaited, names_for, read_body, read_expression, run_codes, value_of, values_of
from nbflow.notebook.cell_output import RunOutput, Slot, describe_tool, show_notices
from nbflow.notebook.cells import Cells
from nbflow.notebook.tracebacks import LAST, readable
from nbflow.notebook.transformer import AwaitedMagics
from nbflow.notebook.waiting import blocking, finished, in_background, in_loop, ticking, without_loop

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.notebook.form import Form

# A run that had secrets needs them again when it resumes, since they are not stored. They are typed into a prompt:
# the prompt shows no text, and the text gets into no cell and no history, unlike an expression on the line of a magic.


async def with_secrets(reopen: Callable[[str | None, Mapping[str, Any]], Awaitable[Run]], run_id: str | None) -> Run:
    """Resume a run; if it needs secrets, ask the person for them and resume it with these.

    Args:
        reopen: Resumes the run with an id and some secrets.
        run_id: The id of the run; None for the last unfinished one, which is looked up once, since a lookup shows a
            notice.

    Raises:
        SecretsNeededError: The front end cannot ask, or the person entered nothing.
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
    """Ask for each secret; return None if the front end has no prompt, or the person enters nothing."""
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
    """A parsed magic: how the run starts, and the code that computes its initial state.

    Attributes:
        start: Starts or resumes the run with a state.
        background: True if the magic returns when the run has started.
        expressions: The code of each `KEY=EXPR`.
        body: The code of the cell below the magic.
        assigned: The names that the body assigns, which become keys of the state.
        namespace: The names that expressions and body can read.
        form: The graph whose form the magic shows; None if it shows none.
        sources: The text of each expression.
    """

    start: Callable[[dict[str, Any]], Awaitable[Run]]
    background: bool
    expressions: dict[str, CodeType]
    body: list[CodeType]
    assigned: list[str]
    namespace: dict[str, Any]
    form: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def awaits(self) -> bool:
        """Return True if the expressions or the body contain an `await`."""
        return any_awaited([*self.expressions.values(), *self.body])

    async def state(self) -> dict[str, Any]:
        """Compute the initial state. This coroutine suspends only if `awaits()`."""
        state = await values_of(self.expressions, self.namespace)
        inner = dict(
            self.namespace
        )  # a copy: names that the body binds are keys of the state, not variables of the notebook
        await run_codes(self.body, inner)
        return state | {name: inner[name] for name in self.assigned if name in inner}


_BREAK: Any = argument(
    "--break",
    dest="breaks",
    action="append",
    default=[],
    metavar="NODE",
    help="pause the run before each start of NODE",
)


@magics_class
class RunMagics(Magics):
    """The magics `%flow_run` and `%flow_resume`."""

    def __init__(self, shell: Any, cells: Cells, awaited: AwaitedMagics) -> None:
        super().__init__(shell)
        self._shell, self._cells, self._awaited = shell, cells, awaited

    @takes(
        argument("name", metavar="NAME", help="the graph to run"),
        argument("state", metavar="KEY=EXPR", nargs="*", help="a key of the initial state and any Python expression"),
        argument("--background", action="store_true", help="return when the run has started; the view stays live"),
        argument("--max-parallel", type=positive, metavar="N", help="run at most N nodes at the same time"),
        argument(
            "--durability",
            choices=("sync", "async", "off"),
            help="store each step before the next (sync), later (async), or not at all (off)",
        ),
        argument(
            "--allow-unstored",
            action="store_true",
            default=None,
            help="with sync, continue although a value cannot be stored",
        ),
        argument("--no-cache", action="store_true", help="recompute results that `cache` would reuse, and store them"),
        argument("--form", action="store_true", help="show a form for the initial state; its button runs the graph"),
        _BREAK,
    )
    @needs_local_scope
    @no_var_expand
    @line_cell_magic
    def flow_run(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Run | Form:
        """Run a graph, show it live, wait until it ends, and return the finished run.

        With %% the assignments in the cell are the initial state. With a final `;` the value is not
        displayed. The run is stored while it is running, and %flow_resume resumes one that ended early.

        Examples::

            %flow_run review code=Path("app.py").read_text() depth=2
            run = %flow_run review code=text
            %flow_run review depth=2 --form

            %%flow_run review --max-parallel 4
            code = Path("app.py").read_text()
        """
        with readable(self._shell):
            order = self._parse_run(line, cell, local_ns, self._shell.transform_cell)
            return self._block(order)

    @needs_local_scope
    @no_var_expand
    async def flow_run_awaited(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Run | Form:
        """Run %flow_run in a cell that awaits."""
        with readable(self._shell):
            return await self._await(self._parse_run(line, cell, local_ns, self._awaited.transform_body))

    @takes(
        argument("run", metavar="RUN", nargs="?", help="its id, or the first characters of it; by default the last "
                 "unfinished run, and for a fork the last run"),
        argument("state", metavar="KEY=EXPR", nargs="*", help="fork, with this key of the state set"),
        argument("--from", dest="place", type=position, metavar="PLACE", help="fork before the last start of NODE, or "
                 "before its third (NODE#3), or after an event (17)"),
        argument("--background", action="store_true", help="return when the run has started; the view stays live"),
        _BREAK,
    )  # fmt: skip
    @needs_local_scope
    @no_var_expand
    @line_magic
    def flow_resume(self, line: str, local_ns: Mapping[str, Any] | None = None) -> Run | Form:
        """Resume a run that failed, was stopped, or whose kernel died, and return the finished run.

        Completed nodes do not run again: fix the tool in its cell, run the cell, and resume. With
        --from or a key, nbflow forks the run: the run is unchanged, and a new one continues from there.
        %flow_runs lists the runs. With a final `;` the value is not displayed.

        Examples::

            %flow_resume
            %flow_resume 1a2b
            fork = %flow_resume 1a2b --from score rate=0.2
        """
        with readable(self._shell):
            order = self._parse_resume(line, local_ns)
            if order.background and in_loop():
                raise UsageError("--background needs a cell that awaits; resume outside of a function")
            return self._block(order)

    @needs_local_scope
    @no_var_expand
    async def flow_resume_awaited(self, line: str, local_ns: Mapping[str, Any] | None = None) -> Run | Form:
        """Run %flow_resume in a cell that awaits."""
        with readable(self._shell):
            return await self._await(self._parse_resume(line, local_ns))

    # -- parsing

    def _options(self, magic: Any, parsed: RunLine) -> Any:
        options = arguments(magic, [*([parsed.name] if parsed.name else []), *parsed.options])
        if options.state:
            raise UsageError(
                f"{options.state[0]!r} is not a value of an option; write KEY=EXPR to set a key of the state"
            )
        return options

    def _expressions(self, parsed: RunLine) -> dict[str, CodeType]:
        return {key: read_expression(self._shell, text) for key, text in parsed.assignments}

    def _parse_resume(self, line: str, local_ns: Mapping[str, Any] | None) -> Order:
        parsed = parse_run_line(line)
        options = self._options(self.flow_resume, parsed)

        async def start(state: dict[str, Any]) -> Run:
            return await with_secrets(
                lambda run_id, secrets: session.current().reopen(
                    run_id, at=options.place, state=state, breaks=options.breaks, secrets=secrets
                ),
                options.run,
            )

        expressions, namespace = self._expressions(parsed), names_for(self._shell, local_ns)
        return Order(start, options.background, expressions, [], [], namespace)

    def _parse_run(self, line: str, cell: str | None, local_ns: Mapping[str, Any] | None, transform: Any) -> Order:
        parsed = parse_run_line(line)
        options, expressions = self._options(self.flow_run, parsed), self._expressions(parsed)
        codes: list[CodeType] = []
        assigned: list[str] = []
        if cell is not None:
            body = read_body(self._shell, cell, cell=self._cells.current_text, transformed=transform(cell))
            codes, assigned = body.codes(show=False), body.assigned()
        if twice := [key for key in assigned if key in expressions]:
            raise UsageError(f"{name_list(map(repr, twice))} is set on the magic's line and in the cell; set it once")

        async def start(state: dict[str, Any]) -> Run:
            here = session.current()
            run = here.start(
                options.name, state, max_parallel=options.max_parallel, durability=options.durability,
                allow_unstored=options.allow_unstored, cache=not options.no_cache, breaks=options.breaks,
            )  # fmt: skip
            here.history.notices += here.unread(options.name, state)
            return run

        namespace = names_for(self._shell, local_ns)
        return Order(
            start, options.background, expressions, codes, assigned, namespace,
            options.name if options.form else None, dict(parsed.assignments),
        )  # fmt: skip

    # -- running

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
        self, order: Order, state: dict[str, Any], slot: Slot | None = None
    ) -> tuple[Run, RunOutput]:  # fmt: skip
        install_capture()  # again, because %%capture may have replaced sys.stdout since
        with ticking(self._shell):
            run = await order.start(state)
        background = order.background or slot is not None
        output = RunOutput(run, self._shell, self._cells, describe_tool, background=background, slot=slot)
        output.start()
        if slot is None:
            show_notices()
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
            raise UsageError("--form needs Jupyter; write KEY=EXPR for each key instead")

        async def evaluate(text: str) -> Any:
            return await value_of(read_expression(self._shell, text), order.namespace)

        given = {key: Given(value, order.sources.get(key, "")) for key, value in state.items()}
        form = Form(
            order.form, session.needs(order.form), given,
            evaluate=evaluate, start=lambda state, slot: self._start(order, state, slot),
            home=home, cells=self._cells,
        )  # fmt: skip
        form.show()
        for output in self._cells.replaced(form):
            output.close()
        return form
