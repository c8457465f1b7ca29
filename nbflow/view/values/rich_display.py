"""Render one value in its natural form: a frame as a table, an image as an image, a nested value as a tree, else text.

Invariant: no library is imported that the user has not loaded, and no more of the value is read than is shown. A value
that cannot be rendered in its form is rendered as text.
"""

from __future__ import annotations

import base64
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from typing import Any

from nbflow.secrets import MASK, Redacted, covered, covers, is_secret, mask
from nbflow.state import Unstored
from nbflow.view.text import counted, line
from nbflow.view.values.optional_types import is_a
from nbflow.view.values.preview import FULL, fields_of, render, short, size, type_of

# -- tables ------------------------------------------------------------------------------------------------------------
#
# A page has at most `ROWS` rows and `COLUMNS` columns; a cell is one short line, or None for a missing value.

ROWS, COLUMNS = 50, 20
_NAME, _CELL = 60, 80
_FLAT = (str, int, float, bool, type(None))
_ARROW = ("Table", "RecordBatch")
_NOTHING = ("NaTType", "NAType")


def table(obj: Any, start: int = 0) -> dict[str, Any] | None:
    """Return `{"kind": "table", "columns", "rows", "index", "from", "shape"}`, or None for a value that is not a table.

    `index` is True if the first column is the index of the rows; `from` is the number of the first row; `shape` is
    `[rows, columns]` of the whole value.
    """
    for look in (_pandas, _polars, _arrow, _numpy, _records):
        found: dict[str, Any] | None = look(obj, max(0, start))
        if found is not None:
            return found
    return None


def columns(obj: Any) -> list[str] | None:
    """Return the names of a frame's first 20 columns, or None for a value that is not a frame."""
    if is_a(obj, "pandas", "DataFrame") or is_a(obj, "polars", "DataFrame"):
        return [_name(name) for name in obj.columns[:COLUMNS]]
    return [_name(name) for name in obj.schema.names[:COLUMNS]] if is_a(obj, "pyarrow", *_ARROW) else None


def _name(name: Any) -> str:
    return line(name, _NAME) if isinstance(name, str) else short(name, _NAME)


def _page(names: Iterable[Any], rows: Iterable[Iterable[Any]], start: int, shape: Sequence[int], index: bool) -> Any:
    named = [*names]
    return {
        "kind": "table",
        "columns": [_name(name) for name in named],
        "rows": [[_named_cell(*pair) for pair in zip(named, row, strict=False)] for row in rows],
        "index": index,
        "from": start,
        "shape": [int(shape[0]), int(shape[1])],
    }


def _named_cell(name: Any, value: Any) -> str | None:
    return MASK if covers(name, value) else _cell(value)


def _cell(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and value != value) or type(value).__name__ in _NOTHING:
        return None
    if isinstance(value, str):
        return line(str.__getitem__(mask(value), slice(0, 4 * _CELL)), _CELL)
    return short(value, _CELL)


def _pandas(obj: Any, start: int) -> Any:
    if is_a(obj, "pandas", "Series"):
        obj = obj.iloc[start : start + ROWS].to_frame() if len(obj) > ROWS else obj.to_frame()
    if not is_a(obj, "pandas", "DataFrame"):
        return None
    page = obj.iloc[start : start + ROWS, :COLUMNS]
    return _page(["", *page.columns], page.itertuples(name=None), start, obj.shape, True)


def _polars(obj: Any, start: int) -> Any:
    if is_a(obj, "polars", "Series"):
        obj = obj.to_frame()
    if not is_a(obj, "polars", "DataFrame"):
        return None
    names = obj.columns[:COLUMNS]
    return _page(names, obj.select(names).slice(start, ROWS).rows() if names else [], start, obj.shape, False)


def _arrow(obj: Any, start: int) -> Any:
    if not is_a(obj, "pyarrow", *_ARROW):
        return None
    page = obj.slice(start, ROWS)
    values = [page.column(at).to_pylist() for at in range(min(COLUMNS, obj.num_columns))]
    shape = (obj.num_rows, obj.num_columns)
    return _page(obj.schema.names[:COLUMNS], zip(*values, strict=True), start, shape, False)


def _numpy(obj: Any, start: int) -> Any:
    if not is_a(obj, "numpy", "ndarray") or obj.ndim != 2 or not obj.size:
        return None
    page = obj[start : start + ROWS, :COLUMNS].tolist()
    names = [str(at) for at in range(min(COLUMNS, obj.shape[1]))]
    return _page(["", *names], ([start + at, *row] for at, row in enumerate(page)), start, obj.shape, True)


def _records(obj: Any, start: int) -> Any:
    """Return the table of a list of flat dicts; only the first row and those of the page are checked to be that."""
    if type(obj) is not list or not obj:
        return None
    page = obj[start : start + ROWS]
    if not all(type(row) is dict and row and all(_flat(*pair) for pair in row.items()) for row in (obj[0], *page)):
        return None
    names = list(dict.fromkeys(name for row in page for name in row))
    rows = ([start + at, *(row.get(name) for name in names[:COLUMNS])] for at, row in enumerate(page))
    return _page(["", *names[:COLUMNS]], rows, start, (len(obj), len(names)), True)


def _flat(name: Any, value: Any) -> bool:
    return type(name) is str and type(value) in _FLAT


# Convert a nested value to a tree of short lines.
#
# Invariant: a tree has at most 400 lines, 8 levels, and 100 items in one node. A value that contains itself is marked
# as such and not followed.

_LINES, _DEEP, _ITEMS, _WIDTH, _ONE_LINE = 400, 8, 100, 160, 80


def tree(obj: Any, start: int = 0) -> dict[str, Any] | None:
    """Return `{"kind": "tree", "root": node}`, or None for a value that has no parts or fits on one line.

    A node is `[label, text, children or None, number of children left out]`.
    """
    if next(_inside(obj), None) is None or len(render(obj, 2 * _ONE_LINE)) <= _ONE_LINE:
        return None
    return {"kind": "tree", "root": _Builder().node("", obj, 0)}


def _inside(obj: Any) -> Iterator[tuple[str, Any]]:
    """Return an iterator over the parts of a value with their labels."""
    if isinstance(obj, Mapping):
        return ((_label(key), Redacted(key) if covers(key, value) else value) for key, value in obj.items())
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        return iter(covered(dict(zip(map(str, obj._fields), obj, strict=False))).items())
    if isinstance(obj, list | tuple | set | frozenset):
        return ((str(at), value) for at, value in enumerate(obj))
    return iter(covered({} if is_secret(obj) else fields_of(obj) or {}).items())


def _label(key: Any) -> str:
    return line(key, 60) if isinstance(key, str) else short(key, 60)


def _count(obj: Any) -> int:
    return len(obj) if isinstance(obj, Mapping | list | tuple | set | frozenset) else len(fields_of(obj) or {})


class _Builder:
    """Builds the nodes of one tree; `_above` are the ids of the values around the current one."""

    def __init__(self) -> None:
        self._left = _LINES
        self._above: list[int] = []

    def node(self, label: str, obj: Any, deep: int) -> list[Any]:
        self._left -= 1
        if id(obj) in self._above:
            return [label, "contains itself", None, 0]
        children: list[list[Any]] = []
        if deep < _DEEP:
            self._above.append(id(obj))
            children = [self.node(line(name, 60), part, deep + 1) for name, part in self._some(obj)]
            self._above.pop()
        if not children:
            return [label, short(obj, _WIDTH), None, 0]
        return [label, _head(obj), children, max(0, _count(obj) - len(children))]

    def _some(self, obj: Any) -> Iterator[tuple[str, Any]]:
        """Yield the parts of a value until the tree has its most lines."""
        for part in islice(_inside(obj), _ITEMS):
            if self._left <= 0:
                return
            yield part


def _head(obj: Any) -> str:
    return f"{line(type(obj).__name__, 60)}, {counted(_count(obj), 'item')}"


# Convert values that are pictures to PNG or JPEG for the page.
#
# Invariant: a picture has at most 2 MB, and at most 900 pixels on a side if it was scaled here; an encoded one that
# fits is sent unchanged up to 3 600 pixels. A picture that cannot be made smaller is not sent.

SIDE, BYTES = 900, 2_000_000
_PIXELS = 64_000_000  # larger pictures are not even scaled: decoding them takes too long
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PLAIN_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")


def image(obj: Any, start: int = 0) -> dict[str, Any] | None:
    """Return `{"kind": "image", "mime", "data" (base64), "width", "height"}`, or None if a value is not a picture.

    `width` and `height` are those of the value before scaling, in pixels.
    """
    if isinstance(obj, bytes | bytearray):
        return _encoded(obj)
    if is_a(obj, "PIL.Image", "Image"):
        return _pil(obj)
    return _figure(obj) if is_a(obj, "matplotlib.figure", "Figure") else None


def _sent(mime: str, data: bytes, width: int, height: int) -> dict[str, Any]:
    text = base64.b64encode(data).decode("ascii")
    return {"kind": "image", "mime": mime, "data": text, "width": width, "height": height}


def _encoded(data: bytes | bytearray) -> dict[str, Any] | None:
    head = bytes(data[:32])
    mime = "image/png" if head.startswith(_PNG) else "image/jpeg" if head.startswith(_JPEG) else None
    found = None if mime is None else _png_size(head) if mime == "image/png" else _jpeg_size(data)
    if mime is None or found is None or found[0] * found[1] > _PIXELS:
        return None
    if len(data) <= BYTES and max(found) <= 4 * SIDE:
        return _sent(mime, bytes(data), *found)
    pil = sys.modules.get("PIL.Image")
    return None if pil is None else _pil(pil.open(BytesIO(data)))


def _png_size(head: bytes) -> tuple[int, int] | None:
    return struct.unpack(">II", head[16:24]) if head[12:16] == b"IHDR" and len(head) >= 24 else None


def _jpeg_size(data: bytes | bytearray) -> tuple[int, int] | None:
    """Return width and height from a JPEG's frame header (ITU-T T.81, B.2.2), which follows other segments."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", bytes(data[at + 5 : at + 9]))
            return width, height
        at += 2 + max(2, length)
    return None


def _pil(picture: Any) -> dict[str, Any] | None:
    width, height = picture.size
    if not width or not height or width * height > _PIXELS:
        return None
    factor = -(-max(width, height) // SIDE)
    small = picture.reduce(factor) if factor > 1 and picture.mode not in ("1", "P") else picture
    if small.mode not in _PLAIN_MODES:
        small = small.convert("RGBA" if "A" in small.mode else "RGB")
    if max(small.size) > SIDE:
        small = small.convert("RGBA").reduce(factor)
    buffer = BytesIO()
    small.save(buffer, "PNG")
    return (
        _sent("image/png", buffer.getvalue(), width, height) if buffer.tell() <= BYTES else _jpeg(small, width, height)
    )


def _jpeg(picture: Any, width: int, height: int) -> dict[str, Any] | None:
    """Return a picture as JPEG, for noisy pictures whose PNG is too large; None if the JPEG is too."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=80)
    return _sent("image/jpeg", buffer.getvalue(), width, height) if buffer.tell() <= BYTES else None


def _figure(figure: Any) -> dict[str, Any] | None:
    inches = [float(side) for side in figure.get_size_inches()]
    dpi = min(float(figure.dpi), SIDE / max(*inches, 0.01))
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    data = buffer.getvalue()
    found = _png_size(data[:32])
    return None if found is None or len(data) > BYTES else _sent("image/png", data, *found)


# -- one value ---------------------------------------------------------------------------------------------------------

_KINDS: tuple[Callable[[Any, int], dict[str, Any] | None], ...] = (table, image, tree)

_OPENED = ("[ ", "{ ", "( ")


def rich(obj: Any, start: int = 0) -> dict[str, Any]:
    """Return `{"kind": "table" | "image" | "tree" | "text", ...}`; a table starts at row `start`."""
    for look in () if type(obj) is Unstored else _KINDS:
        try:
            seen = look(obj, start)
        except Exception:  # noqa: BLE001, S112 - a value's own code may raise anything; text is the fallback
            continue
        if seen is not None:
            return seen
    return {"kind": "text", "text": render(obj, FULL)}


def brief(obj: Any, most: int = 100) -> dict[str, Any]:
    """Return `{"type", "size", "text"}` of a value, the text on one line, for a row of a list."""
    shown = _columns(obj) or short(obj, most)
    # A value of several lines, put on one, starts with a bracket and a space.
    return {"type": type_of(obj), "size": size(obj), "text": shown[0] + shown[2:] if shown[:2] in _OPENED else shown}


def _columns(obj: Any) -> str | None:
    """Return the names of a frame's columns on one line."""
    try:
        names = columns(obj)
    except Exception:  # noqa: BLE001 - a value's own code may raise anything; text is the fallback
        return None
    return None if names is None else line(", ".join(names), 100)
