"""Looking at values whose own code may take its time, without waiting for it.

Rule: a look that is not over in time is left alone, and its kind of value is not looked at again by the same looker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

from nbflow.view.plain import line

T = TypeVar("T")
_KEPT = 64
_PLAIN = (str, int, float, bool, bytes, type(None))


class Patience:
    """Waits `each` seconds at most for one look, `whole` for all of them since `begin`."""

    def __init__(self, each: float = 0.2, whole: float = 0.5) -> None:
        self._each, self._whole, self._left = each, whole, whole
        self._slow: dict[Any, Any] = {}

    def begin(self) -> None:
        """Begin a new round of looks."""
        self._left = self._whole

    @property
    def spent(self) -> bool:
        """Whether the time of this round is over, so that what is slow and what is not looks the same."""
        return self._left <= 0

    def look(self, obj: Any, how: Callable[[Any], T], otherwise: Callable[[str], T]) -> T:
        """Return how the value looks, or `otherwise` of why it was not looked at."""
        kind = type(obj)
        if kind in _PLAIN:
            return how(obj)
        # A list is slow by what is in it: it is remembered by itself, not by its kind.
        mark = id(obj) if kind.__module__ == "builtins" else kind
        if mark in self._slow or self.spent:
            return otherwise(f"<{line(kind.__name__, 60)}: takes too long to show>")
        seen: list[T] = []
        if self._over(lambda: seen.append(how(obj))):
            return seen[0] if seen else otherwise(f"<{line(kind.__name__, 60)}: cannot be shown>")
        self._left -= self._each
        self._slow[mark] = obj  # kept, so that no other object gets its id
        if len(self._slow) > _KEPT:
            del self._slow[next(iter(self._slow))]
        return otherwise(f"<{line(kind.__name__, 60)}: takes too long to show>")

    def _over(self, act: Callable[[], None]) -> bool:
        thread = Thread(target=_quietly, args=(act,), name="nbflow-look", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # where there are no threads, there is no way not to wait
            _quietly(act)
            return True
        thread.join(self._each)
        return not thread.is_alive()


def _quietly(act: Callable[[], None]) -> None:
    with contextlib.suppress(BaseException):  # a value's own code may raise anything, and must never spoil the view
        act()
