"""The text and data of an exception, with its notes, the errors of its group, its causes and its contexts.

Invariant: notebook, command line and server all show `text_of` an error. Text and data are bounded for every exception,
also for chains that lead back to themselves and for groups of any size and depth.
"""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any

from nbflow.errors import ConditionError, ExecutionError, NbflowError, NodeError, RecordedError, words
from nbflow.secrets import mask

Frames = Callable[[TracebackType | None], list[traceback.FrameSummary]]

MOST_DEEP = 10
"""Groups within groups, and causes of causes; Python shows as many levels of groups."""
MOST_IN_GROUP = 15
"""Python shows as many errors of a group."""
MOST_ERRORS = 60
_LONGEST, _LONGEST_PART, _MOST_NOTES = 100_000, 2_000, 20
_CAUSE = "caused by"
_CONTEXT = "while handling"


_COMPLETE = "_nbflow_complete"


def complete(error: Exception) -> Exception:
    """Mark an error of the engine as complete and return it: texts show its message, and only tracebacks its causes."""
    error.__dict__[_COMPLETE] = True
    return error


@dataclass(slots=True)
class Failure:
    """An exception with its notes, errors and source, within the bounds.

    `errors` are those of a group, of which `left_out` more are not shown; `link` is how `source`, the exception that it
    came from, is introduced.
    """

    error: BaseException
    text: str
    notes: list[str]
    errors: list[Failure] = field(default_factory=list)
    left_out: int = 0
    source: Failure | None = None
    link: str = ""

    @property
    def type(self) -> str:
        """The name of the exception's class."""
        return type(self.error).__name__

    def lines(self, *, headed: bool = True) -> Iterator[str]:
        """Yield the text line by line; if `headed`, the first line starts with the type."""
        own = f"{self.type}: {self.text}" if self.text else self.type
        yield from (own if headed else self.text).split("\n")
        for note in self.notes:
            yield from note.split("\n")
        for inner in self.errors:
            for number, line in enumerate(inner.lines()):
                yield f"    {line}" if number else f"  - {line}"
        if self.left_out:
            yield f"  - and {self.left_out} more"
        if self.source is not None and not self._says(self.source):
            first, *rest = self.source.lines()
            yield f"{self.link} {first}"
            yield from rest

    def _says(self, source: Failure) -> bool:
        """Return whether the text has what its source says, as in `raise NodeError(f"... {error}") from error`."""
        if isinstance(self.error, ExecutionError | ConditionError) or _COMPLETE in self.error.__dict__:
            return True
        own = isinstance(self.error, NbflowError) and source.text
        return (source.text if own else "\n".join(source.lines())) in self.text

    def walk(self) -> Iterator[Failure]:
        """Yield this exception, its errors and its sources, recursively."""
        yield self
        for inner in self.errors if self.source is None else (*self.errors, self.source):
            yield from inner.walk()

    def data(self) -> dict[str, Any]:
        """Return it as plain data: `type`, `message` and, of a group, `errors`."""
        told: dict[str, Any] = {"type": self.type, "message": "\n".join(self.lines(headed=False))}
        if self.errors:
            told["errors"] = [inner.data() for inner in self.errors]
        return told


def failure_of(error: BaseException) -> Failure:
    """Return an exception with its notes, errors and source."""
    return _Reader().read(error, _LONGEST, 0)


class _Reader:
    """Follows an exception to its sources and errors, each once, so that circles end."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def read(self, error: BaseException, longest: int, depth: int) -> Failure:
        self._seen.add(id(error))
        found = Failure(error, _cut(words(error), longest), _notes(error))
        inner = _errors(error)
        for each in inner[:MOST_IN_GROUP]:
            if self._follows(each, depth):
                found.errors.append(self.read(each, _LONGEST_PART, depth + 1))
        found.left_out = len(inner) - len(found.errors)
        source, found.link = _source(error)
        if source is not None and self._follows(source, depth):
            found.source = self.read(source, _LONGEST_PART, depth + 1)
        return found

    def _follows(self, error: BaseException, depth: int) -> bool:
        return depth < MOST_DEEP and len(self._seen) < MOST_ERRORS and id(error) not in self._seen


def _source(error: BaseException) -> tuple[BaseException | None, str]:
    """Return the cause or context of an exception, and the sentence that introduces it."""
    if isinstance(error, ExecutionError | ConditionError):
        return error.__cause__, _CAUSE  # its context is an internal of the engine
    for _ in range(MOST_ERRORS):
        link, source = _CAUSE, error.__cause__
        if source is None and not error.__suppress_context__:
            link, source = _CONTEXT, error.__context__
        if source is None or not _is_silent(source, error):
            return source, link
        error = source
    return None, ""


def _is_silent(source: BaseException, error: BaseException) -> bool:
    """Return whether an exception is only how a timeout works: a cancellation, or a timeout under a timeout."""
    cancels = type(source).__name__ == "CancelledError"
    kind = cancels or (isinstance(source, TimeoutError) and isinstance(error, TimeoutError))
    return kind and not source.args and not source.__dict__.get("__notes__")


def _errors(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()


def _notes(error: BaseException) -> list[str]:
    """Return the notes of an exception; like Python, accept any object that a user put there."""
    notes = error.__dict__.get("__notes__")
    if notes is None:
        return []
    listed = list(notes[:_MOST_NOTES]) if isinstance(notes, list | tuple) else [notes]
    told = [_cut(_as_text(note), _LONGEST_PART) for note in listed]
    more = len(notes) - _MOST_NOTES if isinstance(notes, list | tuple) else 0
    return [*told, f"and {more} more notes"] if more > 0 else told


def _as_text(note: object) -> str:
    try:
        return mask(str(note))
    except Exception as worse:  # noqa: BLE001 - code of a tool may raise anything
        return f"(a note whose __str__ raised {type(worse).__name__})"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text) - longest} characters more)"


def text_of(error: BaseException) -> str:
    """Return the full text of an exception without its type; several lines if it has notes, errors or causes."""
    return "\n".join(failure_of(error).lines(headed=False))


def traceback_of(failure: Failure, frames: Frames) -> str:
    """Return a traceback as Python formats it, groups and causes too; `frames` chooses what it shows of each."""
    return mask("".join(_formatted(failure, frames).format()))


def _formatted(failure: Failure, frames: Frames) -> traceback.TracebackException:
    error = failure.error
    chained = error.__cause__ is not None or error.__context__ is not None
    # For these, Python suggests names. Of any other exception, Python would follow the causes without bounds.
    suggests = isinstance(error, NameError | AttributeError | ImportError) and not chained
    formatted = traceback.TracebackException(type(error), error if suggests else _alone(failure), None)
    shown = frames(error.__traceback__)
    formatted.stack = traceback.StackSummary.from_list(shown) if shown else None  # type: ignore[assignment]
    if failure.errors:
        formatted.exceptions = [_formatted(inner, frames) for inner in failure.errors]
    if failure.source is not None:
        source = _formatted(failure.source, frames)
        if failure.link == _CAUSE:
            formatted.__cause__ = source
        else:
            formatted.__context__, formatted.__suppress_context__ = source, False
    return formatted


def _alone(failure: Failure) -> BaseException:
    """Return an exception with the same text and notes, but without a group and a cause."""
    error = failure.error
    alone: BaseException = Exception(failure.text)
    if isinstance(error, SyntaxError):
        place = (error.filename, error.lineno, error.offset, error.text, error.end_lineno, error.end_offset)
        alone = SyntaxError(error.msg, place)
    for note in failure.notes:
        alone.add_note(note)
    return alone


def node_error(node: str, error: BaseException) -> BaseException:
    """Return the error that ends a run or fails a subgraph after a tool raised: a NodeError with the node's path."""
    if isinstance(error, ExecutionError | ConditionError):
        return error
    told = words(error) if isinstance(error, RecordedError) else f"{type(error).__name__}: {text_of(error)}"
    named = NodeError(f"node {node!r} failed: {told}", node=node)
    named.__cause__ = error
    return named


def error_data(node: str, error: BaseException) -> dict[str, Any]:
    """Return the data that an error edge writes to the key `error` of the state.

    It has the keys `node` (its path), `type` and `message` and, where the error is an exception group, `errors`, a list
    of `{"type", "message"}` that have `errors` in turn.
    """
    if isinstance(error, ExecutionError | ConditionError):
        node = error.node or node
    own = raised_by(error)
    if isinstance(own, RecordedError):
        return dict(own.data)
    return {"node": node, **failure_of(own).data()}


def is_collected(item: object) -> bool:
    """Return whether an item of a list is what a map with `on_error=collect` puts in the place of one that failed."""
    if not isinstance(item, dict) or item.keys() != {"error"} or not isinstance(item["error"], dict):
        return False
    error = item["error"]
    keys = error.keys() - {"errors"}
    return keys == {"node", "type", "message"} and all(isinstance(error[key], str) for key in keys)


def raised_by(error: BaseException) -> BaseException:
    """Return the exception of the tool that caused a NodeError; any other error unchanged."""
    return error.__cause__ if isinstance(error, NodeError) and error.__cause__ else error


def describe(error: BaseException) -> dict[str, Any]:
    """Return the data of an error in an event: type, message, traceback, and the position in the user's code.

    An exception group also has `errors`, as in `error_data`.
    """
    failure = failure_of(raised_by(error))
    inner = error.node if isinstance(error, ExecutionError | ConditionError) else None
    about = failure.data() | {"traceback": traceback_of(failure, _users_frames)}
    where = _where(_users_frames(failure.error.__traceback__))
    return ({} if inner is None else {"node": inner}) | about | {"where": where}


def _users_frames(traceback_: TracebackType | None) -> list[traceback.FrameSummary]:
    frames = dropwhile(_is_machinery, traceback.extract_tb(traceback_))
    return [frame for frame in frames if not _is_ours(frame)]


_OWN = str(Path(__file__).parents[1]) + os.sep


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_OWN) and not frame.filename.startswith(_OWN + "review")


def _is_machinery(frame: traceback.FrameSummary) -> bool:
    """Return whether a frame belongs to the machinery around a tool; a shown traceback starts at the user's code."""
    return _is_ours(frame) or PurePath(frame.filename).parent.name in ("asyncio", "futures", "tenacity")


def _where(frames: list[traceback.FrameSummary]) -> dict[str, Any] | None:
    """Return the innermost position in the file of the tool, with a line before and after."""
    if not frames:
        return None
    place = [frame for frame in frames if frame.filename == frames[0].filename][-1]
    line = place.lineno or 1
    lines = [(n, linecache.getline(place.filename, n).rstrip("\n")) for n in range(max(1, line - 1), line + 2)]
    return {
        "file": place.filename,
        "line": line,
        "function": place.name,
        "code": [[n, mask(text)] for n, text in lines if text or n == line],
    }
