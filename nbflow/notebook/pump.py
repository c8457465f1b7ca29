"""Hands the page's clicks to a cell that awaits, where the kernel itself holds them back.

Rule: nothing here can fail a run. ipykernel 6 queues every message until the cell ends; 7.0 to 7.3 those that come over
no subshell, which is how a page sends until its subshell is there, or always; 7.4 delivers them by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
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
