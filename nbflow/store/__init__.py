"""Graphs, runs, event logs and values in SQLite or PostgreSQL.

Importing this package loads no package of a database; opening the first store does.
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
