"""Capture the text that tools print, and log it as output of their nodes.

A `Tee` in front of `sys.stdout` and `sys.stderr` sends text to the current attempt, and all other text to the original
stream. So nodes that run side by side never mix their text, also if several cells started them.

Threads that a tool starts belong to its attempt. A new thread has an empty context, so the context variable `NODE` is
not set there. Therefore `threading.Thread.start` stores the attempt in the thread that it starts. A thread of a pool
serves many callers, so `ThreadPoolExecutor.submit` and the methods of `multiprocessing.pool.ThreadPool` (as joblib uses
it) store the attempt in the call instead.

Invariant: nothing else of the context is inherited, `run` of a user's subclass is called unchanged, and threads refer
to attempts weakly. After the node's end, the text of its threads goes to the original stream.
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
    """A call in a pool, made for the attempt that submitted it, or for none."""

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
            vars(self)[INHERITED] = attempt  # not `setattr`, which a subclass may have replaced
        return start(self)

    return wrapper


def _calls(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args:
            args = (_Call(args[0]), *args[1:])
        elif "func" in kwargs:  # the name of this parameter in all methods of a ThreadPool
            kwargs["func"] = _Call(kwargs["func"])
        return method(self, *args, **kwargs)

    return wrapper


_METHODS: list[tuple[type, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = [
    (threading.Thread, "start", _starts),
    (ThreadPoolExecutor, "submit", _calls),
    *((ThreadPool, name, _calls) for name in ("apply_async", "_map_async", "imap", "imap_unordered")),
]
_installed: dict[tuple[type, str], tuple[Any, Any]] = {}
"""By method, the wrapper and the replaced method; None for a method that the class inherits."""


def _install_thread_hooks() -> None:
    """Store attempts in threads and calls from now on. A second call has no effect."""
    for cls, name, wrap in _METHODS:
        if (cls, name) not in _installed:
            wrapper = wrap(getattr(cls, name))
            _installed[cls, name] = wrapper, vars(cls).get(name)
            setattr(cls, name, wrapper)


def _uninstall_thread_hooks() -> None:
    """Restore the methods, except one that another program has replaced since."""
    for (cls, name), (wrapper, before) in list(_installed.items()):
        if vars(cls).get(name) is wrapper:
            if before is None:
                delattr(cls, name)
            else:
                setattr(cls, name, before)
            del _installed[cls, name]


class Bytes:
    """The binary stream of a `Tee`: bytes that a tool writes are decoded as text of its node."""

    def __init__(self, tee: Tee, base: BinaryIO) -> None:
        self._tee, self._base = tee, base

    def write(self, data: Any) -> int:
        """Write bytes; return their number."""
        if current_attempt() is None:
            return self._base.write(data)
        self._tee.write(bytes(data).decode(self._tee.encoding, "replace"))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)


class Tee(io.TextIOBase):
    """A stream that writes to the node of the current attempt, or to `base` outside an attempt."""

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
        """Do nothing, also when the object is deleted: this object does not own the base."""

    def writable(self) -> bool:
        """Return True, unlike TextIOBase."""
        return True

    def isatty(self) -> bool:
        """Return whether the base is a terminal."""
        return self.base.isatty()

    def fileno(self) -> int:
        """Return the base's file descriptor."""
        return self.base.fileno()

    @property
    def buffer(self) -> Bytes:
        """The binary stream, if the base has one."""
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
        # ipykernel calls `set_parent` of sys.stdout for each cell, and other methods that only its stream class has.
        return getattr(self.base, name)


def install() -> None:
    """Put a `Tee` in front of sys.stdout and sys.stderr, and point log handlers at it. A second call has no effect."""
    _install_thread_hooks()
    figures.install()
    for name in ("stdout", "stderr"):
        base = getattr(sys, name)
        if base is not None and not isinstance(base, Tee):
            tee = Tee(base, name)
            setattr(sys, name, tee)
            _redirect_handlers(base, tee)


def uninstall() -> None:
    """Remove the tees."""
    _uninstall_thread_hooks()
    figures.uninstall()
    for name in ("stdout", "stderr"):
        tee = getattr(sys, name)
        if isinstance(tee, Tee):
            setattr(sys, name, tee.base)
            _redirect_handlers(tee, tee.base)


def _redirect_handlers(old: Any, new: Any) -> None:
    """Point log handlers at the new stream: a handler refers to the object that sys.stderr was at its creation."""
    # This private list of weak references is the one that logging uses to shut down all handlers at exit.
    for reference in list(getattr(logging, "_handlerList", [])):
        handler = reference()
        # The handler of last resort has no stream: it reads sys.stderr for each record.
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is old:
            handler.setStream(new)
