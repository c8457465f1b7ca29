"""Sends what a tool prints to its node; all other text goes where it always went.

Rule: the attempt that the code runs for decides, not the cell: nodes side by side never mix, and threads that a tool
starts belong to its node (`tool_threads`). After the node's end their text goes where all other text goes.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, BinaryIO, TextIO

from nbflow.engine import figures, tool_threads
from nbflow.engine.context import current_attempt


class Bytes:
    """The stream for bytes beneath a `Tee`: bytes of a tool are text of its node."""

    def __init__(self, tee: Tee, base: BinaryIO) -> None:
        self._tee, self._base = tee, base

    def write(self, data: Any) -> int:
        """Write bytes; return how many."""
        if current_attempt() is None:
            return self._base.write(data)
        self._tee.write(bytes(data).decode(self._tee.encoding, "replace"))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)


class Tee(io.TextIOBase):
    """A stream that writes to the running node, or to `base` where none runs."""

    def __init__(self, base: TextIO, name: str) -> None:
        self.base, self.stream_name = base, name

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        attempt = current_attempt()
        if attempt is None or not attempt.log(text, stream=self.stream_name):
            return self.base.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the base."""
        self.base.flush()

    def close(self) -> None:
        """Do nothing, at the end of its life too: the base is not ours to flush or close then."""

    def writable(self) -> bool:
        """Return True: TextIOBase says no by default."""
        return True

    def isatty(self) -> bool:
        """Return what the base says."""
        return self.base.isatty()

    def fileno(self) -> int:
        """Return the base's file descriptor."""
        return self.base.fileno()

    @property
    def buffer(self) -> Bytes:
        """The stream for bytes, where the base has one."""
        return Bytes(self, self.base.buffer)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has it as a plain attribute
        """The base's encoding."""
        return getattr(self.base, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The base's error handling."""
        return getattr(self.base, "errors", None)

    def __getattr__(self, name: str) -> Any:
        # ipykernel tells sys.stdout which cell is running (set_parent) and asks it for more of its own.
        return getattr(self.base, name)


def install() -> None:
    """Put a `Tee` before sys.stdout and sys.stderr, once; log handlers that hold these streams follow."""
    tool_threads.install()
    figures.install()
    for name in ("stdout", "stderr"):
        base = getattr(sys, name)
        if base is not None and not isinstance(base, Tee):
            tee = Tee(base, name)
            setattr(sys, name, tee)
            _redirect_handlers(base, tee)


def uninstall() -> None:
    """Take the tees away."""
    tool_threads.uninstall()
    figures.uninstall()
    for name in ("stdout", "stderr"):
        tee = getattr(sys, name)
        if isinstance(tee, Tee):
            setattr(sys, name, tee.base)
            _redirect_handlers(tee, tee.base)


def _redirect_handlers(old: Any, new: Any) -> None:
    """Point log handlers at the new stream: those made earlier keep the very object that sys.stderr was then."""
    # The list of all handlers is that which logging itself shuts down at exit; it holds them weakly.
    for reference in list(getattr(logging, "_handlerList", [])):
        handler = reference()
        # The handler of last resort has no stream of its own: it asks for sys.stderr each time.
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is old:
            handler.setStream(new)
