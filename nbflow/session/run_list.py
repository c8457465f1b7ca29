"""The list of runs: one row each, from the store and from this process, in one order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from nbflow.engine import Run
from nbflow.engine.result import cause_of, count_completed
from nbflow.events import ENDINGS, Kind, Status
from nbflow.store.rows import RunRow
from nbflow.tables import Records, Table

_LIVE = (Status.RUNNING, Status.WAITING, Status.PAUSED)


class RunList(Records[RunRow]):
    """Runs, newest first: a list that shows as a table; `is_cut` if there are more than its limit allowed."""

    kind = RunRow

    def __init__(self, rows: Iterable[RunRow] = (), *, is_cut: bool = False) -> None:
        super().__init__(rows)
        self.is_cut = is_cut

    @property
    def note(self) -> str:
        """A sentence for people if there are more runs, else an empty text."""
        from nbflow.view.text import counted

        return (
            f"{counted(len(self), 'run')} listed, the newest; there are more: limit=N, --limit N" if self.is_cut else ""
        )

    def table(self, *, stable: bool = False) -> Table:
        """Return a row for each run; with `stable`, without the columns that differ between executions.

        These are ids, times, and the notebook, which a program that executes notebooks does not know.
        """
        from nbflow.view.text import duration

        columns = {
            "run": [row.id for row in self],
            "graph": [row.graph for row in self],
            "status": [_status(row) for row in self],
            "started": [f"{datetime.fromtimestamp(row.started):%Y-%m-%d %H:%M:%S}" for row in self],
            "duration": [duration(row.seconds * 1000) if row.ended is not None else "" for row in self],
            "nodes": [str(row.nodes) for row in self],
            "error": [_error(row.error) for row in self],
            "notebook": [row.notebook or "" for row in self],
        }
        if any(row.parent for row in self):
            columns["fork of"] = [_parent(row, stable=stable) for row in self]
        for name in ("run", "started", "duration", "notebook") if stable else ():
            del columns[name]
        return Table(tuple(columns), zip(*columns.values(), strict=True), note="" if stable else self.note)


def _status(row: RunRow) -> str:
    return f"{row.status}, process ended" if row.status in _LIVE and row.owner is None else row.status


def _parent(row: RunRow, *, stable: bool) -> str:
    if row.parent is None:
        return ""
    return f"event {row.parent_seq}" if stable else f"{row.parent} at {row.parent_seq}"


def _error(text: str | None) -> str:
    """Return the text of a stored error: the type and message of a node's error, or the reason of a cancellation."""
    if text is None:
        return ""
    try:
        error = json.loads(text)
    except ValueError:
        return text
    if not isinstance(error, dict):
        return str(error)
    where = f"{error['node']}: " if error.get("node") else ""
    return f"{where}{error.get('type')}: {error.get('message')}"


def position(row: RunRow) -> tuple[float, str]:
    """Return the position of a run in a list of runs: its start, in seconds since 1970, and its id."""
    return row.started, row.id


def row_of(run: Run, *, is_recorded: bool, notebook: str | None = None) -> RunRow:
    """Return the row of a run of this process; `is_recorded` if the store will have it."""
    last = run.events[-1]
    ended = last.time if last.kind in ENDINGS else None
    return RunRow(
        id=run.id, graph=run.name, version=0, status=run.status, started=run.started_at, ended=ended,
        seconds=run.execution_time, nodes=count_completed(run.events), seq=len(run.events),
        durability="async" if is_recorded else "off",
        error=None if ended is None else cause_of(last), origin=None, **_fork(run), owner="this process",
        notebook=notebook,
    )  # fmt: skip


def _fork(run: Run) -> dict[str, Any]:
    told = [event.data for event in run.events if event.kind is Kind.EXECUTION_RESUMED and "parent" in event.data]
    return (
        {"parent": told[-1]["parent"], "parent_seq": told[-1]["at"]} if told else {"parent": None, "parent_seq": None}
    )
