"""Previews of a node's input and output, cached for an inspector that stays open while the run continues.

Invariant: a value is rendered once while it stays in the cache, and one that renders slowly is not waited for.
"""

from __future__ import annotations

from typing import Any

from nbflow.view.patience import Patience
from nbflow.view.plain import line
from nbflow.view.preview import type_of, value

_VALUES, _CACHE_SIZE = 40, 16


class Previews:
    """Renders previews, and retains those of the last 16 inputs and outputs."""

    def __init__(self) -> None:
        self._patience = Patience()
        self._made: dict[int, tuple[Any, list[dict[str, Any]]]] = {}

    def of(self, values: Any) -> list[dict[str, Any]]:
        """Return the previews of a dict's first 40 keys, or one preview of a value that is no dict; none of None."""
        if values is None:
            return []
        made = self._made.pop(id(values), None) or (values, self._rendered(values))
        if self._patience.spent:
            return made[1]  # not cached: by the next request the slow types are known, and the rest can be rendered
        self._made[id(values)] = made  # with the object itself, so that no other object gets its id
        if len(self._made) > _CACHE_SIZE:
            del self._made[next(iter(self._made))]
        return made[1]

    def _rendered(self, values: Any) -> list[dict[str, Any]]:
        self._patience.begin()
        if not isinstance(values, dict):
            return [self._one("", values)]
        return [self._one(str(key), values[key]) for key in list(values)[:_VALUES]]

    def _one(self, key: str, obj: Any) -> dict[str, Any]:
        def unseen(why: str) -> dict[str, Any]:
            return {"key": line(key, 100), "type": type_of(obj), "size": None, "preview": why, "full": why}

        return self._patience.look(obj, lambda seen: value(key, seen), unseen)
