"""The script that Alembic runs: it uses the connection that it is given, and the transaction that this one is in."""

from alembic import context

from nbflow.store.schema import VERSION_TABLE, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's too is, under a BEGIN of one's own
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
