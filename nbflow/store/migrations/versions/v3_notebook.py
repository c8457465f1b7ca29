"""A run knows the notebook that it was started in."""

import sqlalchemy as sa
from alembic import op

revision = "3_0.1.0"
down_revision = "2_0.1.0"


def upgrade() -> None:
    """Add the column; the notebook of a run from before is not known."""
    op.add_column("nbflow_executions", sa.Column("notebook", sa.Text()))
