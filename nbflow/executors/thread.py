"""Run sync functions in threads, with the context of their firing.

Invariant: a thread cannot be stopped, so neither a cancelled run nor the end of the process waits for one. The
interpreter joins the threads of `concurrent.futures` at exit, so this module has its own daemon threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context
from queue import Empty, SimpleQueue
from typing import Any

from nbflow.errors import words

_IDLE_S = 30.0


class ThreadExecutor:
    """A pool of daemon threads; an idle thread ends after 30 s."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle = 0
        self._lock = threading.Lock()

    def submit(self, context: Context, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call a function in a thread; return a future of the running loop for its value or exception."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def call() -> None:
            try:
                value, error = context.run(function), None
            except BaseException as raised:  # noqa: BLE001 - the caller gets the exception
                value, error = None, raised
            # Before the value is set: its receiver may submit the next call at once, and this thread is free for it.
            with self._lock:
                self._idle += 1
            try:
                loop.call_soon_threadsafe(_settle, future, value, error)
            except RuntimeError:
                return  # the loop is closed, so no caller waits

        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(target=self._serve, name="nbflow-tool", daemon=True).start()
        self._work.put(call)
        return future

    def _serve(self) -> None:
        while True:
            try:
                call = self._work.get(timeout=_IDLE_S)
            except Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return
                continue
            call()
            del call


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    elif isinstance(error, StopIteration | GeneratorExit):
        # A future refuses a StopIteration, and a coroutine would end at a GeneratorExit.
        named = RuntimeError(f"the tool raised {type(error).__name__}: {words(error)}")
        named.__cause__ = error
        future.set_exception(named)
    else:
        future.set_exception(error)
