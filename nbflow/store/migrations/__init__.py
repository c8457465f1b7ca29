"""Versions of the schema: read the version of a store, compare it with this code's, and upgrade it.

Invariant: a released version is never edited. The id of a version has its number and the first nbflow that reads it,
so that an older nbflow can say which release it needs.

Alembic loads only for an upgrade: it takes long to import, and most stores are up to date.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from nbflow.errors import StoreError
from nbflow.errors.extras import UPGRADE
from nbflow.store.location import default_file
from nbflow.store.schema import SCHEMA, VERSION_TABLE
from nbflow.store.sqlite_guard import is_foreign

VERSIONS = [Path(__file__).parent / "versions"]
"""The folders with the scripts of the versions."""


def upgrade(connection: Connection, place: str) -> None:
    """Upgrade a store to the version of this code; do nothing if it has that version.

    Call it within a transaction that prevents other processes from upgrading the store at the same time. `place` names
    the store in errors.

    Raises:
        StoreError: A newer nbflow wrote the store.
    """
    if not is_current(connection, place):
        _run_alembic(connection)


def is_current(connection: Connection, place: str) -> bool:
    """Return whether a store has the version of this code; False for an older version and for an empty store.

    Raises:
        StoreError: A newer nbflow wrote the store.
    """
    version = _version(connection) or "0_"
    number, _, needs = version.partition("_")
    newest = SCHEMA.partition("_")[0]
    if int(number) > int(newest):
        raise StoreError(
            f"the store {place} has version {number}, which needs nbflow {needs} or newer, and this nbflow knows "
            f"versions up to {newest}; {UPGRADE}. The store was not changed"
        )
    return version == SCHEMA


def version_of(url: str | None, folder: Path) -> str | None:
    """Return the number of a store's version, such as `1`, without changing the store; blocks.

    Returns None for an empty store and for a store that cannot be read: opening it reports why. `url` and `folder` are
    those of `Store.open`; the file must exist.
    """
    file = URL.create("sqlite+aiosqlite", database=str(default_file(folder)))
    return asyncio.run(_version_of(url or file))


async def _version_of(url: str | URL) -> str | None:
    try:
        engine = create_async_engine(url)
    except (SQLAlchemyError, ImportError):
        return None
    if engine.dialect.name == "sqlite" and is_foreign(Path(engine.url.database or "").absolute()):
        return None  # reading the file with a log of another file would merge the two
    try:
        async with engine.connect() as connection:
            version = await connection.run_sync(_version)
    except (SQLAlchemyError, OSError):
        return None
    finally:
        await engine.dispose()
    return version.partition("_")[0] if version else None


def _version(connection: Connection) -> str | None:
    if VERSION_TABLE not in inspect(connection).get_table_names():
        return None
    version = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a constant
    return str(version) if version else None


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "nbflow.store:migrations")
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(folder).replace("%", "%%") for folder in VERSIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
