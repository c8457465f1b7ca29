"""The command line, run as a user runs it: in a separate process."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., "subprocess.CompletedProcess[str]"]
KEPT = ["--tools", "mytools", "--durability", "sync"]


def environment(**more: str) -> dict[str, str]:
    """Return the environment without what would send the runs of a test elsewhere."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("NBFLOW_")}
    return {**ours, "NBFLOW_DURABILITY": "off", **more}


def command(*arguments: str) -> list[str]:
    """Return the arguments that run a command."""
    return [sys.executable, "-m", "nbflow", *arguments]


def nbflow_in(folder: Path, **more: str) -> Command:
    """Return a function that runs a command in a folder to its end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments), cwd=folder, env=environment(**more), capture_output=True, text=True, check=False
        )

    return run


def begun(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        command(*arguments), cwd=folder, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def holding(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a command, and wait until a tool of it holds."""
    process = begun(folder, *arguments, **more)
    assert process.stderr is not None
    for line in process.stderr:
        if line == "holding\n":
            return process
    raise AssertionError(process.communicate())


def killed(folder: Path, *arguments: str, **more: str) -> None:
    """Run a command until a tool of it holds, and kill it."""
    process = holding(folder, *arguments, **more)
    process.kill()
    process.communicate()


def json_of(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON that a command printed: one line, and nothing else."""
    assert done.stdout.count("\n") == 1, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def on_terminal(folder: Path, *arguments: str, **more: str) -> tuple[str, int]:
    """Run a command on a terminal; return what it showed and its exit code."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - the child becomes the command
        os.chdir(folder)
        os.execve(
            sys.executable, command(*arguments), environment(**{"TERM": "xterm-256color", "COLUMNS": "80"} | more)
        )
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:  # Linux says so when the child has closed it
        pass
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
