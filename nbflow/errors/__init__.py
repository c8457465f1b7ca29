"""The errors of nbflow, in one tree.

Invariant: a message says what was wrong, where, what was known, and what to do; the exception has these parts as
attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow.engine.result import ExecutionResult


class NbflowError(Exception):
    """The root of all errors raised by nbflow."""


class GraphError(NbflowError):
    """A graph was refused; `faults` lists every fault found, one sentence each.

    Not a ValueError, which pydantic would wrap: users would see the report of pydantic instead of this message.
    """

    def __init__(self, faults: str | Sequence[str], *, graph: str | None = None) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        self.graph = graph
        where = f"graph {graph!r}: " if graph else ""
        if len(self.faults) == 1:
            super().__init__(where + self.faults[0])
        else:
            listed = "".join(f"\n  - {fault}" for fault in self.faults)
            super().__init__(f"{where}{len(self.faults)} faults:{listed}")


class GraphNotFoundError(GraphError, LookupError):
    """No graph of this name is known."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        known = list(known)
        super().__init__(f"unknown graph {name!r}{did_you_mean(name, known)}; known graphs: {name_list(known)}")


class NotationError(NbflowError):
    """A text could not be parsed; the message has the line and column (from 1), and a caret under the position."""

    def __init__(self, problem: str, *, line: int = 1, column: int = 1, source_line: str = "") -> None:
        self.problem, self.line, self.column, self.source_line = problem, line, column, source_line
        super().__init__(f"line {line}, column {column}: {problem}{_excerpt(source_line, column)}")


class ConditionError(NbflowError):
    """A condition could not be parsed or evaluated.

    `column` (from 1) is the position in `source`; `node` and `result` are set when it ended a run.
    """

    def __init__(self, problem: str, *, source: str = "", column: int | None = None) -> None:
        self.problem, self.source, self.column = problem, source, column
        self.node: str | None = None
        self.result: ExecutionResult | None = None
        super().__init__(problem + _excerpt(source, column))


def _excerpt(source: str, column: int | None, width: int = 100) -> str:
    """Return the part of a condition around `column` with a caret, bounded so that a hostile one stays readable."""
    if not source:
        return ""
    flat = re.sub(r"\s", " ", source[: 4 * width + (column or 0)])
    start = max(0, (column or 1) - 1 - width // 2) if len(source) > width else 0
    cut = flat[start : start + width]
    lead, trail = "…" if start else "", "…" if start + width < len(source) else ""
    caret = f"\n  {' ' * (len(lead) + column - 1 - start)}^" if column is not None else ""
    return f"\n  {lead}{cut}{trail}{caret}"


class NameClashError(NbflowError):
    """Two names are equal after Python's normalisation of identifiers; `names` has both names before it."""

    def __init__(self, what: str, first: str, second: str, name: str) -> None:
        self.names = (first, second)
        super().__init__(
            f"{what}: {first!r} ({first!a}) and {second!r} ({second!a}) are one name, {name!a}, as "
            "Python normalises identifiers; take one of them away, or name it differently"
        )


class ToolError(NbflowError):
    """A tool is unknown, cannot be registered, or cannot be given its arguments."""


class ExecutionError(NbflowError):
    """A run ended without completing; `result` is its result up to the end."""

    def __init__(self, message: str, *, node: str | None = None) -> None:
        self.node = node
        self.result: ExecutionResult | None = None
        super().__init__(message)


class NodeError(ExecutionError):
    """A node failed after its last retry; the exception of the tool is the cause."""


class LoopError(ExecutionError):
    """An edge on a cycle exceeded its limit."""

    def __init__(self, node: str, target: str, limit: int, *, edge_type: str = "normal") -> None:
        self.target, self.limit = target, limit
        tail = " on error" if edge_type == "error" else ""
        super().__init__(
            f"edge '{node} -> {target}{tail}' was taken {limit} times, its limit; "
            f"raise it with [max={limit * 2}] on the edge, or give {node!r} an error edge for the way out",
            node=node,
        )


class StateConflictError(ExecutionError):
    """Two nodes that did not see each other's writes wrote the same key."""

    def __init__(self, key: str, first: str, second: str, *, node: str | None = None) -> None:
        self.key, self.writers = key, (first, second)
        where = f"at the join {node!r}" if node else "at the end of the run"
        who = f"{first!r} and {second!r}" if first != second else f"two firings of {first!r}"
        super().__init__(
            f"{who} wrote {key!r} side by side, and it is not known {where} which to keep; "
            f"write 'reduce {key} with append' (or extend, add, merge, last), or let them write different keys",
            node=node,
        )


class ExecutionCancelled(ExecutionError):  # noqa: N818 - the usual name, as in asyncio.CancelledError
    """The run was cancelled; `reason` names the cause, such as `by you`."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        self.reason = reason
        super().__init__(f"{message} {reason}".strip())

    def _render_traceback_(self) -> list[str]:
        """Show one line in a notebook: the traceback of the event loop is of no use after a person pressed Stop."""
        return [f"ExecutionCancelled: {self}"]


class InitialStateError(NbflowError):
    """A run was not started because its initial state lacks keys without which it cannot complete.

    `faults` maps each key to a sentence that names a node that needs it.
    """

    def __init__(
        self, graph: str, missing: Mapping[str, str], given: Iterable[str], silent: Mapping[str, Sequence[str]]
    ) -> None:
        given = [key for key in given if isinstance(key, str)]
        self.graph = graph
        self.faults = {
            key: f"node {node!r} needs it, and no node before that one writes it{silent_hint(silent.get(key, ()))}"
            for key, node in missing.items()
        }
        hint = silent_hint(list(dict.fromkeys(chain.from_iterable(silent.values()))))
        needed = name_list(f"{key!r} (node {node!r})" for key, node in missing.items())
        near = next(filter(None, (did_you_mean(key, missing) for key in given)), "")
        known = name_list(repr(key) if len(key) <= 80 else f"{key[:80]!r}…" for key in given)
        super().__init__(
            f"graph {graph!r} cannot start without {needed}\n"
            f"  give {'it' if len(missing) == 1 else 'them'} in the initial state, or as params of nodes; "
            f"keys given: {known}{near}{hint}"
        )


def silent_hint(tools: Sequence[str]) -> str:
    """Return, as the end of a message, which tools return nothing; an empty text for no tools."""
    if not tools:
        return ""
    verb = "returns" if len(tools) == 1 else "return"
    return f"; {name_list(tools, most=3)} {verb} nothing (is a 'return' missing?)"


class RunNotFoundError(NbflowError, LookupError):
    """No run with this id is known."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"no run {run_id[:80]!r} is known here; %flow_runs lists them")


class RunReleasedError(RunNotFoundError):
    """A run of this process has ended and was released from memory, and no store has it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.args = (
            f"run {run_id} has ended and is no longer in memory, and it was not stored; hold a run in a variable to "
            "use it later, let runs be stored (NBFLOW_DURABILITY=async), or let more of them stay in memory by "
            "NBFLOW_RETAIN_RUNS and NBFLOW_RETAIN_BYTES",
        )


class RunStateError(NbflowError):
    """The status of the run does not allow the requested operation."""


class SecretsNeededError(RunStateError):
    """A run cannot be resumed without secrets, which are never stored; `names` are their paths."""

    def __init__(self, run_id: str, names: Iterable[str]) -> None:
        from nbflow.secrets import variable_of  # its imports are too slow for a module that every other module imports

        self.run_id, self.names = run_id, tuple(names)
        options = " ".join(f"--secret {name}" for name in self.names)
        super().__init__(
            f"run {run_id} needs secrets, which are not stored: {name_list(map(repr, self.names))}; give them by await "
            f"session.resume({run_id!r}, secrets={{name: value}}), by nbflow resume {run_id} {options}, or in the "
            f"environment: {name_list(map(variable_of, self.names))}"
        )


class AnswerError(NbflowError):
    """An answer does not fit its question; `faults` are by place in the answer: `items.0.name`, "" for the whole."""

    def __init__(self, node: str, faults: Mapping[str, str]) -> None:
        self.node, self.faults = node, dict(faults)
        told = "; ".join(f"{place}: {fault}" if place else fault for place, fault in self.faults.items())
        super().__init__(f"the answer to node {node!r} does not fit its question: {told}")


class StoreError(NbflowError):
    """The store could not do what was asked."""


class StoreClosedError(StoreError):
    """The store was closed before something could be written to it."""


def did_you_mean(name: str, known: Iterable[str], *, quote: str = "'") -> str:
    """Return `; did you mean 'x'?` for the most similar of `known`, or an empty text if none is similar."""
    # Long names and lists come from hostile texts, and the time grows with both.
    known = [other for other in islice(known, 1000) if len(other) <= 100] if len(name) <= 100 else []
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {quote}{near[0]}{quote}?" if near else ""


def name_list(names: Iterable[str], *, most: int = 12) -> str:
    """Return names joined by commas, the first `most` and how many more there are."""
    listed = list(names)
    shown = ", ".join(listed[:most])
    return (shown or "none") + (f" and {len(listed) - most} more" if len(listed) > most else "")


class RecordedError(NbflowError):
    """A failure that was read from a log: its type and message, in place of the exception."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        super().__init__(f"{data['type']}: {data['message']}")


def words(error: BaseException) -> str:
    """Return the message of an exception, with known secrets masked.

    An exception whose `__str__` raises must not end the run, so its message is replaced.
    """
    from nbflow.secrets import mask

    try:
        return mask(str(error))
    except Exception as worse:  # noqa: BLE001 - it is a tool's code that runs here
        return f"(no message: __str__ raised {type(worse).__name__})"
