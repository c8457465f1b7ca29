"""What survives a run: graphs, runs, their logs and values, in SQLite or PostgreSQL.

Rule: importing this part stays light; the database's packages load with the first store that is opened.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow.store.store import Store as Store

__all__ = ["Store"]


def __getattr__(name: str) -> Any:
    if name != "Store":
        raise AttributeError(f"module 'nbflow.store' has no attribute {name!r}")
    from nbflow.store.store import Store

    return Store
