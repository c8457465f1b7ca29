"""The store that a command uses: the one that the environment names, else `.nbflow/` in the working directory.

Invariant: a command that reads creates no store, and deletes nothing from one.
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
    """Return the URL of the existing store; None for the file in the working directory.

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
    """Open the existing store, and close it at the end.

    The session's store prunes old runs by the settings, and these commands must show all runs.

    Raises:
        StoreError: There is none, or it cannot be opened.
    """
    from nbflow.store import Store

    store = Store.open(store_url())
    try:
        yield store
    finally:
        store.close()
