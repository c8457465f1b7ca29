"""Who holds a run: a process, told so that any other can tell whether it still lives.

Rule: a process of this machine is asked for directly; one elsewhere is alive as long as it renews its lease.
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
"""How long a process that is seen to be there may be late: the file may have been locked, and it could not renew."""

FAR_OFF = 1e11


@dataclass(frozen=True, slots=True)
class Owner:
    """A process as owner. `born` tells it from a later one of the same pid, `id` from other stores in the process."""

    host: str
    machine: str
    pid: int
    born: float
    id: str
    since: float = 0.0

    @staticmethod
    def read(text: str | None) -> Owner | None:
        """Return the owner that a store names; None for nobody, and for what no nbflow wrote."""
        try:
            owner = Owner(**json.loads(text or "{}"))
        except (ValueError, TypeError, RecursionError):
            return None
        sensible = isinstance(owner.pid, int) and isinstance(owner.since, float) and 0 <= owner.since < FAR_OFF
        return owner if sensible else None

    def text(self, since: float) -> str:
        """Return what the store keeps; `since` is when it took the run."""
        return json.dumps({**asdict(self), "since": since})

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def told(self) -> str:
        """Return who it is and since when it has the run."""
        return f"{self} since {datetime.fromtimestamp(self.since, UTC):%Y-%m-%d %H:%M:%S} UTC"

    def is_alive(self, left: float) -> bool:
        """Return whether it lives, with `left` seconds of its lease to go; negative once it has run out."""
        if self.machine != _machine():
            return left > 0
        return born(self.pid) == self.born and left > -GRACE_S


def this_process() -> Owner:
    """Return an owner for a store in this process."""
    pid = os.getpid()
    return Owner(socket.gethostname(), _machine(), pid, born(pid) or 0.0, uuid.uuid4().hex)


def born(pid: int) -> float | None:
    """Return when a process started, as a number that stays the same as long as it lives; None without one.

    One that was killed, and that its parent has not asked about yet, lives no longer.
    """
    try:
        # psutil's time moves with the clock; the kernel's ticks do not. The name before them may hold anything.
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
    """Return what tells this machine's processes from others': names of hosts repeat, and containers number anew."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return f"{uuid.getnode():x}"
