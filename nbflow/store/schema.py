"""The tables of a store.

Rule: a commit of a run only adds rows to its log, and rewrites nothing; so how far a run is stands in the last of them.
Names begin with `nbflow_`: a PostgreSQL database has other tenants.
"""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "3_0.1.0"
"""The version that this code writes: its number, and the first nbflow that reads it."""
VERSION_TABLE = "nbflow_version"


class Base(DeclarativeBase):
    """What all tables share: a text is a text without a length, a float has 8 bytes."""

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
    """A run. `number` stands for it in other tables; `epoch` grows with each owner, and fences off the one before.

    `cancel_asked` is why its owner is to stop it, written by another process; `notebook` is the notebook file that the
    run was last started or resumed in.
    """

    __tablename__ = "nbflow_executions"
    __table_args__ = (
        Index("nbflow_executions_by_start", "started"),
        Index("nbflow_executions_by_graph", "graph", "started"),
        Index("nbflow_executions_by_status", "status", "started"),
        {"sqlite_autoincrement": True},  # a number is never used again, as one that was pruned may still write
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
    """The long texts of a run, as JSON, apart from what the heartbeat rewrites every few seconds."""

    __tablename__ = "nbflow_execution_texts"

    execution: Mapped[int] = mapped_column(ForeignKey("nbflow_executions.number"), primary_key=True)
    subgraphs: Mapped[str]
    initial: Mapped[str]
    result: Mapped[str | None]


class ExecutionLogModel(Base):
    """What happened in a run, a row an event; the last row of a commit tells how many nodes completed until then."""

    __tablename__ = "nbflow_log"
    # Rows lie in the order in which they are read, with no second tree for the key.
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
    """A value, once under its content's hash."""

    __tablename__ = "nbflow_values"

    hash: Mapped[str] = mapped_column(primary_key=True)
    codec: Mapped[str]
    data: Mapped[bytes]


class ValueUse(Base):
    """A run needs a value."""

    __tablename__ = "nbflow_value_uses"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - declarative reads it so

    execution: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(primary_key=True)


class CacheModel(Base):
    """An output to be used again, under the key of its tool's source and inputs."""

    __tablename__ = "nbflow_cache"

    key: Mapped[str] = mapped_column(primary_key=True)
    tool: Mapped[str]
    created: Mapped[float]
    output: Mapped[str]


class CacheUse(Base):
    """A cached output needs a value."""

    __tablename__ = "nbflow_cache_uses"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - declarative reads it so

    key: Mapped[str] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(primary_key=True)
