"""The owner of a run: a process, identified so that any other process can determine whether it is alive.

A process on the same machine is looked up by its pid. A process on another machine counts as alive while it renews its
lease.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import psutil

LEASE_S = 10.0
GRACE_S = 60.0
"""The time after its lease for which an existing process counts as alive: a locked file may delay the renewal."""

FAR_OFF = 1e11


@dataclass(frozen=True, slots=True)
class Owner:
    """A store object of a process, as the owner of runs.

    `born` distinguishes the process from a later one with the same pid, `id` the store object from others of the same
    process. `since` is when it became the owner (s since 1970).
    """

    host: str
    machine: str
    pid: int
    born: float
    id: str
    since: float = 0.0

    @staticmethod
    def read(text: str | None) -> Owner | None:
        """Return the owner that a store names; None for no owner, and for a text that nbflow did not write."""
        try:
            owner = Owner(**json.loads(text or "{}"))
        except (ValueError, TypeError, RecursionError):
            return None
        sensible = isinstance(owner.pid, int) and isinstance(owner.since, float) and 0 <= owner.since < FAR_OFF
        return owner if sensible else None

    def text(self, since: float) -> str:
        """Return the text to store for an owner since a time (s since 1970)."""
        return json.dumps({**asdict(self), "since": since})

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def told(self) -> str:
        """Return the owner and the start of its ownership, for people."""
        return f"{self} since {datetime.fromtimestamp(self.since, UTC):%Y-%m-%d %H:%M:%S} UTC"

    def is_alive(self, left: float) -> bool:
        """Return whether the owner is alive, given the seconds left of its lease; negative after the lease expired."""
        if self.machine != _machine():
            return left > 0
        return born(self.pid) == self.born and left > -GRACE_S


def this_process() -> Owner:
    """Return an owner for a store in this process."""
    pid = os.getpid()
    return Owner(socket.gethostname(), _machine(), pid, born(pid) or 0.0, uuid.uuid4().hex)


def born(pid: int) -> float | None:
    """Return when a process started, as a number that does not change while it runs; None if there is no such process.

    A zombie, which was killed and whose parent has not collected its status yet, counts as none.
    """
    try:
        # The kernel's ticks, because psutil's time moves with the system clock. The name before them may contain ")".
        state, *fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if state in "ZX" else float(fields[18])
    except (OSError, IndexError, ValueError):
        pass
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


@cache
def _machine() -> str:
    """Return an id of the machine and its pid namespace: host names repeat, and each container has its own pids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return f"{uuid.getnode():x}"
