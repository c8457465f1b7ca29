"""The watch over the loop's thread does the interpreter no harm."""

from __future__ import annotations

import subprocess
import sys

CYCLES = """
import gc, threading, time
from nbflow.engine.watchdog import current_frames

class Holder:
    def __init__(self):
        self.me, self.local = self, threading.local()
        self.local.value = 1

def busy(depth):
    if depth:
        return busy(depth - 1)
    Holder()
    time.sleep(0)

def always_busy():
    while True:
        busy(20)

for _ in range(4):
    threading.Thread(target=always_busy, daemon=True).start()
gc.set_threshold(5)
for _ in range(3000):
    current_frames()
    time.sleep(0)
print(gc.isenabled())
"""


def test_looking_at_frames_while_the_collector_has_thread_locals_to_free_never_hangs() -> None:
    done = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, timeout=120, check=False)

    assert done.stdout == "True\n"
