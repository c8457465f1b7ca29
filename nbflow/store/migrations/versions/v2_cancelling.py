"""A run can be asked to stop by another process."""

import sqlalchemy as sa
from alembic import op

revision = "2_0.1.0"
down_revision = "1_0.1.0"


def upgrade() -> None:
    """Add where that is written down."""
    op.add_column("nbflow_executions", sa.Column("cancel_asked", sa.Text()))
