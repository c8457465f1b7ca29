"""The load of the machine during a benchmark."""

from __future__ import annotations

import os

MS = 1e3


def load() -> str:
    """Return the load average of this machine and its number of processors."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
