"""What a cell shows when something fails: the user's own lines, not the machinery between them.

Rule: nothing of the exception is lost: type, message, cause and `.result` stay; only how it is drawn changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from nbflow.errors import NbflowError

_MACHINERY = frozenset(
    {"IPython", "ipykernel", "asyncio", "concurrent", "threading", "contextlib", "tenacity", "nbflow"}
)


@contextmanager
def readable(shell: Any) -> Iterator[None]:
    """Let errors inside be drawn without the frames of IPython, asyncio and nbflow."""
    try:
        yield
    except Exception as error:
        _draw_concisely(error, shell)
        raise


def _draw_concisely(error: Exception, shell: Any) -> None:
    if hasattr(error, "_render_traceback_") or type(error).__name__ == "UsageError":
        return
    traceback = _users_frames(error.__traceback__)
    for cause in _causes(error):
        cause.__traceback__ = _users_frames(cause.__traceback__)

    def draw(*_ignored: Any) -> list[str]:
        if not isinstance(error, NbflowError):
            return _drawn(shell, error, traceback)
        cause = error.__cause__
        above = [] if cause is None else [*_drawn(shell, cause, cause.__traceback__), ""]
        return [*above, f"{type(error).__name__}: {error}"]

    error._render_traceback_ = draw  # type: ignore[attr-defined]


def _drawn(shell: Any, error: BaseException, traceback: TracebackType | None) -> list[str]:
    return list(shell.InteractiveTB.structured_traceback(type(error), error, traceback, tb_offset=0))


def _causes(error: BaseException) -> Iterator[BaseException]:
    while (error := error.__cause__ or error.__context__) is not None:  # type: ignore[assignment]
        yield error


def _users_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the first frame that is not machinery; all of it where every frame is."""
    found = traceback
    while found is not None and _is_machinery(found):
        found = found.tb_next
    return found or traceback


def _is_machinery(traceback: TracebackType) -> bool:
    module = str(traceback.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _MACHINERY and not module.startswith("nbflow.review")
