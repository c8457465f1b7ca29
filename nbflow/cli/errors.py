"""Error messages and exit codes of commands.

An error that a user can meet is one message on standard error and exit code 1; after Ctrl-C the code is 130. Standard
output is for results.

A command whose output cannot be written, as on a full disk, ends with exit code 1 and one message; one whose reader
closed the pipe, as `head` does, ends without a message. No file that a command opens gets the number of a standard
stream.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import typer

from nbflow.errors import ConditionError, ExecutionCancelled, ExecutionError, NbflowError, words

INTERRUPTED = 130
# Error messages name magics, for users of notebooks; these magics have commands of the same meaning.
_COMMANDS = {f"%flow_{name}": f"nbflow {name}" for name in ("resume", "cancel", "runs", "show")}


def warnings_told() -> None:
    """Print the warnings that the package logs, without a prefix."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")


def worded(message: str) -> str:
    """Return a message with commands in place of magics."""
    for magic, command in _COMMANDS.items():
        message = message.replace(magic, command)
    return message


def tell(message: str) -> None:
    """Print a message to standard error."""
    typer.echo(worded(message), err=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """Print why the command failed, and end it."""
    tell(f"nbflow: {message}")
    sys.exit(code)


@contextmanager
def errors_told() -> Iterator[None]:
    """End the command with a message if the block fails."""
    try:
        yield
    except ExecutionCancelled as error:
        fail(words(error), INTERRUPTED)
    except (ExecutionError, ConditionError) as error:
        _tell_origin(error)
        fail(words(error))
    except (NbflowError, ImportError) as error:  # ImportError: the message names the missing extra
        fail(words(error))
    except KeyboardInterrupt:
        fail("cancelled", INTERRUPTED)


def _tell_origin(error: ExecutionError | ConditionError) -> None:
    """Print the traceback in the user's code."""
    from nbflow.errors.failures import describe

    if error.__cause__ is not None:
        typer.echo(describe(error)["traceback"], err=True, nl=False)


# The standard streams

_STREAMS = ("stdin", "stdout", "stderr")
_PACKAGE = Path(__file__).parents[1]


def open_closed() -> None:
    """Open the null device in place of each standard stream that the caller closed, as by `>&-`.

    Otherwise the next file that is opened, such as the store, gets the number of the stream, and code that writes to
    the stream by its number writes into that file.
    """
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


@contextmanager
def guarded() -> Iterator[None]:
    """End the process with one message if the block raises an error that no command expects."""
    try:
        try:
            yield
        finally:
            # A failed write is handled here, before Python flushes at its end and prints a report.
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
    except SystemExit as ended:
        if not _is_broken_pipe(ended.__context__):
            raise
        _discard()  # the reader has read enough: no error, although typer exits with code 1
        sys.exit(0)
    except OSError as error:
        _discard()
        if _is_broken_pipe(error):  # a command that failed still has its exit code
            sys.exit(error.__context__.code if isinstance(error.__context__, SystemExit) else 0)
        where = "the output" if error.filename is None else str(error.filename)
        _end(f"{where} cannot be used: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - every error becomes one sentence
        _end(f"an error that nbflow does not expect: {type(error).__name__}: {error}{_place_of(error)}")


def _is_broken_pipe(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _discard() -> None:
    """Discard further output, because Python flushes its streams at its end and reports failures."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                os.dup2(null, stream.fileno())


def _end(message: str) -> NoReturn:
    with suppress(OSError):
        sys.stderr.write(f"nbflow: {message}\n")
        sys.stderr.flush()
    sys.exit(1)


def _place_of(error: Exception) -> str:
    """Return the position in this package that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    return f" (in nbflow/{Path(own[-1].filename).relative_to(_PACKAGE)}, line {own[-1].lineno})" if own else ""
