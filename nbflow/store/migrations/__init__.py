"""The versions of the schema, and the way from each to the next.

Rule: a version that was released is never edited. Its id tells its number and the first nbflow that reads it, so that
an older one can say what it lacks.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

VERSIONS = [Path(__file__).parent / "versions"]
"""The folders of versions."""


def upgrade(connection: Connection) -> None:
    """Bring a store to the newest version, within the transaction that the connection is in."""
    config = Config()
    config.set_main_option("script_location", "nbflow.store:migrations")
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(folder).replace("%", "%%") for folder in VERSIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
