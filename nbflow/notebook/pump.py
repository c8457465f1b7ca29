"""Hands the page's clicks to a cell that awaits, where the kernel itself holds them back.

Rule: nothing here can fail a run. ipykernel 6 queues every message until the cell ends; 7 delivers them by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

_COMM = frozenset({"comm_open", "comm_msg", "comm_close"})


def comm_pump(shell: Any) -> Callable[[], Awaitable[None]] | None:
    """Return what delivers the queued comm messages, or None where the kernel needs no help."""
    kernel: Any = getattr(shell, "kernel", None)
    if not hasattr(kernel, "msg_queue") or not hasattr(kernel, "_publish_status"):
        return None

    async def pump() -> None:
        queue, kept = kernel.msg_queue, []
        while not queue.empty():
            item = queue.get_nowait()
            if _message_type(kernel, item) in _COMM:
                await _deliver(kernel, item)
            else:
                kept.append(item)
        for item in kept:
            queue.put_nowait(item)

    return pump


def _message_type(kernel: Any, item: Any) -> str | None:
    try:
        _, frames = kernel.session.feed_identities(item[2][0], copy=False)
        message = kernel.session.deserialize(frames, content=False, copy=False)
        return str(message["header"]["msg_type"])
    except Exception:  # noqa: BLE001 - the queue's layout is private: what is not understood stays queued
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
