"""Context variables that a cell sets while it awaits: later cells see them, as those of an ordinary cell.

Invariant: a cell runs in the context of the shell, whether it awaits or not. So `np.set_printoptions`,
`decimal.getcontext()`, `var.set(...)` and `var.reset(token)` work across cells.

ipykernel and IPython run a cell that awaits as an asyncio task, and a task runs in a copy of the context. Where the
context of the shell can be found, the steps of the cell run in it. Where it cannot (the terminal's IPython, where no
task runs around the cell), the values that the cell has set are set again once it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from functools import wraps
from typing import Any

_MARK: ContextVar[object] = ContextVar("nbflow_cell_context")


class CellContext:
    """Runs the cells of a shell that await in the context of the shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._ended = threading.local()  # cells of a subshell run in a thread of their own
        self._wrapper: Callable[..., Any] | None = None

    def install(self) -> None:
        """Stand before the method of the shell that runs cells."""
        run_cell = self._shell.run_cell_async

        @wraps(run_cell)  # ipykernel looks at the names of its parameters
        def run_cell_async(*args: Any, **settings: Any) -> Coroutine[Any, Any, Any]:
            mark = object()
            token = _MARK.set(mark)
            return self._run(run_cell(*args, **settings), token, _current_context(mark))

        self._wrapper = self._shell.run_cell_async = run_cell_async
        self._shell.events.register("post_execute", self._adopt)

    def uninstall(self) -> None:
        """Leave the shell as it was; a wrapper that another extension put over this one keeps working."""
        self._shell.events.unregister("post_execute", self._adopt)
        if vars(self._shell).get("run_cell_async") is self._wrapper:
            del self._shell.run_cell_async

    async def _run(self, cell: Coroutine[Any, Any, Any], token: Any, context: Context | None) -> Any:
        try:
            _MARK.reset(token)
        except ValueError:  # a copy of the shell's context: the cell is a task
            pass
        else:
            return await cell
        if context is not None:
            context.run(_MARK.reset, token)
            return await _inside(context, cell)
        before = copy_context()
        try:
            return await cell
        finally:
            self._ended.changed = changed_since(before)

    def _adopt(self) -> None:
        changed: dict[ContextVar[Any], Any] = vars(self._ended).pop("changed", {})
        adopt(changed)


def changed_since(before: Context) -> dict[ContextVar[Any], Any]:
    """Return the variables of the current context that have another value than before."""
    missing = object()
    return {var: value for var, value in copy_context().items() if before.get(var, missing) is not value}


def adopt(changed: dict[ContextVar[Any], Any]) -> None:
    """Set the variables in the current context."""
    for var, value in changed.items():
        var.set(value)


def _current_context(mark: object) -> Context | None:
    """Return the context of the running task itself, not a copy; None where no task runs. `mark` is set in it alone.

    Python 3.11 has no method for it, and the collector knows it as part of the task.
    """
    with contextlib.suppress(RuntimeError):
        task: Any = asyncio.current_task()
        if task is not None:
            found = [task.get_context()] if hasattr(task, "get_context") else gc.get_referents(task)
            return next((one for one in found if isinstance(one, Context) and one.get(_MARK) is mark), None)
    return None


@types.coroutine
def _inside(context: Context, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Run a coroutine to its end, each of its steps in the context."""
    step: Callable[..., Any] = coroutine.send
    argument: Any = None
    while True:
        try:
            waits_for = context.run(step, argument)
        except StopIteration as stop:
            return stop.value
        try:
            argument = yield waits_for
            step = coroutine.send
        except BaseException as error:  # noqa: BLE001 - whatever is thrown in, a cancellation too, is the cell's to see
            step, argument = coroutine.throw, error
