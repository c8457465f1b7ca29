"""The queries of a store, each on a plain connection, written once for both databases.

A query returns records of `rows`. Lists of runs read no long texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, ScalarSelect, Select, func, select, tuple_
from sqlalchemy.orm import aliased

from nbflow.errors import RunNotFoundError, StoreError, did_you_mean
from nbflow.events import Status
from nbflow.store.compression import expanded
from nbflow.store.owners import Owner
from nbflow.store.rows import Blob, GraphRow, LogRow, RunHead, RunRow, ToolRow
from nbflow.store.schema import (
    CacheModel,
    ExecutionLogModel,
    ExecutionTextModel,
    ExecutionToolModel,
    GraphModel,
    ValueModel,
)
from nbflow.store.schema import ExecutionModel as Execution
from nbflow.store.statements import now

LIVE = (Status.RUNNING, Status.WAITING, Status.PAUSED)
AT_ONCE = 500
"""The most hashes of one query: SQLite accepts 999 parameters."""


def runs(
    connection: Connection,
    *,
    graph: str | None,
    status: str | None,
    since: float | None,
    limit: int,
    before: tuple[float, str] | None,
) -> list[RunRow]:
    """Return runs, newest first."""
    query = _runs(connection).order_by(Execution.started.desc(), Execution.id.desc()).limit(limit)
    if graph is not None:
        query = query.where(Execution.graph.in_(select(GraphModel.number).where(GraphModel.name == graph)))
    if status is not None:
        query = query.where(Execution.status == status)
    if since is not None:
        query = query.where(Execution.started >= since)
    if before is not None:
        query = query.where(tuple_(Execution.started, Execution.id) < tuple_(*before))
    return [_run(row) for row in connection.execute(query)]


def latest(connection: Connection, *, notebook: str | None, unfinished: bool, limit: int) -> list[RunRow]:
    """Return the runs of one notebook or of all, newest first; with `unfinished` only those not completed."""
    query = _runs(connection).order_by(Execution.started.desc(), Execution.number.desc()).limit(limit)
    if notebook is not None:
        query = query.where(Execution.notebook == notebook)
    if unfinished:
        query = query.where(Execution.status != Status.COMPLETED)
    return [_run(row) for row in connection.execute(query)]


def abandoned(connection: Connection) -> list[RunRow]:
    """Return the runs that had not ended when their owner died, newest first."""
    query = _runs(connection).where(Execution.status.in_(LIVE))
    rows = connection.execute(query.order_by(Execution.started.desc(), Execution.number.desc()))
    return [run for run in map(_run, rows) if run.owner is None]


def find(connection: Connection, run_id: str) -> int:
    """Return the number of a run, by its id or a unique prefix of it.

    Raises:
        RunNotFoundError: No run or several runs match.
    """
    number: int | None = connection.scalar(select(Execution.number).where(Execution.id == run_id))
    if number is not None:
        return number
    starts = func.substr(Execution.id, 1, len(run_id)) == run_id
    found = connection.execute(select(Execution.number, Execution.id).where(starts).limit(6)).all() if run_id else []
    if len(found) == 1:
        return int(found[0].number)
    error = RunNotFoundError(run_id)
    if found:
        ids = ", ".join(sorted(row.id for row in found[:5])) + (", …" if len(found) > 5 else "")
        error.args = (f"{run_id!r} matches several runs; pass more of the id: {ids}",)
    raise error


def head(connection: Connection, run_id: str) -> RunHead:
    """Return a run without its log."""
    number = find(connection, run_id)
    texts = (GraphModel.definition, ExecutionTextModel.subgraphs, ExecutionTextModel.initial, ExecutionTextModel.result)
    query = _runs(connection).add_columns(*texts).join(ExecutionTextModel, ExecutionTextModel.execution == number)
    row = connection.execute(query.where(Execution.number == number)).one()
    tool = ExecutionToolModel
    tools = connection.execute(
        select(tool.name, tool.version, tool.hash, tool.source)
        .where(tool.execution == number)
        .order_by(tool.name, tool.version)
    )
    return RunHead(
        _run(row), row.definition, row.subgraphs, row.initial, row.result, tuple(ToolRow(*each) for each in tools)
    )


def log(connection: Connection, run_id: str, *, after: int, upto: int | None) -> list[LogRow]:
    """Return the events of a run from number `after` (exclusive) to `upto` (inclusive)."""
    entry = ExecutionLogModel
    query = select(entry.seq, entry.kind, entry.time, entry.node, entry.data).order_by(entry.seq)
    query = query.where(entry.execution == find(connection, run_id), entry.seq > after)
    if upto is not None:
        query = query.where(entry.seq <= upto)
    return [LogRow(*row) for row in connection.execute(query)]


def blobs(connection: Connection, hashes: Iterable[str]) -> dict[str, Blob]:
    """Return values by their hashes.

    Raises:
        StoreError: Values are missing, or cannot be decompressed.
    """
    wanted = sorted(set(hashes))
    found: dict[str, Blob] = {}
    for at in range(0, len(wanted), AT_ONCE):
        query = select(ValueModel.hash, ValueModel.codec, ValueModel.data)
        rows = connection.execute(query.where(ValueModel.hash.in_(wanted[at : at + AT_ONCE])))
        found |= {row.hash: expanded(Blob(row.hash, row.codec, bytes(row.data))) for row in rows}
    missing = [each for each in wanted if each not in found]
    if missing:
        listed = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise StoreError(
            f"{len(missing)} values that a run needs are not in the store: {listed}; was it pruned by hand?"
        )
    return found


def graphs(connection: Connection, name: str | None) -> list[GraphRow]:
    """Return the versions of one graph or of all, newest first within a name."""
    query = _graphs().order_by(GraphModel.name, GraphModel.version.desc())
    if name is not None:
        query = query.where(GraphModel.name == name)
    return [GraphRow(*row) for row in connection.execute(query)]


def graph(connection: Connection, name: str, version: int | None) -> GraphRow:
    """Return a version of a graph, by default the newest.

    Raises:
        StoreError: The graph or version is not stored.
    """
    query = _graphs().where(GraphModel.name == name).order_by(GraphModel.version.desc())
    rows = [GraphRow(*row) for row in connection.execute(query)]
    for row in rows:
        if version in (None, row.version):
            return row
    if rows:
        known = ", ".join(str(row.version) for row in rows)
        raise StoreError(f"graph {name!r} has no version {version} in the store; there are {known}")
    names = list(connection.scalars(select(GraphModel.name).distinct()))
    raise StoreError(f"no graph {name!r} in the store{did_you_mean(name, names)}; %flow_graphs lists them")


def cached(connection: Connection, key: str) -> str | None:
    """Return the output cached under a key, None without one."""
    output: str | None = connection.scalar(select(CacheModel.output).where(CacheModel.key == key))
    return output


def last_seq() -> ScalarSelect[Any]:
    """Return a column with the number of a run's last event, for a query of runs."""
    entry = aliased(ExecutionLogModel)
    last = select(func.max(entry.seq)).where(entry.execution == Execution.number)
    return last.correlate(Execution).scalar_subquery()


def last_nodes() -> ScalarSelect[Any]:
    """Return a column with the number of a run's completed nodes, for a query of runs."""
    entry = ExecutionLogModel
    last = select(entry.nodes).where(entry.execution == Execution.number, entry.seq == last_seq())
    return last.correlate(Execution).scalar_subquery()


def _runs(connection: Connection) -> Select[Any]:
    run = Execution
    columns: list[Any] = [
        run.id, GraphModel.name, GraphModel.version, run.status, run.started, run.ended, run.seconds,
        func.coalesce(last_nodes(), 0), func.coalesce(last_seq(), 0),
        run.durability, run.error, run.origin, run.parent, run.parent_seq, run.owner,
        (run.lease_until - now(connection)).label("left"), run.cancel_asked, run.notebook,
    ]  # fmt: skip
    return select(*columns).join(GraphModel, GraphModel.number == run.graph)


def _run(row: Row[Any]) -> RunRow:
    owner = Owner.read(row.owner)
    alive = str(owner) if owner and owner.is_alive(row.left) else None
    values: list[Any] = [*row[:14], alive, row.cancel_asked, row.notebook]
    return RunRow(*values)


def _graphs() -> Select[Any]:
    used = select(func.count()).where(Execution.graph == GraphModel.number).scalar_subquery()
    columns = (GraphModel.name, GraphModel.hash, GraphModel.definition, GraphModel.version, GraphModel.created)
    return select(*columns, used)
