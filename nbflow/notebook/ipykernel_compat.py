"""Make ipykernel deliver comm messages while a cell awaits, and run such a cell in the context of the shell.

Invariant: nothing here can fail a run. Private parts of ipykernel that are missing switch a workaround off.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import threading
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextvars import Context, ContextVar, copy_context
from functools import cache, wraps
from typing import Any

# -- comm messages while a cell awaits ---------------------------------------------------------------------------------
#
# A click on the page is a comm message. While a cell awaits a run, when it is delivered depends on ipykernel
# (measured with a click 0.7 s after the start of a cell of 3 s; docs/jupyter.md has the table):
#
#     6.29 to 6.31   All messages wait in `kernel.msg_queue` until the cell ends. `comm_pump` takes the comm messages
#                    out of the queue, 20 times a second; a click then takes 0.04 s.
#     7.0 to 7.3     Messages over a subshell are delivered at once, in a thread of the subshell with another loop.
#                    Messages without a subshell wait until the cell ends. A page sends without one until its subshell
#                    is open, or always, by JupyterLab's setting `commsOverSubshells` (jupyterlab #19719 discusses to
#                    disable subshells). `comm_gate` lets these messages pass.
#     7.4            Messages are delivered at once, on the loop of the kernel. Nothing to do.
#
# As the thread differs, a callback of a message only calls `loop.call_soon_threadsafe` with the loop of the run.

_COMM = frozenset({"comm_open", "comm_msg", "comm_close"})


def comm_pump(shell: Any) -> Callable[[], Awaitable[None]] | None:
    """Return a function that delivers the comm messages queued by ipykernel 6; None for other versions."""
    kernel: Any = getattr(shell, "kernel", None)
    if not hasattr(kernel, "msg_queue") or not hasattr(kernel, "_publish_status") or _channel(kernel) is not None:
        return None

    async def pump() -> None:
        queue, others = kernel.msg_queue, []
        while not queue.empty():
            item = queue.get_nowait()
            if _message_type(kernel, item[2][0]) in _COMM:
                await _deliver(kernel, item)
            else:
                others.append(item)
        for item in others:
            queue.put_nowait(item)

    return pump


def _message_type(kernel: Any, message: Any) -> str | None:
    try:
        _, frames = kernel.session.feed_identities(message, copy=False)
        header = kernel.session.deserialize(frames, content=False, copy=False)["header"]
        return str(header["msg_type"])
    except Exception:  # noqa: BLE001 - the format of the queue is private: an unknown item stays queued
        return None


async def _deliver(kernel: Any, item: Any) -> None:
    """Dispatch one message as the kernel does, then make the running cell the parent of its outputs again."""
    identities = getattr(kernel, "_parent_ident", None)
    identity = identities.get("shell") if isinstance(identities, dict) else None
    parent = kernel.get_parent("shell")
    _, dispatch, arguments = item
    try:
        await dispatch(*arguments)
    finally:
        kernel.set_parent(identity, parent, channel="shell")
        kernel._publish_status("busy", "shell", parent)


@contextlib.contextmanager
def comm_gate(shell: Any) -> Iterator[None]:
    """Deliver comm messages that ipykernel 7.0 to 7.3 would delay until the cell ends, while the body awaits."""
    kernel: Any = getattr(shell, "kernel", None)
    gate = _gate_of(kernel) if threading.current_thread() is threading.main_thread() else None
    if gate is None:
        yield
        return
    gate.cells.append(kernel.get_parent("shell"))
    try:
        yield
    finally:
        gate.cells.pop()


@cache
def _gate_of(kernel: Any) -> _Gate | None:
    stream = _channel(kernel)
    if stream is None or "concurrent" in inspect.signature(kernel.dispatch_shell).parameters:
        return None
    return _Gate(kernel, stream)


def _channel(kernel: Any) -> Any:
    """Return the stream of messages without a subshell; None if the kernel has no subshells."""
    try:
        stream = kernel.shell_channel_thread.manager.get_shell_channel_to_subshell_pair(None).to_stream
    except AttributeError:
        return None
    return stream if callable(getattr(stream, "_recv_callback", None)) else None


class _Gate:
    """Replaces the kernel's handler of that stream. `cells` are the requests of the cells that await now."""

    def __init__(self, kernel: Any, stream: Any) -> None:
        self._kernel, self._queue = kernel, stream._recv_callback
        self.cells: list[Any] = []
        stream.on_recv(self._receive, copy=False)

    def _receive(self, message: Any) -> Any:
        if self.cells and _message_type(self._kernel, message) in _COMM:
            return self._deliver(message, self.cells[-1])
        return self._queue(message)

    async def _deliver(self, message: Any, cell: Any) -> None:
        # In a copy of the context, since the handler sets the parent of outputs there; threads read `_shell_context`.
        kernel, last = self._kernel, getattr(self._kernel, "_shell_context", None)
        try:
            await asyncio.create_task(kernel.dispatch_shell(message), context=contextvars.copy_context())
        finally:
            if last is not None:
                kernel._shell_context = last
            kernel._publish_status("busy", "shell", cell)


# -- context variables that a cell sets while it awaits ----------------------------------------------------------------
#
# Later cells see them, as they see those of an ordinary cell.
#
# Invariant: a cell runs in the context of the shell, whether it awaits or not. So `np.set_printoptions`,
# `decimal.getcontext()`, `var.set(...)` and `var.reset(token)` work across cells.
#
# ipykernel and IPython run a cell that awaits as an asyncio task, and a task runs in a copy of the context. Where the
# context of the shell can be found, the steps of the cell run in it. Where it cannot (the terminal's IPython, where no
# task runs around the cell), the values that the cell has set are set again once it has ended.

_MARK: ContextVar[object] = ContextVar("nbflow_cell_context")


class CellContext:
    """Runs the cells of a shell that await in the context of the shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._ended = threading.local()  # thread-local, since the cells of each subshell run in another thread
        self._wrapper: Callable[..., Any] | None = None

    def install(self) -> None:
        """Wrap the method of the shell that runs cells."""
        run_cell = self._shell.run_cell_async

        @wraps(run_cell)  # ipykernel inspects the names of its parameters
        def run_cell_async(*args: Any, **settings: Any) -> Coroutine[Any, Any, Any]:
            mark = object()
            token = _MARK.set(mark)
            return self._run(run_cell(*args, **settings), token, _current_context(mark))

        self._wrapper = self._shell.run_cell_async = run_cell_async
        self._shell.events.register("post_execute", self._adopt)

    def uninstall(self) -> None:
        """Remove the wrapper, unless another extension has wrapped it in turn; it then still works."""
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
    """Return the variables of the current context whose values differ from those in `before`."""
    missing = object()
    return {var: value for var, value in copy_context().items() if before.get(var, missing) is not value}


def adopt(changed: dict[ContextVar[Any], Any]) -> None:
    """Set the variables in the current context."""
    for var, value in changed.items():
        var.set(value)


def _current_context(mark: object) -> Context | None:
    """Return the context of the running task itself, not a copy; None if no task runs. Only it contains `mark`.

    Python 3.11 has no method for it, but the garbage collector lists the objects that a task refers to.
    """
    with contextlib.suppress(RuntimeError):
        task: Any = asyncio.current_task()
        if task is not None:
            found = [task.get_context()] if hasattr(task, "get_context") else gc.get_referents(task)
            return next((one for one in found if isinstance(one, Context) and one.get(_MARK) is mark), None)
    return None


@types.coroutine
def _inside(context: Context, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Run a coroutine until it returns, each of its steps in the context."""
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
        except BaseException as error:  # noqa: BLE001 - every exception, a cancellation too, is thrown into the cell
            step, argument = coroutine.throw, error
