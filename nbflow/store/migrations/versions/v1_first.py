"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "1_0.1.0"
down_revision = None

TEXT, FLOAT, INT = sa.Text(), sa.Float(53), sa.Integer()


def upgrade() -> None:
    """Make the tables."""
    _graphs_and_runs()
    _log_and_tools()
    _values_and_cache()


def _graphs_and_runs() -> None:
    op.create_table(
        "nbflow_graphs",
        sa.Column("number", INT, primary_key=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", INT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("created", FLOAT, nullable=False),
        sa.Column("definition", TEXT, nullable=False),
        sa.UniqueConstraint("name", "version"),
        sa.UniqueConstraint("name", "hash"),
    )
    op.create_table(
        "nbflow_executions",
        sa.Column("number", INT, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("graph", INT, sa.ForeignKey("nbflow_graphs.number"), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("started", FLOAT, nullable=False),
        sa.Column("ended", FLOAT),
        sa.Column("seconds", FLOAT, nullable=False),
        sa.Column("epoch", INT, nullable=False),
        sa.Column("owner", TEXT),
        sa.Column("lease_until", FLOAT, nullable=False),
        sa.Column("durability", TEXT, nullable=False),
        sa.Column("origin", TEXT),
        sa.Column("parent", TEXT),
        sa.Column("parent_seq", INT),
        sa.Column("error", TEXT),
        sqlite_autoincrement=True,
    )
    op.create_index("nbflow_executions_by_start", "nbflow_executions", ["started"])
    op.create_index("nbflow_executions_by_graph", "nbflow_executions", ["graph", "started"])
    op.create_index("nbflow_executions_by_status", "nbflow_executions", ["status", "started"])
    op.create_table(
        "nbflow_execution_texts",
        sa.Column("execution", INT, sa.ForeignKey("nbflow_executions.number"), primary_key=True),
        sa.Column("subgraphs", TEXT, nullable=False),
        sa.Column("initial", TEXT, nullable=False),
        sa.Column("result", TEXT),
    )


def _log_and_tools() -> None:
    op.create_table(
        "nbflow_log",
        sa.Column("execution", INT, primary_key=True, autoincrement=False),
        sa.Column("seq", INT, primary_key=True, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("time", FLOAT, nullable=False),
        sa.Column("node", TEXT),
        sa.Column("data", TEXT),
        sa.Column("nodes", INT),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "nbflow_tools",
        sa.Column("execution", INT, primary_key=True, autoincrement=False),
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("version", INT, primary_key=True, autoincrement=False),
        sa.Column("hash", TEXT),
        sa.Column("source", TEXT),
    )


def _values_and_cache() -> None:
    op.create_table(
        "nbflow_values",
        sa.Column("hash", TEXT, primary_key=True),
        sa.Column("codec", TEXT, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "nbflow_value_uses",
        sa.Column("execution", INT, primary_key=True, autoincrement=False),
        sa.Column("hash", TEXT, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "nbflow_cache",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("tool", TEXT, nullable=False),
        sa.Column("created", FLOAT, nullable=False),
        sa.Column("output", TEXT, nullable=False),
    )
    op.create_table(
        "nbflow_cache_uses",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("hash", TEXT, primary_key=True),
        sqlite_with_rowid=False,
    )
