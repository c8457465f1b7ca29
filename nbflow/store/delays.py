"""Log when a database makes the store wait, with the cause where it can be determined.

Invariant: the watch never slows the writer, which only records the step that it starts. Another thread reads it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread, Timer

SLOW_S = 2.0
"""After how many seconds a wait is logged; it is logged again when it has become four times as long."""
LOOK_S = 0.5
LOCKED, WRITING = "has been locked by another process", "has been writing to its disk"
UNREACHED, ANSWERING = "has not been reached", "has not answered"
_LONGER = 4.0
logger = logging.getLogger("nbflow")


class Pending:
    """The step that a writer is in, and since when."""

    def __init__(self) -> None:
        self._step: tuple[str, float] | None = None

    def begin(self, step: str) -> None:
        """Record the start of a step."""
        self._step = step, time.monotonic()

    def end(self) -> None:
        """Record that the change is done or has failed."""
        self._step = None

    def now(self) -> tuple[str, float] | None:
        """Return the step and the seconds that it has taken so far; None if no step is pending."""
        step = self._step
        return None if step is None else (step[0], time.monotonic() - step[1])


class DelayWatch:
    """A thread that watches a writer and logs its waits.

    Args:
        place: The location of the store, for people.
        pending: The step of its writer.
        detail: Returns details of a step, such as the owner of a lock; may block.
        waiting: Returns the ids of the runs that the store is recording.
    """

    def __init__(
        self, place: str, pending: Pending, *, detail: Callable[[str], str], waiting: Callable[[], list[str]]
    ) -> None:  # fmt: skip
        self._place, self._pending, self._detail, self._waiting = place, pending, detail, waiting
        self._stop, self._starting = Event(), Lock()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the thread on the first call."""
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = Thread(target=self._look, name="nbflow-store-watch", daemon=True)
                    self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()

    def _look(self) -> None:
        least, longest = SLOW_S, 0.0
        while not self._stop.wait(LOOK_S):
            found = self._pending.now()
            seconds = 0.0 if found is None else found[1]
            if longest and seconds < longest:  # another change, or none
                logger.warning("the store %s responds again after about %s", self._place, spoken(longest))
                least, longest = SLOW_S, 0.0
            elif longest:
                longest = seconds
            if found is not None and seconds >= least:
                self._say(*found)
                least, longest = seconds * _LONGER, seconds

    def _say(self, step: str, seconds: float) -> None:
        runs = self._waiting()
        meanwhile = f", and {run_list(runs)} cannot be stored meanwhile" if runs else ""
        logger.warning("the store %s %s for %s%s%s", self._place, step, spoken(seconds), meanwhile, self._detail(step))


@contextmanager
def delay_logged(said: str, detail: Callable[[], str]) -> Iterator[None]:
    """Log `said`, the time so far and a detail if the body of the context takes long."""
    began = time.monotonic()
    timer = Timer(SLOW_S, lambda: logger.warning("%s for %s%s", said, spoken(time.monotonic() - began), detail()))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def run_list(runs: list[str]) -> str:
    """Return the ids of a few runs and the number of the others, for people."""
    more = f" and {len(runs) - 3} more" if len(runs) > 3 else ""
    return f"{'run' if len(runs) == 1 else 'runs'} {', '.join(runs[:3])}{more}"


def spoken(seconds: float) -> str:
    """Return a duration for people: in whole seconds, below a second to the hundredth."""
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.2f} s"
