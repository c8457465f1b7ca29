"""Render any Python value as bounded text, without trusting the value's own code.

Invariant: no more of a value is read than is shown. If the value's code raises, a note replaces the text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from nbflow.secrets import MASK, Redacted, covers, is_secret, mask
from nbflow.state import Unstored
from nbflow.view.text import TIMES, clean, line

FULL = 20_000
_LINES, _WIDTH = 6, 400
_DEPTH, _ITEMS, _INT_BITS = 6, 200, 4_000


def value(key: str, obj: Any) -> dict[str, Any]:
    """Return `{"key", "type", "size", "preview", "full"}`: `preview` has at most 6 lines, `full` 20 000 characters."""
    if covers(key, obj):
        obj = Redacted(key)
    full = render(obj, FULL)
    return {
        "key": line(key, 100),
        "type": type_of(obj),
        "size": size(obj),
        "preview": _head(full),
        "full": full,
    }


def type_of(obj: Any) -> str:
    """Return the displayed type of a value: its class's name, `secret` or `not stored`."""
    if type(obj) is Redacted:
        return "secret"
    return "not stored" if type(obj) is Unstored else line(type(obj).__name__, 60)


def size(obj: Any) -> str | None:
    """Return the size of a value, such as `500 items`, or None for values without a meaningful size."""
    return _guarded(lambda: _measured(obj))


def short(obj: Any, most: int = 16) -> str:
    """Return the value on one line of at most `most` characters."""
    if issubclass(type(obj), str):
        obj = mask(obj)
    shown = repr(str.__getitem__(obj, slice(0, 4 * most))) if issubclass(type(obj), str) else render(obj, 4 * most)
    return line(shown, most)


def render(obj: Any, most: int) -> str:
    """Return the value as text of at most `most` characters, nested values indented."""
    writer = _Writer(most)
    shown = _guarded(lambda: writer.show(obj, 0))
    if shown is None:
        shown = f"<{line(type(obj).__name__, 60)}: its repr failed>"
    text = clean(mask(shown)[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def _guarded(look: Callable[[], str | None]) -> str | None:
    try:
        return look()
    except Exception:  # noqa: BLE001 - a value's own code may raise anything, and must not break the view
        return None


def _head(text: str) -> str:
    lines = text[: 2 * _LINES * _WIDTH].split("\n")
    shown = [part if len(part) <= _WIDTH else part[: _WIDTH - 1] + "…" for part in lines[:_LINES]]
    if len(lines) > _LINES:
        shown[-1] = shown[-1][: _WIDTH - 2] + " …"
    return "\n".join(shown)


class _Writer:
    """Renders one value within a budget of characters."""

    def __init__(self, budget: int) -> None:
        self.budget = budget

    def show(self, obj: Any, depth: int) -> str:
        if self.budget <= 0:
            return "…"
        text = self._shown(obj, depth)
        if not isinstance(obj, list | tuple | set | frozenset | dict):
            self.budget -= len(text)
        return text

    def _shown(self, obj: Any, depth: int) -> str:
        if is_secret(obj):
            return MASK
        if isinstance(obj, str):
            obj = mask(obj)
            text = str.__getitem__(obj, slice(0, self.budget))
            return text if depth == 0 and text.strip() else repr(text) + ("…" if len(text) < str.__len__(obj) else "")
        if isinstance(obj, bytes | bytearray):
            return repr(bytes(obj[: self.budget // 2])) + ("…" if len(obj) > self.budget // 2 else "")
        if isinstance(obj, int) and not isinstance(obj, bool) and int.bit_length(obj) > _INT_BITS:
            return f"<int of {int.bit_length(obj)} bits>"
        if depth >= _DEPTH:
            return "…"
        return self._container(obj, depth) or self._other(obj, depth)

    def _container(self, obj: Any, depth: int) -> str | None:
        if isinstance(obj, dict):
            return self._braces("{", "}", self._pairs(obj, depth), len(obj), depth)
        if isinstance(obj, tuple) and hasattr(obj, "_fields"):
            pairs = self._fields(zip(obj._fields, obj, strict=False), depth)
            return self._braces(f"{type(obj).__name__}(", ")", pairs, len(obj), depth)
        if isinstance(obj, list | tuple | set | frozenset):
            left, right = {list: ("[", "]"), tuple: ("(", ")")}.get(type(obj), ("{", "}"))
            if not obj:
                return repr(obj) if type(obj) in (list, tuple, set, frozenset) else f"{type(obj).__name__}()"
            tail = ",)" if isinstance(obj, tuple) and len(obj) == 1 else right
            return self._braces(left, tail, (self.show(item, depth + 1) for item in obj), len(obj), depth)
        return None

    def _pairs(self, obj: Mapping[Any, Any], depth: int) -> Iterable[str]:
        return (f"{self.show(str(key) if isinstance(key, str) else key, depth + 1)}: {self._part(key, item, depth)}"
                for key, item in obj.items())  # fmt: skip

    def _fields(self, pairs: Iterable[tuple[str, Any]], depth: int) -> Iterable[str]:
        return (f"{name}={self._part(name, item, depth)}" for name, item in pairs)

    def _part(self, key: Any, item: Any, depth: int) -> str:
        return MASK if covers(key, item) else self.show(item, depth + 1)

    def _braces(self, left: str, right: str, items: Iterable[str], total: int, depth: int) -> str:
        shown: list[str] = []
        for text in islice(items, _ITEMS):
            shown.append(text)
            self.budget -= 2
            if self.budget <= 0:
                break
        if total > len(shown):
            shown.append(f"… {total - len(shown):,} more".replace(",", " "))
        flat = ", ".join(shown)
        if len(flat) <= 76 and "\n" not in flat:
            return f"{left}{flat}{right}"
        pad = "  " * (depth + 1)
        return f"{left}\n{pad}" + f",\n{pad}".join(shown) + f"\n{pad[2:]}{right}"

    def _other(self, obj: Any, depth: int) -> str:
        kind: Any = type(obj)
        if kind is Unstored:
            return f"was not stored: {obj.why}"
        home = (kind.__module__ or "").partition(".")[0]
        if home == "pandas" and hasattr(obj, "iloc"):
            return _frame(obj)
        if home == "numpy" and getattr(obj, "ndim", 0):
            return repr(obj) if obj.size <= 200 else repr(obj[tuple(slice(0, 4) for _ in obj.shape)]) + " …"
        fields = fields_of(obj)
        if fields is not None:
            return self._braces(f"{kind.__name__}(", ")", self._fields(fields.items(), depth), len(fields), depth)
        return repr(obj)


def _frame(obj: Any) -> str:
    head = obj.iloc[:8, :12] if getattr(obj, "ndim", 1) == 2 else obj.iloc[:8]
    shown: str = head.to_string(max_colwidth=40) if getattr(obj, "ndim", 1) == 2 else head.to_string()
    return shown + ("\n…" if len(obj) > 8 else "")


def fields_of(obj: Any) -> dict[str, Any] | None:
    """Return the fields of an object if its repr only lists them or shows its address; None for any other object."""
    if isinstance(obj, type):
        return None
    kind: Any = type(obj)
    if dataclasses.is_dataclass(obj) and hasattr(
        kind.__repr__, "__wrapped__"
    ):  # only the generated `__repr__` is wrapped
        return {f.name: getattr(obj, f.name) for f in dataclasses.fields(obj) if f.repr}
    if kind.__repr__ is object.__repr__:
        return {k: v for k, v in getattr(obj, "__dict__", {}).items() if not k.startswith("_")}
    if hasattr(kind, "model_fields") and (kind.__repr__.__module__ or "").startswith("pydantic"):
        return dict(obj.__dict__)
    return None


def _measured(obj: Any) -> str | None:
    if isinstance(obj, str | bytes | bytearray):
        return _bytes(len(obj)) if len(obj) > 200 else None
    shape = getattr(obj, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f" {TIMES} ".join(f"{int(n):,}".replace(",", " ") for n in shape)
    if isinstance(obj, list | tuple | set | frozenset | dict):
        return f"{len(obj):,} item{'' if len(obj) == 1 else 's'}".replace(",", " ")
    return None


def _bytes(count: int) -> str:
    if count < 1_000:
        return f"{count} B"
    return f"{count / 1_000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
