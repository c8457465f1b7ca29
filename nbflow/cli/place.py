"""Which store a command works on: the one that the environment names, else `.nbflow/` in the folder of work.

Rule: looking never makes a store, and never takes anything from it but what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nbflow.errors import StoreError
from nbflow.settings import settings
from nbflow.store.places import FOLDER, default_file

if TYPE_CHECKING:
    from nbflow.store import Store


def store_url() -> str | None:
    """Return the URL of the store that is there; None for the file in the folder of work.

    Raises:
        StoreError: There is none.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    chosen = settings().database_url
    if chosen is None:
        if not default_file(None).is_file():
            raise StoreError(
                f"there is no store in {FOLDER} here; it lies beside the notebook or file that was run: change to that "
                "folder, or name a store by NBFLOW_DATABASE_URL"
            )
        return None
    try:
        parsed = make_url(chosen)
    except ArgumentError:
        return chosen  # opening it says what is wrong
    file = parsed.database if parsed.get_backend_name() == "sqlite" else None
    if file and file != ":memory:" and not Path(file).is_file():
        raise StoreError(f"there is no store {file}, which NBFLOW_DATABASE_URL names")
    return chosen


@contextmanager
def opened() -> Iterator[Store]:
    """Give the store that is there, and close it.

    Not the session's: that one prunes as the settings say, and these commands are to show what there is.

    Raises:
        StoreError: There is none, or it cannot be opened.
    """
    from nbflow.store import Store

    store = Store.open(store_url())
    try:
        yield store
    finally:
        store.close()
