"""Previews of a node's values, for who looks at it while its run goes on.

Rule: what is looked at again is not rendered again, and what takes its time is not waited for.
"""

from __future__ import annotations

from typing import Any

from nbflow.view.patience import Patience
from nbflow.view.plain import line
from nbflow.view.preview import type_of, value

_VALUES, _KEPT = 40, 16


class Previews:
    """Makes previews, and keeps those of the last inputs and outputs that were looked at."""

    def __init__(self) -> None:
        self._patience = Patience()
        self._made: dict[int, tuple[Any, list[dict[str, Any]]]] = {}

    def of(self, held: Any) -> list[dict[str, Any]]:
        """Return the previews of a state's keys, or of the one value that is no mapping."""
        if held is None:
            return []
        made = self._made.pop(id(held), None) or (held, self._rendered(held))
        if self._patience.spent:
            return made[1]  # with less to wait for the next time, as what is slow is known by then
        self._made[id(held)] = made  # with the value itself, so that no other gets its id
        if len(self._made) > _KEPT:
            del self._made[next(iter(self._made))]
        return made[1]

    def _rendered(self, held: Any) -> list[dict[str, Any]]:
        self._patience.begin()
        if not isinstance(held, dict):
            return [self._one("", held)]
        return [self._one(str(key), held[key]) for key in list(held)[:_VALUES]]

    def _one(self, key: str, obj: Any) -> dict[str, Any]:
        def unseen(why: str) -> dict[str, Any]:
            return {"key": line(key, 100), "type": type_of(obj), "size": None, "preview": why, "full": why}

        return self._patience.look(obj, lambda seen: value(key, seen), unseen)
