"""What the machine does besides."""

from __future__ import annotations

import os

MS = 1e3


def load() -> str:
    """Return how much else runs on this machine."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
