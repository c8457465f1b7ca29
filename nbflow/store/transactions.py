"""The changes of a store, each on a plain connection within a transaction, written once for both databases.

A change refuses before it writes. It may be applied twice with the effect of one, because a PostgreSQL server that goes
away during a commit does not report whether it committed.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Integer, bindparam, case, delete, func, insert, literal, select, text, update

from nbflow.errors import RunStateError, StoreError
from nbflow.events import Status
from nbflow.store.leases import Held
from nbflow.store.owners import LEASE_S, Owner
from nbflow.store.queries import AT_ONCE, find, last_nodes, last_seq
from nbflow.store.rows import Batch, Blob, GraphRow, NewRun
from nbflow.store.schema import (
    CacheModel,
    CacheUse,
    ExecutionLogModel,
    ExecutionTextModel,
    ExecutionToolModel,
    GraphModel,
    ValueModel,
    ValueUse,
)
from nbflow.store.schema import ExecutionModel as Execution
from nbflow.store.statements import Row, Rows, Statement, on_sqlite, time_of
from nbflow.store.statements import insert as insert_here

LARGE = 2**16
"""The size (bytes) from which a value is sent only if the store does not have it yet."""

add_log = Rows(ExecutionLogModel)
add_tools = Rows(ExecutionToolModel, absent=True)
add_values = Rows(ValueModel, absent=True)
add_uses = Rows(ValueUse, absent=True)
add_cache_uses = Rows(CacheUse, absent=True)

_run = bindparam("run", type_=Integer)
progress = Statement(
    select(Execution.epoch, last_seq().label("seq"), last_nodes().label("nodes"))
    .where(Execution.number == _run)
    .with_for_update(of=Execution)  # locked until the commit, so that no other process can take the run over
)
known_run = Statement(select(Execution.number, Execution.owner).where(Execution.id == bindparam("id")))
known_graph = Statement(
    select(GraphModel.number).where(GraphModel.name == bindparam("name"), GraphModel.hash == bindparam("hash"))
)
# Inline, because SQLite before 3.35 cannot return the new number.
add_run = Statement(
    insert(Execution).inline(), "id", "graph", "status", "started", "seconds", "epoch", "owner", "lease_until",
    "durability", "origin", "parent", "parent_seq", "notebook",
)  # fmt: skip
add_texts = Statement(insert(ExecutionTextModel), "execution", "subgraphs", "initial")
set_going = Statement(update(Execution).where(Execution.number == _run), "status", "ended", "error")
set_ended = Statement(update(Execution).where(Execution.number == _run), "status", "ended", "seconds", "error", "owner")
set_result = Statement(update(ExecutionTextModel).where(ExecutionTextModel.execution == _run), "result")


def create(connection: Connection, run: NewRun, owner: Owner) -> Held:
    """Insert a run with its graph, its values, its first event and, for a fork, the log of its parent.

    This is one transaction, so a process that is killed leaves either the whole fork, with its edits, or no run.
    `owner` gets the lease.

    Raises:
        RunNotFoundError: The parent is not stored.
        StoreError: The store has a run with this id already, or the parent has no such event.
    """
    same = known_run(connection, id=run.id)
    if same:
        had = Owner.read(same[1])
        if had and had.id == owner.id:
            return Held(run.id, same[0], 1)
        raise StoreError(f"the store has a run {run.id!r} already; start the new run with another id")
    parent = _parent(connection, run)
    number = _insert_run(connection, run, owner)
    add_all_values(connection, number, run.blobs)
    if parent is not None:
        _copy_log(connection, parent, number, run)
        _copy_names(connection, parent, number)
    held = Held(run.id, number, 1)
    if run.first is not None:
        append(connection, held, run.first)
    return held


def _parent(connection: Connection, run: NewRun) -> int | None:
    if run.parent is None:
        return None
    number = find(connection, run.parent)
    seq = connection.scalar(select(last_seq()).where(Execution.number == number)) or 0
    if not 0 <= (run.parent_seq or 0) <= seq:
        raise StoreError(f"run {run.parent!r} has no event {run.parent_seq}; its last is {seq}")
    return number


def _insert_run(connection: Connection, run: NewRun, owner: Owner) -> int:
    time_now = time_of(connection)
    add_run(
        connection, id=run.id, graph=_graph(connection, run.graph, run.started), status=Status.RUNNING.value,
        started=run.started, seconds=0.0, durability=run.durability, origin=run.origin,
        parent=run.parent, parent_seq=run.parent_seq, notebook=run.notebook,
        epoch=1, owner=owner.text(time_now), lease_until=time_now + LEASE_S,
    )  # fmt: skip
    number = _number(known_run(connection, id=run.id))
    add_texts(connection, execution=number, subgraphs=run.subgraphs, initial=run.initial)
    return number


def _graph(connection: Connection, graph: GraphRow, created: float) -> int:
    """Return the number of a graph; insert a new one as the next version of its name."""
    known = known_graph(connection, name=graph.name, hash=graph.hash)
    if known:
        return _number(known)
    if not on_sqlite(connection):
        # Two sessions that define a graph at the same time would both insert the same version.
        connection.execute(text("LOCK TABLE nbflow_graphs IN SHARE ROW EXCLUSIVE MODE"))
        known = known_graph(connection, name=graph.name, hash=graph.hash)
        if known:
            return _number(known)
    newest = connection.scalar(select(func.max(GraphModel.version)).where(GraphModel.name == graph.name)) or 0
    values = {"name": graph.name, "hash": graph.hash, "definition": graph.definition}
    connection.execute(insert(GraphModel).values(**values, version=newest + 1, created=created))
    return _number(known_graph(connection, name=graph.name, hash=graph.hash))


def keep_graph(connection: Connection, graph: GraphRow, created: float) -> int:
    """Insert a graph if it is new; return its version."""
    number = _graph(connection, graph, created)
    return connection.scalar(select(GraphModel.version).where(GraphModel.number == number)) or 0


def _number(row: Row | None) -> int:
    return int(row[0]) if row else 0


def _copy_log(connection: Connection, parent: int, number: int, run: NewRun) -> None:
    entry, upto = ExecutionLogModel, run.parent_seq or 0
    nodes = case((entry.seq == upto, run.nodes))
    rows = select(literal(number), entry.seq, entry.kind, entry.time, entry.node, entry.data, nodes)
    columns = ["execution", "seq", "kind", "time", "node", "data", "nodes"]
    rows = rows.where(entry.execution == parent, entry.seq <= upto)
    connection.execute(insert(entry).from_select(columns, rows))


def _copy_names(connection: Connection, parent: int, number: int) -> None:
    """Copy the tools and values of a parent to a fork, because the copied log may refer to any of them."""
    for model in (ExecutionToolModel, ValueUse):
        columns = [column for column in model.__table__.columns if column.name != "execution"]
        rows = select(literal(number), *columns).where(model.__table__.columns["execution"] == parent)
        names = ["execution", *(column.name for column in columns)]
        connection.execute(insert_here(connection, model).from_select(names, rows).on_conflict_do_nothing())


def append(connection: Connection, held: Held, batch: Batch) -> Batch:
    """Append a batch to a run.

    Raises:
        RunStateError: Another process has taken the run over.
        StoreError: The rows do not follow the last one of the run.
    """
    rows, number = batch.rows, held.number
    seq, nodes = check(connection, held)
    if rows:
        if rows[0].seq != seq + 1 and _is_done(connection, held, batch, seq):
            return batch
        *most, last = [(number, *row, None) for row in rows]
        add_log(connection, [*most, (*last[:-1], nodes + batch.nodes)])
    if batch.blobs:
        add_all_values(connection, number, batch.blobs)
    if batch.tools:
        add_tools(connection, [(number, tool.name, tool.version, tool.hash, tool.source) for tool in batch.tools])
    if batch.status or batch.ending:
        _set_status(connection, number, batch)
    return batch


def check(connection: Connection, held: Held) -> tuple[int, int]:
    """Return the number of a run's last event, and how many nodes completed.

    Raises:
        RunStateError: The run was deleted, or another process has taken it over.
    """
    row = progress(connection, run=held.number)
    if row is None:
        raise RunStateError(f"run {held.id!r} was deleted from the store while it ran; its events are no longer stored")
    epoch, seq, nodes = row
    if epoch != held.epoch:
        other = Owner.read(connection.scalar(select(Execution.owner).where(Execution.number == held.number)))
        by = f" by {other.told()}" if other else ""
        raise RunStateError(
            f"run {held.id!r} was taken over{by}; it continues there, and its events here are no longer stored"
        )
    return seq or 0, nodes or 0


def _is_done(connection: Connection, held: Held, batch: Batch, seq: int) -> bool:
    """Return True if a batch was committed before.

    Raises:
        StoreError: It was not, and its rows do not follow the last one of the run.
    """
    entry, last = ExecutionLogModel, batch.rows[-1]
    query = select(entry.kind, entry.time, entry.node, entry.data)
    there = connection.execute(query.where(entry.execution == held.number, entry.seq == last.seq)).first()
    if there and tuple(there) == (last.kind, last.time, last.node, last.data):
        return True
    raise StoreError(
        f"events {batch.rows[0].seq} to {last.seq} of run {held.id!r} do not follow its last in the store, {seq}; "
        "an earlier commit failed, so resume the run from its last stored event"
    )


def _set_status(connection: Connection, number: int, batch: Batch) -> None:
    """Store the status of a run. A run that continues loses its end; a run that ended loses its owner."""
    ending = batch.ending
    if ending:
        set_ended(
            connection, run=number, status=ending.status, ended=ending.ended, seconds=ending.seconds,
            error=ending.error, owner=None,
        )  # fmt: skip
    else:
        set_going(connection, run=number, status=batch.status, ended=None, error=None)
    set_result(connection, run=number, result=ending.result if ending else None)


def add_all_values(connection: Connection, number: int, blobs: Iterable[Blob]) -> None:
    """Insert the new values of a run, and the uses of all of them.

    Rows are inserted in the order of their hashes, because two sessions with the same values would deadlock otherwise,
    and the values before their uses, because pruning locks the table of values.
    """
    ordered = sorted(blobs, key=lambda blob: blob.hash)
    _add_values(connection, ordered)
    add_uses(connection, [(number, blob.hash) for blob in ordered])


def _add_values(connection: Connection, blobs: list[Blob]) -> None:
    """Insert the new values; a large one that the store has already is not sent."""
    large = [blob.hash for blob in blobs if len(blob.data) >= LARGE]
    there: set[str] = set()
    for at in range(0, len(large), AT_ONCE):
        found = select(ValueModel.hash).where(ValueModel.hash.in_(large[at : at + AT_ONCE]))
        # Locked, because pruning in another process might delete a value between the query and the commit.
        there.update(connection.scalars(found.with_for_update(read=True, key_share=True)))
    add_values(connection, [(blob.hash, blob.codec, blob.data) for blob in blobs if blob.hash not in there])


def cache(connection: Connection, key: str, tool: str, output: str, blobs: Iterable[Blob], created: float) -> None:
    """Cache an output under a key; replace the present one."""
    statement = insert_here(connection, CacheModel).values(key=key, tool=tool, output=output, created=created)
    new = {"tool": tool, "output": output, "created": created}
    ordered = sorted(blobs, key=lambda blob: blob.hash)
    _add_values(connection, ordered)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=new))
    connection.execute(delete(CacheUse).where(CacheUse.key == key))
    add_cache_uses(connection, [(key, blob.hash) for blob in ordered])
