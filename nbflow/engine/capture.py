"""Sends what a tool prints to its node; all other text goes where it always went.

Rule: the context decides, not the thread or the cell: `NODE` holds the sink of the node that is running here, so nodes
side by side never mix.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, TextIO

from nbflow.engine.context import NODE


class Tee(io.TextIOBase):
    """A stream that writes to the running node, or to `base` where none runs."""

    def __init__(self, base: TextIO, name: str) -> None:
        self.base, self.stream_name = base, name

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        node = NODE.get()
        if node is None:
            return self.base.write(text)
        node.log(text, stream=self.stream_name)
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
    for name in ("stdout", "stderr"):
        base = getattr(sys, name)
        if base is not None and not isinstance(base, Tee):
            tee = Tee(base, name)
            setattr(sys, name, tee)
            _redirect_handlers(base, tee)


def uninstall() -> None:
    """Take the tees away."""
    for name in ("stdout", "stderr"):
        tee = getattr(sys, name)
        if isinstance(tee, Tee):
            setattr(sys, name, tee.base)
            _redirect_handlers(tee, tee.base)


def _redirect_handlers(old: Any, new: Any) -> None:
    """Point log handlers at the new stream: those made earlier keep the very object that sys.stderr was then."""
    loggers = [logging.root, *(x for x in logging.root.manager.loggerDict.values() if isinstance(x, logging.Logger))]
    for handler in [handler for logger in loggers for handler in logger.handlers]:
        if isinstance(handler, logging.StreamHandler) and handler.stream is old:
            handler.setStream(new)
