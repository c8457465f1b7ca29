"""The tables of a store.

A commit of a run only appends rows to its log and updates no row, so the progress of a run is in its last row. Table
names start with `nbflow_`, because other programs may use the same PostgreSQL database.
"""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "3_0.1.0"
"""The version that this code writes: its number, and the first release of nbflow that reads it."""
VERSION_TABLE = "nbflow_version"


class Base(DeclarativeBase):
    """The base of all tables: a text has no maximal length, and a float has 8 bytes."""

    type_annotation_map = {str: Text(), float: Float(53), bytes: LargeBinary()}  # noqa: RUF012 - declarative reads it so


class GraphModel(Base):
    """A graph by content; versions count from 1 within a name."""

    __tablename__ = "nbflow_graphs"
    __table_args__ = (UniqueConstraint("name", "version"), UniqueConstraint("name", "hash"))

    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    hash: Mapped[str]
    created: Mapped[float]
    definition: Mapped[str]


class ExecutionModel(Base):
    """A run.

    Other tables refer to its `number`. `epoch` grows with each owner and fences off the owner before. `cancel_asked` is
    the reason of another process's request to cancel it. `notebook` is the file in which it was last started or
    resumed.
    """

    __tablename__ = "nbflow_executions"
    __table_args__ = (
        Index("nbflow_executions_by_start", "started"),
        Index("nbflow_executions_by_graph", "graph", "started"),
        Index("nbflow_executions_by_status", "status", "started"),
        {"sqlite_autoincrement": True},  # numbers are never reused, because the owner of a pruned run may still write
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    graph: Mapped[int] = mapped_column(ForeignKey("nbflow_graphs.number"))
    status: Mapped[str]
    started: Mapped[float]
    ended: Mapped[float | None]
    seconds: Mapped[float]
    epoch: Mapped[int]
    owner: Mapped[str | None]
    lease_until: Mapped[float]
    durability: Mapped[str]
    origin: Mapped[str | None]
    parent: Mapped[str | None]
    parent_seq: Mapped[int | None]
    error: Mapped[str | None]
    cancel_asked: Mapped[str | None]
    notebook: Mapped[str | None]


class ExecutionTextModel(Base):
    """The long texts of a run, as JSON, in a table apart from the row that the heartbeat updates."""

    __tablename__ = "nbflow_execution_texts"

    execution: Mapped[int] = mapped_column(ForeignKey("nbflow_executions.number"), primary_key=True)
    subgraphs: Mapped[str]
    initial: Mapped[str]
    result: Mapped[str | None]


class ExecutionLogModel(Base):
    """The event log of a run, one row an event; the last row of each commit has the number of completed nodes."""

    __tablename__ = "nbflow_log"
    # Without a rowid the rows are stored in the order of the key, in which they are read, with no second B-tree.
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - declarative reads it so

    execution: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    time: Mapped[float]
    node: Mapped[str | None]
    data: Mapped[str | None]
    nodes: Mapped[int | None]


class ExecutionToolModel(Base):
    """The versions of tools that a run used."""

    __tablename__ = "nbflow_tools"

    execution: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str | None]
    source: Mapped[str | None]


class ValueModel(Base):
    """A value, stored once under the hash of its content."""

    __tablename__ = "nbflow_values"

    hash: Mapped[str] = mapped_column(primary_key=True)
    codec: Mapped[str]
    data: Mapped[bytes]


class ValueUse(Base):
    """The use of a value by a run."""

    __tablename__ = "nbflow_value_uses"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - declarative reads it so

    execution: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(primary_key=True)


class CacheModel(Base):
    """A cached output, under the hash of its tool and inputs."""

    __tablename__ = "nbflow_cache"

    key: Mapped[str] = mapped_column(primary_key=True)
    tool: Mapped[str]
    created: Mapped[float]
    output: Mapped[str]


class CacheUse(Base):
    """The use of a value by a cached output."""

    __tablename__ = "nbflow_cache_uses"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - declarative reads it so

    key: Mapped[str] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(primary_key=True)
