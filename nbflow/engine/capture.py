"""Threads that a tool starts belong to its attempt, so that what they print and report reaches the node.

A new thread has an empty context, so that the context variable `NODE` says nothing there. While output is captured,
`threading.Thread.start` notes the attempt in the thread that it starts. A thread of a pool works for whoever gave it a
call: `ThreadPoolExecutor.submit`, and the methods of `multiprocessing.pool.ThreadPool` (as joblib uses it), note the
attempt in the call.

Invariant: nothing else of the context is inherited, `run` of a user's subclass is called as ever, and no thread retains
an attempt: it is held by a weak reference.


Sends what a tool prints to its node; all other text goes where it always went.

Rule: the attempt that the code runs for decides, not the cell: nodes side by side never mix, and threads that a tool
starts belong to its node (`tool_threads`). After the node's end their text goes where all other text goes.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from multiprocessing.pool import ThreadPool
from typing import Any, BinaryIO, TextIO

from nbflow.engine import figures
from nbflow.engine.attempt import INHERITED, NODE, Attempt, current_attempt

Found = weakref.ref[Attempt] | None


class _Call:
    """A call that a pool makes for the attempt in which it was asked for, or for none."""

    __slots__ = ("_attempt", "_function")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self._attempt = function, _reference()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        own = vars(threading.current_thread())
        before: Found = own.get(INHERITED)
        token = NODE.set(None)
        own[INHERITED] = self._attempt
        try:
            return self._function(*args, **kwargs)
        finally:
            own[INHERITED] = before
            NODE.reset(token)


def _reference() -> Found:
    attempt = current_attempt()
    return None if attempt is None else weakref.ref(attempt)


def _starts(start: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(start)
    def wrapper(self: threading.Thread) -> Any:
        if (attempt := _reference()) is not None:
            vars(self)[INHERITED] = attempt  # not by `setattr`, which a subclass may have replaced
        return start(self)

    return wrapper


def _calls(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args:
            args = (_Call(args[0]), *args[1:])
        elif "func" in kwargs:  # its name in all methods of a ThreadPool
            kwargs["func"] = _Call(kwargs["func"])
        return method(self, *args, **kwargs)

    return wrapper


_METHODS: list[tuple[type, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = [
    (threading.Thread, "start", _starts),
    (ThreadPoolExecutor, "submit", _calls),
    *((ThreadPool, name, _calls) for name in ("apply_async", "_map_async", "imap", "imap_unordered")),
]
_installed: dict[tuple[type, str], tuple[Any, Any]] = {}
"""The wrapper of each method, and what it replaced: None of a method that the class inherits."""


def _install_thread_hooks() -> None:
    """Note attempts in threads and calls from now on, once."""
    for cls, name, wrap in _METHODS:
        if (cls, name) not in _installed:
            wrapper = wrap(getattr(cls, name))
            _installed[cls, name] = wrapper, vars(cls).get(name)
            setattr(cls, name, wrapper)


def _uninstall_thread_hooks() -> None:
    """Put the methods back; one that another program has replaced since stays as it is."""
    for (cls, name), (wrapper, before) in list(_installed.items()):
        if vars(cls).get(name) is wrapper:
            if before is None:
                delattr(cls, name)
            else:
                setattr(cls, name, before)
            del _installed[cls, name]


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
    _install_thread_hooks()
    figures.install()
    for name in ("stdout", "stderr"):
        base = getattr(sys, name)
        if base is not None and not isinstance(base, Tee):
            tee = Tee(base, name)
            setattr(sys, name, tee)
            _redirect_handlers(base, tee)


def uninstall() -> None:
    """Take the tees away."""
    _uninstall_thread_hooks()
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
