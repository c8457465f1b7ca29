"""Render values with a time limit, since their own code (`__repr__`, properties) may take arbitrarily long.

Each value is rendered in a thread. One that exceeds the limit is abandoned, as a thread cannot be stopped, and a
placeholder is shown. Values of its type (of a built-in container, that object) are then not rendered again, so that at
most one thread per type hangs. `Previews` caches what was rendered, for an inspector that stays open.

Invariant: the caller waits no longer than the limits, even if a value's code never returns.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

from nbflow.view.text import line
from nbflow.view.values.preview import type_of, value

T = TypeVar("T")
_REMEMBERED = 64
_PLAIN = (str, int, float, bool, bytes, type(None))


class TimeLimit:
    """A time limit of `each` seconds for one value, and of `whole` seconds for all values of a round."""

    def __init__(self, each: float = 0.2, whole: float = 0.5) -> None:
        self._each, self._whole, self._left = each, whole, whole
        self._slow: dict[Any, Any] = {}

    def start_round(self) -> None:
        """Start a new round: the limit for all values starts again."""
        self._left = self._whole

    @property
    def spent(self) -> bool:
        """True once the time of this round is used up: no more values are rendered, slow or not."""
        return self._left <= 0

    def render(self, obj: Any, how: Callable[[Any], T], otherwise: Callable[[str], T]) -> T:
        """Return `how(obj)`, or `otherwise(reason)` if that takes too long or raises.

        Args:
            obj: The value.
            how: Renders the value.
            otherwise: Makes the placeholder from a short text that says why the value is not shown.
        """
        kind = type(obj)
        if kind in _PLAIN:
            return how(obj)
        # A list is slow because of its items, so the list itself is remembered and not its type.
        mark = id(obj) if kind.__module__ == "builtins" else kind
        if mark in self._slow or self.spent:
            return otherwise(f"<{line(kind.__name__, 60)}: takes too long to show>")
        seen: list[T] = []
        if self._finishes(lambda: seen.append(how(obj))):
            return seen[0] if seen else otherwise(f"<{line(kind.__name__, 60)}: cannot be shown>")
        self._left -= self._each
        self._slow[mark] = obj  # retained, so that no other object gets its id
        if len(self._slow) > _REMEMBERED:
            del self._slow[next(iter(self._slow))]
        return otherwise(f"<{line(kind.__name__, 60)}: takes too long to show>")

    def _finishes(self, act: Callable[[], None]) -> bool:
        thread = Thread(target=_quietly, args=(act,), name="nbflow-look", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no threads on this platform (WebAssembly): render without a limit
            _quietly(act)
            return True
        thread.join(self._each)
        return not thread.is_alive()


def _quietly(act: Callable[[], None]) -> None:
    with contextlib.suppress(BaseException):  # a value's own code may raise anything, and must not break the view
        act()


# Previews of a node's input and output, cached for an inspector that stays open while the run continues.
#
# Invariant: a value is rendered once while it stays in the cache, and one that renders slowly is not waited for.

_VALUES, _CACHE_SIZE = 40, 16


class Previews:
    """Renders previews, and retains those of the last 16 inputs and outputs."""

    def __init__(self) -> None:
        self._limit = TimeLimit()
        self._made: dict[int, tuple[Any, list[dict[str, Any]]]] = {}

    def of(self, values: Any) -> list[dict[str, Any]]:
        """Return the previews of a dict's first 40 keys, or one preview of a value that is not a dict; none of None."""
        if values is None:
            return []
        made = self._made.pop(id(values), None) or (values, self._rendered(values))
        if self._limit.spent:
            return made[1]  # not cached: by the next request the slow types are known, and the rest can be rendered
        self._made[id(values)] = made  # with the object itself, so that no other object gets its id
        if len(self._made) > _CACHE_SIZE:
            del self._made[next(iter(self._made))]
        return made[1]

    def _rendered(self, values: Any) -> list[dict[str, Any]]:
        self._limit.start_round()
        if not isinstance(values, dict):
            return [self._one("", values)]
        return [self._one(str(key), values[key]) for key in list(values)[:_VALUES]]

    def _one(self, key: str, obj: Any) -> dict[str, Any]:
        def unseen(why: str) -> dict[str, Any]:
            return {"key": line(key, 100), "type": type_of(obj), "size": None, "preview": why, "full": why}

        return self._limit.render(obj, lambda seen: value(key, seen), unseen)
