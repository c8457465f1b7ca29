"""Delete runs, graphs and unused values, and report the size of a store.

A run that a live process owns is never deleted. A value is deleted when no run and no cached output uses it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, text

from nbflow.errors import StoreError
from nbflow.store.owners import Owner
from nbflow.store.queries import graph as find_graph
from nbflow.store.queries import last_seq
from nbflow.store.rows import Pruned, StoreInfo
from nbflow.store.schema import (
    SCHEMA,
    Base,
    CacheUse,
    ExecutionLogModel,
    ExecutionTextModel,
    ExecutionToolModel,
    GraphModel,
    ValueModel,
    ValueUse,
)
from nbflow.store.schema import ExecutionModel as Execution
from nbflow.store.statements import now, on_sqlite

Runs = Select[Any]
"""The numbers of runs, as a query: there may be more than the parameters that a statement accepts."""


def prune(
    connection: Connection, *, keep_last: int | None, older_than: float | None, at: float, dry_run: bool
) -> Pruned:
    """Delete or only count runs and unused values. Ages (s) are measured at the time `at`."""
    _hold(connection)
    runs: Runs = select(Execution.number).where(Execution.number.not_in(_live(connection)))
    if older_than is not None:
        runs = runs.where(Execution.started < at - older_than)
    if keep_last is not None:
        newest = select(Execution.number).order_by(Execution.started.desc(), Execution.number.desc()).limit(keep_last)
        runs = runs.where(Execution.number.not_in(newest.subquery().select()))
    if keep_last is None and older_than is None:
        runs = runs.where(Execution.number < 0)
    pruned = _count(connection, runs)
    if not dry_run:
        _delete(connection, runs)
    return pruned


def delete_graph(connection: Connection, name: str, version: int | None, *, force: bool) -> int:
    """Delete a version of a graph or all versions, with `force` their runs too; return the number of versions.

    Raises:
        StoreError: The graph is not stored, it has runs and `force` is not given, or a run has not ended.
    """
    _hold(connection)
    find_graph(connection, name, version)
    what = f"graph {name!r}" if version is None else f"version {version} of graph {name!r}"
    which = select(GraphModel.number).where(GraphModel.name == name)
    if version is not None:
        which = which.where(GraphModel.version == version)
    runs: Runs = select(Execution.number).where(Execution.graph.in_(which))
    count = connection.scalar(select(func.count()).select_from(runs.subquery())) or 0
    if count and not force:
        raise StoreError(f"{what} has {count} runs, which would be deleted with it; --force deletes them too")
    live = connection.scalars(runs.where(Execution.number.in_(_live(connection)))).all()
    if live:
        raise StoreError(f"{what} has {len(live)} runs that are still running; cancel them first")
    _delete(connection, runs)
    return connection.execute(delete(GraphModel).where(GraphModel.number.in_(which))).rowcount


def info(connection: Connection, place: str) -> StoreInfo:
    """Return the size and the contents of a store."""
    models = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
    rows = {
        name.removeprefix("nbflow_"): connection.scalar(select(func.count()).select_from(model)) or 0
        for name, model in sorted(models.items())
        if model is not ExecutionLogModel
    }
    # A log has no gaps, so its length is the sum of the runs' last numbers, and a million rows need not be counted.
    rows["log"] = int(connection.scalar(select(func.sum(last_seq())).select_from(Execution)) or 0)
    oldest, newest = connection.execute(select(func.min(Execution.started), func.max(Execution.started))).one()
    return StoreInfo(place, _size(connection, list(models)), rows, SCHEMA.partition("_")[0], oldest, newest)


def _size(connection: Connection, tables: list[str]) -> int:
    if on_sqlite(connection):
        pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return int(connection.scalar(text(pages)) or 0)
    return sum(int(connection.scalar(select(func.pg_total_relation_size(table))) or 0) for table in tables)


def _hold(connection: Connection) -> None:
    """Lock runs and values against other sessions until the commit; SQLite locks the whole file anyway.

    Without the lock a value could be deleted after another session's transaction has found it.
    """
    if not on_sqlite(connection):
        connection.execute(text("LOCK TABLE nbflow_executions, nbflow_values IN EXCLUSIVE MODE"))


def _live(connection: Connection) -> list[int]:
    left = (Execution.lease_until - now(connection)).label("left")
    owned = connection.execute(select(Execution.number, Execution.owner, left).where(Execution.owner.is_not(None)))
    return [row.number for row in owned if (owner := Owner.read(row.owner)) and owner.is_alive(row.left)]


def _count(connection: Connection, runs: Runs) -> Pruned:
    count = connection.scalar(select(func.count()).select_from(runs.subquery()))
    log = select(func.count(), func.coalesce(func.sum(func.length(ExecutionLogModel.data)), 0))
    rows, texts = connection.execute(log.where(ExecutionLogModel.execution.in_(runs))).one()
    values = select(func.count(), func.coalesce(func.sum(func.length(ValueModel.data)), 0))
    hashes, data = connection.execute(values.where(_loose(runs))).one()
    return Pruned(count or 0, int(rows), int(hashes), int(texts) + int(data))


def _loose(runs: Runs) -> ColumnElement[bool]:
    """Return the condition for values that are unused once `runs` are deleted."""
    used = select(ValueUse.hash).where(ValueUse.execution.not_in(runs))
    return ValueModel.hash.not_in(used) & ValueModel.hash.not_in(select(CacheUse.hash))


def _delete(connection: Connection, runs: Runs) -> None:
    """Delete runs and the rows that refer to them; the runs last, because they select the others."""
    connection.execute(delete(ValueModel).where(_loose(runs)))
    parts: list[Any] = [ExecutionLogModel, ExecutionToolModel, ValueUse, ExecutionTextModel]
    for model in parts:
        connection.execute(delete(model).where(model.execution.in_(runs)))
    connection.execute(delete(Execution).where(Execution.number.in_(runs)))
    if on_sqlite(connection):
        _shrink(connection)


def _shrink(connection: Connection) -> None:
    """Return the free pages to the file system."""
    for _ in range(int(connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0)):
        # SQLite frees one page a step, and the sqlite3 module takes one step of a statement without columns.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
