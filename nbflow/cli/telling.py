"""What a command says besides its result, and how it ends when something goes wrong.

Rule: an error is one message on standard error and exit code 1, 130 after Ctrl-C; standard output is for results.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from nbflow.errors import ConditionError, ExecutionCancelled, ExecutionError, NbflowError, words

INTERRUPTED = 130
# Messages are written for whoever works in a notebook; these magics have commands of the same meaning.
_COMMANDS = {f"%flow_{name}": f"nbflow {name}" for name in ("resume", "cancel", "runs", "show")}


def warnings_told() -> None:
    """Let what the package logs as a warning be read as it is."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")


def worded(message: str) -> str:
    """Return a message as it is said in a terminal: with commands in place of magics."""
    for magic, command in _COMMANDS.items():
        message = message.replace(magic, command)
    return message


def tell(message: str) -> None:
    """Print a message to standard error."""
    typer.echo(worded(message), err=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """Print why the command cannot go on, and end it."""
    tell(f"nbflow: {message}")
    sys.exit(code)


@contextmanager
def errors_told() -> Iterator[None]:
    """End the command by a message where what is inside fails."""
    try:
        yield
    except ExecutionCancelled as error:
        fail(words(error), INTERRUPTED)
    except (ExecutionError, ConditionError) as error:
        _tell_origin(error)
        fail(words(error))
    except (NbflowError, ImportError) as error:  # ImportError: an extra is missing, and it says which
        fail(words(error))
    except KeyboardInterrupt:
        fail("cancelled", INTERRUPTED)


def _tell_origin(error: ExecutionError | ConditionError) -> None:
    """Show where in the user's code it came from."""
    from nbflow.engine.event_log import describe

    if error.__cause__ is not None:
        typer.echo(describe(error)["traceback"], err=True, nl=False)
