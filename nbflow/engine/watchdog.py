"""Watchdog: measures whether the code of a tool has blocked the event loop.

A clock shows only that a step of a tool took long. The garbage collector, nbflow itself or another thread with the
interpreter lock may have used the time, or the machine was suspended. So a second thread samples the loop's thread
every 25 ms, and attributes the time since its last sample to the tool, if

- the thread is inside a call of a tool, as `Watch.inside` says, and
- the thread slept in that call; or else the processor time that it used, without the garbage collector's.

A late sample, as after a suspension, counts processor time only. A step of a tool costs one test and two attribute
assignments. The second thread lives only while the loop is busy with tools, and ends a second after that.

The second thread reads no frames: if the garbage collector runs while the stack of another thread is read, Python 3.11
may deadlock (python/cpython#106883) or follow a frame that was freed.
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
"""The number of consecutive samples without a tool that end the watch until the next step."""
_MOST = 2400
"""The number of retained samples, those of a minute; for a longer step, pairs of samples are merged."""


class Watch:
    """The watch over the thread that creates it.

    `asleep` says that the thread is not sampled, `inside` that it is in a call of a tool; the caller of a tool sets it.
    """

    def __init__(self) -> None:
        self.asleep, self.inside = True, False
        self.ident = threading.get_ident()
        self._collected = 0.0
        self._began: float | None = None
        self._collections: deque[tuple[float, float]] = deque(maxlen=_MOST)
        self._task = Path(f"/proc/self/task/{threading.get_native_id()}/stat")
        # The thread itself must read the id of its clock, since an ended thread has none.
        clock_of = getattr(time, "pthread_getcpuclockid", None)
        self._cpu = None if clock_of is None else clock_of(self.ident)
        self._last = (0.0, 0.0, 0.0)
        self._looks: list[tuple[float, float]] = []
        self._quiet = 0

    def wake(self) -> None:
        """Sample the thread from now on."""
        self.asleep, self._quiet = False, 0
        self._last = self._measured()
        _SAMPLER.add(self)

    def held(self, seconds: float) -> float:
        """Return the part of the last `seconds` for which a tool blocked the loop; call it in the thread itself.

        If the samples attribute most of the time to the tool, all of it counts, without the garbage collector's; else
        only the attributed time.
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
        """Take a sample; return whether to sample again."""
        if self._began is not None:
            return True  # the collector runs, and its time is known only at its end
        before, self._last = self._last, self._measured()
        if not self.inside:
            self._quiet += 1
            return self._quiet < _QUIET
        self._quiet = 0
        took, used, collected = (now - then for now, then in zip(self._last, before, strict=True))
        # In a sample that is not late, a thread that is not runnable sleeps in the call.
        own = took if took <= _LATE_S and not self._is_runnable() else used
        if len(self._looks) >= _MOST:
            pairs = zip(self._looks[::2], self._looks[1::2], strict=False)
            self._looks = [(later[0], earlier[1] + later[1]) for earlier, later in pairs]
        self._looks.append((self._last[0], max(0.0, own - collected)))
        return True

    def collects(self, *, over: bool) -> None:
        """Record that the garbage collector starts or ends in this thread."""
        if not over:
            self._began = time.thread_time()
        elif self._began is not None:
            used = time.thread_time() - self._began
            self._collected += used
            self._collections.append((time.perf_counter(), used))
            self._began = None

    def _measured(self) -> tuple[float, float, float]:
        """Return the time, the processor time of the thread (0 if unknown), and the garbage collector's part of it."""
        try:
            used = 0.0 if self._cpu is None else time.clock_gettime(self._cpu)
        except OSError:
            used = 0.0  # the thread has ended
        return time.perf_counter(), used, self._collected

    def _is_runnable(self) -> bool:
        """Return whether the thread runs or waits for a processor; False if the system does not show it."""
        try:
            return self._task.read_bytes().rpartition(b") ")[2][:1] == b"R"
        except OSError:
            return False


class _Sampler:
    """The sampling thread; it lives while a watch is awake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awake: dict[int, Watch] = {}
        self._lives = False

    def add(self, watch: Watch) -> None:
        """Start to sample a thread."""
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
    """Measure the garbage collector's time in its thread; a collection of the youngest objects is negligible."""
    if about["generation"] == 0:
        return
    watch: Watch | None = getattr(_watches, "watch", None)
    if watch is not None:
        watch.collects(over=phase == "stop")
