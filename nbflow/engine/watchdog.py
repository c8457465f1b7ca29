"""Tells whether it was a tool's own code that held the event loop for long.

A clock sees only that a step of a tool took long. The time may have gone to the garbage collector, to nbflow itself,
to another thread that held the interpreter's lock, or to none, as the machine slept or ran something else. So a second
thread looks at the loop's thread every 25 ms and counts the time since its last look for the tool, where

- the thread is inside a call of a tool, as `Watch.inside` says, and
- it slept in that call, or else used the processor: that much time, without the collector's.

A look that comes late, as after a suspension, counts only the processor time. A step pays one test and two settings of
an attribute for this; the second thread lives only while the loop is busy with tools, and ends a second after that.

The second thread reads no frames: where the collector runs while the stack of another thread is read, Python 3.11 may
wait for itself for ever (python/cpython#106883) or follow a frame that is gone.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

PERIOD_S = 0.025
_LATE_S = 3 * PERIOD_S
_QUIET = 40
"""So many looks in a row that find no tool end the watch until the next step."""
_MOST = 2400
"""Looks that are retained: a minute's; of a longer step every second one is merged with the one before."""


class Watch:
    """The watch over the thread that it is made in.

    `asleep` says that nobody looks at it, `inside` that the thread is in a call of a tool; whoever calls one sets it.
    """

    def __init__(self) -> None:
        self.asleep, self.inside = True, False
        self.ident = threading.get_ident()
        self._collected = 0.0
        self._began: float | None = None
        self._collections: deque[tuple[float, float]] = deque(maxlen=_MOST)
        self._task = Path(f"/proc/self/task/{threading.get_native_id()}/stat")
        # The id of the clock is asked for in the thread itself, as a thread that has ended has none.
        clock_of = getattr(time, "pthread_getcpuclockid", None)
        self._cpu = None if clock_of is None else clock_of(self.ident)
        self._last = (0.0, 0.0, 0.0)
        self._looks: list[tuple[float, float]] = []
        self._quiet = 0

    def wake(self) -> None:
        """Look at the thread from now on."""
        self.asleep, self._quiet = False, 0
        self._last = self._measured()
        _SAMPLER.add(self)

    def held(self, seconds: float) -> float:
        """Return for how many of the `seconds` up to now a tool held the loop; call it in the thread itself.

        All count, without the collector's, where most were seen to be the tool's, else those that were seen.
        """
        now = time.perf_counter()
        began = now - seconds
        looks = [(at, own) for at, own in tuple(self._looks) if at >= began]
        if not looks:
            return 0.0
        seconds -= sum(used for at, used in self._collections if at >= began)
        since = now - looks[-1][0]
        seen = sum(min(own, at - began) for at, own in looks) + (since if since <= _LATE_S else 0.0)
        return seconds if seen > seconds / 2 else seen

    def look(self) -> bool:
        """Note what the thread does; return whether to look again."""
        if self._began is not None:
            return True  # the collector runs, and what it used is known only when it ends
        before, self._last = self._last, self._measured()
        if not self.inside:
            self._quiet += 1
            return self._quiet < _QUIET
        self._quiet = 0
        took, used, collected = (now - then for now, then in zip(self._last, before, strict=True))
        # A look on time found the thread asleep in a call, if it does not wait for the processor.
        own = took if took <= _LATE_S and not self._is_runnable() else used
        if len(self._looks) >= _MOST:
            pairs = zip(self._looks[::2], self._looks[1::2], strict=False)
            self._looks = [(later[0], earlier[1] + later[1]) for earlier, later in pairs]
        self._looks.append((self._last[0], max(0.0, own - collected)))
        return True

    def collects(self, *, over: bool) -> None:
        """Note that the collector starts or ends in this thread."""
        if not over:
            self._began = time.thread_time()
        elif self._began is not None:
            used = time.thread_time() - self._began
            self._collected += used
            self._collections.append((time.perf_counter(), used))
            self._began = None

    def _measured(self) -> tuple[float, float, float]:
        """Return the time, the thread's processor time (0 where it cannot be had), and the collector's part of it."""
        try:
            used = 0.0 if self._cpu is None else time.clock_gettime(self._cpu)
        except OSError:
            used = 0.0  # the thread has ended
        return time.perf_counter(), used, self._collected

    def _is_runnable(self) -> bool:
        """Return whether the thread runs or waits for a processor, as far as the system tells."""
        try:
            return self._task.read_bytes().rpartition(b") ")[2][:1] == b"R"
        except OSError:
            return False


class _Sampler:
    """The thread that looks; it lives while there is a watch that is awake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awake: dict[int, Watch] = {}
        self._lives = False

    def add(self, watch: Watch) -> None:
        """Look at a thread."""
        with self._lock:
            self._awake[watch.ident] = watch
            if not self._lives:
                self._lives = True
                threading.Thread(target=self._serve, name="nbflow-watchdog", daemon=True).start()

    def _serve(self) -> None:
        while True:
            time.sleep(PERIOD_S)
            with self._lock:
                for ident, watch in list(self._awake.items()):
                    if not watch.look():
                        del self._awake[ident]
                        watch.asleep = True
                if not self._awake:
                    self._lives = False
                    return


_SAMPLER = _Sampler()
_watches = threading.local()


def watch_here() -> Watch:
    """Return the watch over the calling thread."""
    found: Watch | None = getattr(_watches, "watch", None)
    if found is None:
        found = _watches.watch = Watch()
        if _note_collection not in gc.callbacks:
            gc.callbacks.append(_note_collection)
    return found


def _note_collection(phase: str, about: dict[str, Any]) -> None:
    """Count the collector's processor time for its thread; to collect the youngest objects takes next to none."""
    if about["generation"] == 0:
        return
    watch: Watch | None = getattr(_watches, "watch", None)
    if watch is not None:
        watch.collects(over=phase == "stop")
