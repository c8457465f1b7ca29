"""Which store a command works on: the one that the environment names, else `.nbflow/` in the folder of work.

Rule: looking never makes a store, and never takes anything from it but what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbflow.errors import StoreError
from nbflow.settings import settings
from nbflow.store.location import FOLDER, SQLITE, default_file, file_in, parsed

if TYPE_CHECKING:
    from nbflow.store import Store


def store_url() -> str | None:
    """Return the URL of the store that is there; None for the file in the folder of work.

    Raises:
        StoreError: There is none.
    """
    chosen = settings().database_url
    if chosen is None:
        if not default_file(None).is_file():
            raise StoreError(
                f"there is no store in {FOLDER} here; it lies beside the notebook or file that was run: change to that "
                "folder, or name a store by NBFLOW_DATABASE_URL"
            )
        return None
    read = parsed(chosen)
    file = file_in(read)
    if file is None and read.drivername == SQLITE:
        raise StoreError("NBFLOW_DATABASE_URL names a store in memory, which no other process can look into")
    if file is not None and not file.is_file():
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
