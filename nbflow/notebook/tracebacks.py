"""Shorten the traceback that a cell shows: only the lines of the user, without the frames of nbflow and its libraries.

Invariant: the exception is unchanged, with its type, message, cause and `.result`. Only its rendering is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import extract_tb
from types import TracebackType
from typing import Any

from nbflow.errors import NbflowError, words
from nbflow.errors.failures import failure_of, traceback_of
from nbflow.notebook.arguments import HelpAsked
from nbflow.secrets import mask

_MACHINERY = frozenset({
    "IPython", "ipykernel", "asyncio", "concurrent", "threading", "contextlib", "functools", "importlib", "nbflow",
    "tenacity", "pydantic", "pydantic_settings", "sqlalchemy", "alembic", "aiosqlite", "asyncpg",
})  # fmt: skip
"""Packages whose frames are left out: they only call the user's code, or raise errors of nbflow."""


LAST = "`import nbflow` and `nbflow.session.last` give the run"
"""Shown with the error of a run: `run = %flow_run g` raises, so it does not bind the name."""


_MOST_CHAINED = 100


@contextmanager
def readable(shell: Any, *, last: str = "") -> Iterator[None]:
    """Render errors raised inside without the frames of IPython, asyncio and nbflow.

    If a magic was called with `--help`, its help is printed instead.

    Args:
        shell: The shell that renders the errors.
        last: A text shown with the error, such as how to get the run.
    """
    try:
        yield
    except HelpAsked as asked:
        print(asked)  # noqa: T201 - beneath the cell, like `help` of Python
    except Exception as error:
        _draw_concisely(error, shell, last)
        raise


def _draw_concisely(error: Exception, shell: Any, last: str) -> None:
    own: Callable[[], list[str]] | None = getattr(error, "_render_traceback_", None)
    if own is not None and last:
        error._render_traceback_ = lambda *_ignored: [f"{line}; {last}" for line in own()]  # type: ignore[attr-defined]
    if own is not None or type(error).__name__ == "UsageError":
        return
    traceback = _users_frames(error.__traceback__)
    for each in failure_of(error).walk():
        if each.error is not error:
            each.error.__traceback__ = _users_frames(each.error.__traceback__)

    def draw(*_ignored: Any) -> list[str]:
        if not isinstance(error, NbflowError):
            return _drawn(shell, error, traceback)
        cause = error.__cause__
        shows = cause is not None and any(map(_has_users_frames, _chain(cause)))
        above = [*_drawn(shell, cause, cause.__traceback__), ""] if cause is not None and shows else []
        return [*above, *([last] if last else []), *f"{type(error).__name__}: {words(error)}".split("\n")]

    error._render_traceback_ = draw  # type: ignore[attr-defined]


def _drawn(shell: Any, error: BaseException, traceback: TracebackType | None) -> list[str]:
    failure = failure_of(error)
    if any(each.errors for each in failure.walk()):
        # IPython renders exception groups by `traceback` of Python, with all frames and without a limit.
        return traceback_of(failure, lambda frames: extract_tb(_users_frames(frames))).splitlines()
    hidden = {each: each.__traceback__ for each in _chain(error) if not _has_users_frames(each)}
    try:
        for each in hidden:
            each.__traceback__ = None
        lines = shell.InteractiveTB.structured_traceback(
            type(error), error, None if error in hidden else traceback, tb_offset=0
        )
    finally:
        for each, frames in hidden.items():
            each.__traceback__ = frames
    return list(map(mask, lines))


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return an error and its causes or contexts, in the order in which Python follows them."""
    found: list[BaseException] = []
    while error is not None and error not in found and len(found) < _MOST_CHAINED:
        found.append(error)
        error = error.__cause__ if error.__suppress_context__ else error.__cause__ or error.__context__
    return found


def _has_users_frames(error: BaseException) -> bool:
    """Return True if the traceback has a frame outside of nbflow and its libraries."""
    frames = _users_frames(error.__traceback__)
    return frames is not None and not _is_machinery(frames)


def _users_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the first frame of the user on; all of it if there is none."""
    found = traceback
    while found is not None and _is_machinery(found):
        found = found.tb_next
    return found or traceback


def _is_machinery(traceback: TracebackType) -> bool:
    module = str(traceback.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _MACHINERY and not module.startswith("nbflow.review")
