"""The process that ends a worker whose supervisor is gone.

A supervisor that is killed by SIGKILL cannot end its workers, which would serve on and keep the port. A thread of the
worker could not end it in every case: a worker may be stopped (SIGSTOP), or blocked in C code. So each worker forks a
small process that waits for the end of a pipe, whose other end only the supervisor has:

    supervisor ==pipe==> watcher --SIGTERM, then SIGKILL--> worker and the processes of its tools

Invariant: the watcher has no open socket, pipe or output of the worker, and ends with it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

LOOK_S = 1.0
"""Seconds between two looks at whether the worker has ended."""
LIFE = "--life="


def watch_over() -> None:
    """Fork the watcher of this process, if its arguments name the pipe of a supervisor; return in the worker."""
    named = [argument.removeprefix(LIFE) for argument in sys.argv if argument.startswith(LIFE)]
    if not named:
        return
    life, worker = int(named[0]), os.getpid()
    if os.fork():
        os.close(life)
        return
    try:
        _watch(life, worker)
    finally:
        os.killpg(os.getpgrp(), signal.SIGKILL)  # the worker, what its tools started, and this process


def _watch(life: int, worker: int) -> None:
    """Wait until the supervisor or the worker has ended; ask the worker to end, and wait until its time is over."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # sent to the group, they are for the worker
    _close_all_but(life)
    while os.getppid() == worker and not select.select([life], [], [], LOOK_S)[0]:
        pass
    if os.getppid() != worker:
        return
    os.kill(worker, signal.SIGTERM)
    deadline = time.monotonic() + _patience()
    while os.getppid() == worker and time.monotonic() < deadline:
        time.sleep(LOOK_S / 5)


def _close_all_but(kept: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _patience() -> float:
    """Return the seconds that the worker has to end, which are the same as with its supervisor."""
    from nbflow.serve.supervisor import END_S
    from nbflow.server.options import options

    return options().drain + END_S
