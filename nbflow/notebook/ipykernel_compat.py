"""Hands the page's clicks to a cell that awaits, where the kernel itself holds them back.

Rule: nothing here can fail a run. ipykernel 6 queues every message until the cell ends; 7.0 to 7.3 those that come over
no subshell, which is how a page sends until its subshell is there, or always; 7.4 delivers them by itself.
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

_COMM = frozenset({"comm_open", "comm_msg", "comm_close"})


def comm_pump(shell: Any) -> Callable[[], Awaitable[None]] | None:
    """Return what delivers the comm messages that ipykernel 6 has queued, or None where there is no such queue."""
    kernel: Any = getattr(shell, "kernel", None)
    if not hasattr(kernel, "msg_queue") or not hasattr(kernel, "_publish_status") or _channel(kernel) is not None:
        return None

    async def pump() -> None:
        queue, kept = kernel.msg_queue, []
        while not queue.empty():
            item = queue.get_nowait()
            if _message_type(kernel, item[2][0]) in _COMM:
                await _deliver(kernel, item)
            else:
                kept.append(item)
        for item in kept:
            queue.put_nowait(item)

    return pump


def _message_type(kernel: Any, message: Any) -> str | None:
    try:
        _, frames = kernel.session.feed_identities(message, copy=False)
        header = kernel.session.deserialize(frames, content=False, copy=False)["header"]
        return str(header["msg_type"])
    except Exception:  # noqa: BLE001 - how it is queued is private: what is not understood stays queued
        return None


async def _deliver(kernel: Any, item: Any) -> None:
    """Handle one message as the kernel would, then make the running cell its parent again."""
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
    """Let comm messages pass that ipykernel 7.0 to 7.3 keeps for after the cell, while it awaits what is inside."""
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
    """Return the stream of what comes over no subshell, None where there are no subshells."""
    try:
        stream = kernel.shell_channel_thread.manager.get_shell_channel_to_subshell_pair(None).to_stream
    except AttributeError:
        return None
    return stream if callable(getattr(stream, "_recv_callback", None)) else None


class _Gate:
    """Stands before what the kernel does with a message of that stream; `cells` are the requests that now await."""

    def __init__(self, kernel: Any, stream: Any) -> None:
        self._kernel, self._queue = kernel, stream._recv_callback
        self.cells: list[Any] = []
        stream.on_recv(self._receive, copy=False)

    def _receive(self, message: Any) -> Any:
        if self.cells and _message_type(self._kernel, message) in _COMM:
            return self._deliver(message, self.cells[-1])
        return self._queue(message)

    async def _deliver(self, message: Any, cell: Any) -> None:
        # A context of its own: the parent of what the cell shows stays the cell. Threads look at the kernel's last one.
        kernel, last = self._kernel, getattr(self._kernel, "_shell_context", None)
        try:
            await asyncio.create_task(kernel.dispatch_shell(message), context=contextvars.copy_context())
        finally:
            if last is not None:
                kernel._shell_context = last
            kernel._publish_status("busy", "shell", cell)


# Context variables that a cell sets while it awaits: later cells see them, as those of an ordinary cell.
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
