"""The standard streams of a command: closed ones, full disks, and readers that have gone.

Invariant: a command ends by one message and exit code 1 where its output cannot be written, and silently where its
reader has gone, as `head` has. No file of a command ever has the number of a standard stream.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

_NAMES = ("stdin", "stdout", "stderr")
_PACKAGE = Path(__file__).parents[1]


def open_closed() -> None:
    """Open the null device in place of each standard stream that the caller closed, as by `>&-`.

    Else the next file that is opened, such as the store's, gets the number of the stream, and whatever writes to the
    stream by its number writes into that file.
    """
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


@contextmanager
def guarded() -> Iterator[None]:
    """End the process by one message where what is inside fails by an error that no command expects."""
    try:
        try:
            yield
        finally:
            # What cannot be written is met here, and not when Python ends, which reports it by itself.
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
    except OSError as error:
        _discard()
        where = "the output" if error.filename is None else str(error.filename)
        _end("" if error.errno == errno.EPIPE else f"{where} cannot be used: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - whatever it is, a person is to read a sentence
        _end(f"an error that nbflow does not expect: {type(error).__name__}: {error}{_place_of(error)}")


def _discard() -> None:
    """Let nothing more be written: Python flushes its streams when it ends, and reports what fails."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                os.dup2(null, stream.fileno())


def _end(message: str) -> None:
    if message:
        with suppress(OSError):
            sys.stderr.write(f"nbflow: {message}\n")
            sys.stderr.flush()
    sys.exit(1)


def _place_of(error: Exception) -> str:
    """Return where in this package an error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    return f" (in nbflow/{Path(own[-1].filename).relative_to(_PACKAGE)}, line {own[-1].lineno})" if own else ""


class Terminal(Console):
    """A console whose reader may go: that is an error of the command as any other, and not the end of the process."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled."""
        raise
