"""Threads that a tool starts belong to its attempt, so that what they print and report reaches the node.

A new thread has an empty context, so that the context variable `NODE` says nothing there. While output is captured,
`threading.Thread.start` notes the attempt in the thread that it starts. A thread of a pool works for whoever gave it a
call: `ThreadPoolExecutor.submit`, and the methods of `multiprocessing.pool.ThreadPool` (as joblib uses it), note the
attempt in the call.

Invariant: nothing else of the context is inherited, `run` of a user's subclass is called as ever, and no thread retains
an attempt: it is held by a weak reference.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from multiprocessing.pool import ThreadPool
from typing import Any

from nbflow.engine.context import INHERITED, NODE, Attempt, current_attempt

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


def install() -> None:
    """Note attempts in threads and calls from now on, once."""
    for cls, name, wrap in _METHODS:
        if (cls, name) not in _installed:
            wrapper = wrap(getattr(cls, name))
            _installed[cls, name] = wrapper, vars(cls).get(name)
            setattr(cls, name, wrapper)


def uninstall() -> None:
    """Put the methods back; one that another program has replaced since stays as it is."""
    for (cls, name), (wrapper, before) in list(_installed.items()):
        if vars(cls).get(name) is wrapper:
            if before is None:
                delattr(cls, name)
            else:
                setattr(cls, name, before)
            del _installed[cls, name]
