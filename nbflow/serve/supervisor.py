"""The supervisor of `nbflow serve`: it starts workers that share one socket, and restarts them.

A worker that dies is replaced; all of them are restarted when the file changes.

Invariant: the socket belongs to this process, so no request is lost while one worker replaces another. After several
workers in a row have ended before they served, no more are started; their messages have the reason. A worker ends
within a bounded time after the request to end: by SIGTERM, then by SIGKILL together with the processes that it started.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from nbflow.serve.addresses import BACKLOG

LOOK_S = 0.2
MOST_FAILED = 3
"""After this many workers in a row that ended before they served, no more are started."""
END_S = 10.0
"""Seconds beyond the drain within which a worker ends, before it is killed."""
_SCRATCH, _LOCK = "nbflow-serve-", "lock"
COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with the folder of the workers' metrics, which each worker reports for all of them."""


@dataclass(slots=True)
class Worker:
    """A worker process and two pipes: it reports on `ready` that it serves; `life` closes when this process ends."""

    process: subprocess.Popen[bytes]
    ready: int
    life: int
    serves: bool = False

    def wait_ready(self) -> bool:
        """Return whether the worker serves; wait until it does or ends."""
        self.serves = self.serves or os.read(self.ready, 1) == b"1"
        return self.serves


class Supervisor:
    """Runs the workers of one file until a signal ends it.

    Args:
        file: The file that they serve.
        tools: Modules with tools.
        listening: The socket that they share, bound.
        workers: The number of workers.
        reload: True if the workers restart when the file changes.
        environment: Their environment variables.
        on_ready: Called each time when all of them serve.
        drain: Returns the seconds that active runs get to end when the server shuts down; called once a worker serves.
    """

    def __init__(
        self, file: Path, tools: list[str], listening: socket.socket, *,
        workers: int, reload: bool, environment: Mapping[str, str], on_ready: Callable[[], None],
        drain: Callable[[], float],
    ) -> None:  # fmt: skip
        self._file, self._tools, self._socket = file, tools, listening
        self._count, self._reload, self._environment = workers, reload, dict(environment)
        self._on_ready, self._drain = on_ready, cache(drain)
        self._siblings: Path | None = None
        self._workers: list[Worker] = []
        self._failed = 0
        self._signals: list[int] = []

    def run(self) -> int:
        """Serve until SIGTERM, SIGINT or SIGHUP; return the exit code."""
        self._socket.listen(BACKLOG)
        for number in ending_signals():
            signal.signal(number, self._on_signal)
        with scratch_folder() as folder:
            if self._count > 1:
                self._siblings = folder
                self._environment[COUNTS] = str(self._siblings / "metrics")
                (self._siblings / "metrics").mkdir()
            try:
                changed = self._changed_at()  # read first, so that a change while the workers start is noticed
                return self._watch(changed) if self._start_all() else 1
            finally:
                self._end_all()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # A terminal that is closed sends SIGHUP twice, by its shell and by the kernel; that is not a second request.
        if number != signal.SIGHUP or not self._signals:
            self._signals.append(number)

    def _watch(self, changed: int | None) -> int:
        while not self._signals:
            time.sleep(LOOK_S)
            if self._reload and (now := self._changed_at()) != changed:
                changed = now
                self._end_all()
                if not self._signals:
                    self._start_all()  # a failed restart leaves the socket open, and the next change tries again
            elif not self._replace_dead():
                return 1
            self._reap()
        return 0

    def _reap(self) -> None:
        """Reap orphaned processes, as the first process of a container must."""
        workers = {worker.process.pid for worker in self._workers}
        with suppress(ChildProcessError):
            # WNOWAIT: the end of a worker is reaped by `_replace_dead`, which reads its status.
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in workers:
                    return
                os.waitpid(found.si_pid, 0)

    def _replace_dead(self) -> bool:
        """Start a worker for each that has died; return False if too many in a row ended before they served."""
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            self._release(worker)
            # A worker that served is replaced after any end. A run that kills its owners is given up by the store.
            self._failed = 0 if worker.serves else self._failed + 1
            if self._failed >= MOST_FAILED:
                print(f"nbflow: {MOST_FAILED} workers in a row ended before they served", file=sys.stderr)  # noqa: T201
                return False
            self._start()
        return True

    def _start_all(self) -> bool:
        """Start the workers and wait until they serve; return whether they do."""
        for _ in range(self._count):
            self._start()
        serving = [self._serves(worker) for worker in self._workers]
        if all(serving):
            self._on_ready()
            self._drain()
            return True
        self._end_all()
        return False

    def _start(self) -> None:
        read, write = os.pipe()
        watched, life = os.pipe()
        command = [sys.executable, "-m", "nbflow.server", str(self._file)]
        command += [f"--socket={self._socket.fileno()}", f"--ready={write}", f"--life={watched}"]
        command += [f"--tools={module}" for module in self._tools]
        if self._siblings is not None:
            command.append(f"--siblings={self._siblings}")
        passed = (self._socket.fileno(), write, watched)
        # A process group for each worker, so that Ctrl-C reaches it once, through this process.
        process = subprocess.Popen(  # noqa: S603 - our own module, by the Python that runs
            command, pass_fds=passed, env=self._environment, start_new_session=True
        )
        os.close(write)
        os.close(watched)
        self._workers.append(Worker(process, read, life))

    def _serves(self, worker: Worker) -> bool:
        """Wait until a worker reports that it serves, or has ended; return whether it serves."""
        with selectors.DefaultSelector() as selector:
            selector.register(worker.ready, selectors.EVENT_READ)
            while not selector.select(LOOK_S):
                if self._signals:
                    return False
        return worker.wait_ready()

    def _end_all(self) -> None:
        """End the workers by SIGTERM; kill those that are left at the deadline, or at a second request."""
        # Only a worker that serves has runs, which get time to end.
        drain = self._drain() if any(worker.serves for worker in self._workers) else 0.0
        deadline = time.monotonic() + drain + END_S
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            self._await_end(worker, deadline)
            self._release(worker)
        self._workers.clear()

    def _release(self, worker: Worker) -> None:
        """Release what belongs to a worker that has ended: its processes, pipes, socket and counts."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)  # else the processes of its tools could keep the port
        worker.wait_ready()
        os.close(worker.ready)
        os.close(worker.life)
        if self._siblings is not None:
            from prometheus_client.multiprocess import mark_process_dead

            mark_process_dead(worker.process.pid, self._environment[COUNTS])  # type: ignore[no-untyped-call]
            socket_of(self._siblings, worker.process.pid).unlink(missing_ok=True)  # one that was killed left it

    def _await_end(self, worker: Worker, deadline: float) -> None:
        signals = len(self._signals)
        while worker.process.poll() is None:
            if len(self._signals) > max(1, signals) or time.monotonic() > deadline:
                worker.process.kill()
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(LOOK_S)

    def _changed_at(self) -> int | None:
        try:
            return self._file.stat().st_mtime_ns
        except OSError:
            return None  # an editor may replace the file by another one


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for temporary files, and delete it at the end; first delete those of processes that were killed.

    The process holds a lock on a file in its folder. The kernel releases the lock at any end of the process, so a
    folder whose lock is free belongs to a process that has ended. A process id in the name would not suffice: ids are
    reused, and containers that share the folder of temporary files each count their ids from 1.
    """
    import fcntl  # not on Windows, where this module is loaded too

    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*/{_LOCK}"):
        _delete_if_left(left)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as folder:
        # Locked under another name first, so that no process finds the file before it is locked.
        new = Path(folder, f"{_LOCK}.new")
        with new.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            new.rename(Path(folder, _LOCK))
            yield Path(folder)


def _delete_if_left(lock: Path) -> None:
    import fcntl

    # OSError: another user's folder, or its process has the lock, or another start deletes it now.
    with suppress(OSError), lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.parent, ignore_errors=True)


def ending_signals() -> list[signal.Signals]:
    """Return the signals that end a server: SIGTERM, SIGINT, and SIGHUP unless it is ignored, as `nohup` has it."""
    always = [signal.SIGTERM, signal.SIGINT]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    return always if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN else [*always, hangup]


def socket_of(siblings: Path, pid: int) -> Path:
    """Return the path of the socket on which a worker receives the requests that other workers forward."""
    return siblings / f"{pid}.sock"
