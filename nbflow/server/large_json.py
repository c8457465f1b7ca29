"""Read and measure large JSON in pieces, so that other threads get their turn.

`json.loads` and `json.dumps` are calls of C that do not release the interpreter lock: one call on 4 MB of small arrays
takes up to 0.5 s, and the event loop waits meanwhile, even where a thread makes the call. Here each call of C gets
about `PIECE` bytes, which take at most 5 ms. Python code runs between the calls, and there the lock can change hands.

The reader finds the ends of pieces by two means. A regular expression matches a run of flat items (scalars, and
containers of scalars), which one call reads. Any other container is tried in a window of `PIECE` characters: a call
that reads it there has read all of it, as a container ends with its bracket; a call that fails has met the end of the
window, and the items of the container are read one by one.

Invariant: the reader returns what `json.loads` returns, and refuses what it refuses; `size` counts what `json.dumps`
writes. Both refuse a nesting beyond about 450 levels by RecursionError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LARGE = 50_000
"""The bytes from which on JSON is read and measured in pieces; below, one call of C takes at most some milliseconds."""
PIECE = 20_000
_MOST_FAILED = 500
"""Windows that may fail in one text. Each costs a call of C in vain, which deep nesting would multiply."""
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_INNER = rf'[^"\[\]{{}}]*(?:{_TEXT}[^"\[\]{{}}]*)*'
_FLAT = rf'(?:{_TEXT}|[^\s"\[\]{{}},:]+|\[{_INNER}\]|\{{{_INNER}\}})'
_ITEMS = re.compile(rf"(?:\s*{_FLAT}\s*,)+", re.DOTALL)
_PAIRS = re.compile(rf"(?:\s*{_TEXT}\s*:\s*{_FLAT}\s*,)+", re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*")
_ATOMS = frozenset({str, int, float, bool, type(None)})
_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text; in pieces if it is large.

    Raises:
        JSONDecodeError: The text is not JSON.
        ValueError: A number has more digits than Python reads, or the bytes are not text.
        RecursionError: The value is nested too deeply.
    """
    if len(body) <= LARGE:
        return json.loads(body)
    return _Reader(body.decode(json.detect_encoding(body), "surrogatepass")).read()


class _Reader:
    """Reads one text. Each method takes the position of a value and returns the value and the position after it."""

    def __init__(self, text: str) -> None:
        self._text, self._scan = text, json.JSONDecoder().raw_decode
        self._may_fail = _MOST_FAILED

    def read(self) -> Any:
        value, end = self._value(self._after_space(0))
        if self._after_space(end) != len(self._text):
            raise self._error("Extra data", self._after_space(end))
        return value

    def _value(self, at: int) -> tuple[Any, int]:
        opening = self._text[at : at + 1]
        if opening not in ("[", "{"):
            return self._scan(self._text, at)
        if self._may_fail:
            try:
                value, end = self._scan(self._text[at : at + PIECE])
            except ValueError:
                self._may_fail -= 1
            else:
                return value, at + end
        return self._array(at) if opening == "[" else self._object(at)

    def _array(self, at: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        at = self._after_space(at + 1)
        if self._text[at : at + 1] == "]":
            return items, at + 1
        while True:
            batch, at = self._batch(_ITEMS, "[]", at)
            items += batch
            item, at = self._value(self._after_space(at))
            items.append(item)
            is_last, at = self._separator("]", at)
            if is_last:
                return items, at

    def _object(self, at: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        at = self._after_space(at + 1)
        if self._text[at : at + 1] == "}":
            return values, at + 1
        while True:
            batch, at = self._batch(_PAIRS, "{}", at)
            values.update(batch)
            key, at = self._key(self._after_space(at))
            values[key], at = self._value(self._after_space(at))
            is_last, at = self._separator("}", at)
            if is_last:
                return values, at

    def _batch(self, flat: re.Pattern[str], brackets: str, at: int) -> tuple[Any, int]:
        """Return the flat items from a position on, in an array or object; the last item follows their last comma."""
        found = flat.match(self._text, at, at + PIECE)
        end = at if found is None else found.end()
        try:
            return json.loads(brackets[0] + self._text[at : max(at, end - 1)] + brackets[1]), end
        except json.JSONDecodeError as error:
            raise self._error(error.msg, at + error.pos - 1) from None

    def _key(self, at: int) -> tuple[str, int]:
        if self._text[at : at + 1] != '"':
            raise self._error("Expecting property name enclosed in double quotes", at)
        key, at = self._scan(self._text, at)
        at = self._after_space(at)
        if self._text[at : at + 1] != ":":
            raise self._error("Expecting ':' delimiter", at)
        return key, at + 1

    def _separator(self, closing: str, at: int) -> tuple[bool, int]:
        at = self._after_space(at)
        sign = self._text[at : at + 1]
        if sign not in (closing, ",") or not sign:
            raise self._error("Expecting ',' delimiter", at)
        return sign == closing, at + 1

    def _after_space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return at if found is None else found.end()

    def _error(self, message: str, at: int) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._text, at)


def is_large(data: Any) -> bool:
    """Return whether JSON data has about `LARGE` bytes or more; the look at it is bounded."""
    left, waiting = LARGE, [data]
    while waiting and left > 0:
        value = waiting.pop()
        if type(value) is str:
            left -= len(value)
        elif type(value) is dict:
            left -= 10 * len(value) + sum(map(len, value)) if len(value) < LARGE else LARGE
            waiting += value.values() if left > 0 else ()
        elif type(value) is list:
            left -= 5 * len(value)
            waiting += value if left > 0 else ()
        elif type(value) is int:
            left -= 5 + value.bit_length() // 4
        else:
            left -= 5
    return left <= 0


def size(data: Any, check: Callable[[str], None]) -> int:
    """Return the bytes of JSON data as `json.dumps` writes it; `check` gets each text that was written, in any order.

    Raises:
        ValueError: A number is not finite.
        UnicodeEncodeError: A text holds half a surrogate pair.
        RecursionError: The data is nested too deeply.
    """
    measure = _Measure(check)
    if is_large(data):
        measure.add(data)
    else:
        measure.add_at_once(data)
    return measure.size


class _Measure:
    """Adds up the sizes of values; of items in a container the order does not matter."""

    def __init__(self, check: Callable[[str], None]) -> None:
        self.size, self._check = 0, check

    def add_at_once(self, data: Any) -> None:
        text = _write(data)
        self._check(text)
        self.size += len(text) if text.isascii() else len(text.encode())

    def add(self, data: Any) -> None:
        if type(data) is list:
            self._add_items(data)
        elif type(data) is dict:
            self._add_pairs(data)
        else:
            self.add_at_once(data)

    def _add_items(self, items: Sequence[Any]) -> None:
        self.size += 2 + max(0, len(items) - 1)
        batch: list[Any] = []
        weight = 0
        for item in items:
            if (more := _weight_of(item)) is None:
                self.add(item)
                continue
            batch.append(item)
            weight += more
            if weight > PIECE:
                self._flush(batch)
                batch, weight = [], 0
        self._flush(batch)

    def _add_pairs(self, values: Mapping[str, Any]) -> None:
        self.size += len(values)  # the colons
        self._add_items([*values, *values.values()])
        self.size -= len(values)  # what was counted as commas between keys and values

    def _flush(self, batch: list[Any]) -> None:
        if batch:
            self.add_at_once(batch)
            self.size -= 2 + len(batch) - 1  # its brackets and commas, which were counted


def _weight_of(item: Any) -> int | None:
    """Return about the bytes of a scalar, or of a small container of scalars; None for any other value."""
    if type(item) is str:
        return len(item) + 3
    if type(item) in _ATOMS:
        return 20
    parts: Any = item.values() if type(item) is dict else item
    if len(item) > 50 or not _ATOMS.issuperset(map(type, parts)):
        return None
    texts = sum(len(part) for part in parts if type(part) is str) + (sum(map(len, item)) if type(item) is dict else 0)
    return texts + 20 * len(item) + 2
