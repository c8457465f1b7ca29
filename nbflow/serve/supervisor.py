"""The processes of `nbflow serve`: workers that share one socket, kept alive, and begun anew when the file changes.

Rule: the socket is this process's, so that no request is lost while a worker goes and another comes. A worker that
never came to serve is not begun again: its message says why. Whatever a worker does, it ends within a bounded time of
the request to end: by SIGTERM, then by SIGKILL together with the processes that it started.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from nbflow.serve.addresses import BACKLOG

LOOK_S = 0.2
MOST_FAILED = 3
"""So many workers in a row that ended before they served, and none is begun any more."""
END_S = 10.0
"""Seconds beyond the drain within which a worker ends, before it is killed."""
COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""Where workers keep what they count, so that each can tell it for all of them."""


@dataclass(slots=True)
class Worker:
    """A process, the end of a pipe where it says that it serves, and that of one which ends with this process."""

    process: subprocess.Popen[bytes]
    ready: int
    life: int
    serves: bool = False

    def hear(self) -> bool:
        """Return whether it came to serve; waits until it does or ends."""
        self.serves = self.serves or os.read(self.ready, 1) == b"1"
        return self.serves


class Supervisor:
    """Runs the workers of one file until it is told to end.

    Args:
        file: What they serve.
        tools: Modules with tools.
        listening: The socket they share; it is bound already.
        workers: How many.
        reload: Whether they begin anew when the file changes.
        environment: What they find in their environment.
        on_ready: Called each time when all of them serve.
        drain: Returns the seconds that runs get to end once the server is to end; called once a worker serves.
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
        self._told: list[int] = []

    def run(self) -> int:
        """Serve until SIGTERM, SIGINT or SIGHUP; return the exit code."""
        self._socket.listen(BACKLOG)
        for number in ending_signals():
            signal.signal(number, self._tell)
        with tempfile.TemporaryDirectory(prefix="nbflow-") as folder:
            if self._count > 1:
                self._siblings = Path(folder)
                self._environment[COUNTS] = str(self._siblings / "metrics")
                (self._siblings / "metrics").mkdir()
            try:
                changed = self._changed_at()  # first, so that a change is seen that comes while the workers start
                return self._watch(changed) if self._begin_all() else 1
            finally:
                self._end_all()

    def _tell(self, number: int, _frame: FrameType | None) -> None:
        # A terminal that is closed sends SIGHUP twice, by its shell and by the kernel; that is no second request.
        if number != signal.SIGHUP or not self._told:
            self._told.append(number)

    def _watch(self, changed: int | None) -> int:
        while not self._told:
            time.sleep(LOOK_S)
            if self._reload and (now := self._changed_at()) != changed:
                changed = now
                self._end_all()
                if not self._told:
                    self._begin_all()  # one that fails leaves the socket, and the next change tries again
            elif not self._mend():
                return 1
            self._reap()
        return 0

    def _reap(self) -> None:
        """As the first process of a container, take leave of processes whose own parents are gone."""
        workers = {worker.process.pid for worker in self._workers}
        with suppress(ChildProcessError):
            # Looked at first, as the end of a worker is for `_mend` to see.
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in workers:
                    return
                os.waitpid(found.si_pid, 0)

    def _mend(self) -> bool:
        """Begin a worker for each that has died; return whether there is any use in going on."""
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            self._gone(worker)
            # One that served is stood in for, whatever ended it: a run that ends them all is given up in time.
            self._failed = 0 if worker.serves else self._failed + 1
            if self._failed >= MOST_FAILED:
                print(f"nbflow: {MOST_FAILED} workers in a row ended before they served", file=sys.stderr)  # noqa: T201
                return False
            self._begin()
        return True

    def _begin_all(self) -> bool:
        """Begin the workers, and wait until they serve; return whether they do."""
        for _ in range(self._count):
            self._begin()
        serving = [self._comes_to_serve(worker) for worker in self._workers]
        if all(serving):
            self._on_ready()
            self._drain()
            return True
        self._end_all()
        return False

    def _begin(self) -> None:
        read, write = os.pipe()
        watched, life = os.pipe()
        command = [sys.executable, "-m", "nbflow.server", str(self._file)]
        command += [f"--socket={self._socket.fileno()}", f"--ready={write}", f"--life={watched}"]
        command += [f"--tools={module}" for module in self._tools]
        if self._siblings is not None:
            command.append(f"--siblings={self._siblings}")
        passed = (self._socket.fileno(), write, watched)
        # In a process group of its own, so that Ctrl-C reaches the workers once, from here.
        process = subprocess.Popen(  # noqa: S603 - our own module, by the Python that runs
            command, pass_fds=passed, env=self._environment, start_new_session=True
        )
        os.close(write)
        os.close(watched)
        self._workers.append(Worker(process, read, life))

    def _comes_to_serve(self, worker: Worker) -> bool:
        """Wait until a worker says that it serves, or has ended without."""
        with selectors.DefaultSelector() as selector:
            selector.register(worker.ready, selectors.EVENT_READ)
            while not selector.select(LOOK_S):
                if self._told:
                    return False
        return worker.hear()

    def _end_all(self) -> None:
        """End the workers by SIGTERM; kill those that are left when their time is over, or at a second request."""
        # Runs get their time only in workers that have some.
        drain = self._drain() if any(worker.serves for worker in self._workers) else 0.0
        deadline = time.monotonic() + drain + END_S
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            self._await_end(worker, deadline)
            self._gone(worker)
        self._workers.clear()

    def _gone(self, worker: Worker) -> None:
        """Release what belongs to a worker that has ended: its processes, pipes, socket and counts."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)  # else the processes of its tools could keep the port
        worker.hear()
        os.close(worker.ready)
        os.close(worker.life)
        if self._siblings is not None:
            from prometheus_client.multiprocess import mark_process_dead

            mark_process_dead(worker.process.pid, self._environment[COUNTS])  # type: ignore[no-untyped-call]
            socket_of(self._siblings, worker.process.pid).unlink(missing_ok=True)  # one that was killed left it

    def _await_end(self, worker: Worker, deadline: float) -> None:
        patience = len(self._told)
        while worker.process.poll() is None:
            if len(self._told) > max(1, patience) or time.monotonic() > deadline:
                worker.process.kill()
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(LOOK_S)

    def _changed_at(self) -> int | None:
        try:
            return self._file.stat().st_mtime_ns
        except OSError:
            return None  # an editor may write it anew by way of another file


def ending_signals() -> list[signal.Signals]:
    """Return the signals that end a server: SIGTERM, SIGINT, and SIGHUP unless it is ignored, as `nohup` has it."""
    always = [signal.SIGTERM, signal.SIGINT]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    return always if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN else [*always, hangup]


def socket_of(siblings: Path, pid: int) -> Path:
    """Return where a worker listens for what the others hand on."""
    return siblings / f"{pid}.sock"
