"""Which version a store is of, told without bringing it to another.

Rule: nothing is written; what is wrong with a store is for its opening to say.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from nbflow.store.logmarks import is_foreign
from nbflow.store.models import VERSION_TABLE
from nbflow.store.places import default_file


def version_of(url: str | None, folder: Path) -> str | None:
    """Return the number of the version, such as `1`; None for an empty store, or one that cannot be read. Blocks.

    `url` and `folder` are as of `Store.open`; a file must be there.
    """
    file = URL.create("sqlite+aiosqlite", database=str(default_file(folder)))
    return asyncio.run(_version_of(url or file))


async def _version_of(url: str | URL) -> str | None:
    try:
        engine = create_async_engine(url)
    except (SQLAlchemyError, ImportError):
        return None
    if engine.dialect.name == "sqlite" and is_foreign(Path(engine.url.database or "").absolute()):
        return None  # to read the two as one would make them one
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_number)
    except (SQLAlchemyError, OSError):
        return None
    finally:
        await engine.dispose()


def _number(connection: Connection) -> str | None:
    if VERSION_TABLE not in inspect(connection).get_table_names():
        return None
    version = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a constant
    return str(version).partition("_")[0] if version else None
