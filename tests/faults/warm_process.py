"""The client of a warm process, which forks the processes that the tests kill."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any


class Warm:
    """The process of `warm.py`, which forks one process for each order."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("warm.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, **order: Any) -> dict[str, Any]:
        """Give an order, and return the answer once it is carried out."""
        self.send(**order)
        return self.answer()

    def send(self, **order: Any) -> None:
        """Give an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait until an order is carried out; return what was answered."""
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    @staticmethod
    def first_to_answer(*processes: Warm) -> Warm:
        """Wait until one of several has an answer; return it."""
        pipes = {process._process.stdout: process for process in processes}
        return pipes[select.select([*pipes], [], [])[0][0]]

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0
