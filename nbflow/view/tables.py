"""Convert values with rows and columns to pages of cells.

Invariant: a page has at most 50 rows and 20 columns; a cell is one short line, or None for a missing value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nbflow.secrets import MASK, covers, mask
from nbflow.view.loaded import is_a
from nbflow.view.plain import line
from nbflow.view.preview import short

ROWS, COLUMNS = 50, 20
_NAME, _CELL = 60, 80
_FLAT = (str, int, float, bool, type(None))
_ARROW = ("Table", "RecordBatch")
_NOTHING = ("NaTType", "NAType")


def table(obj: Any, start: int = 0) -> dict[str, Any] | None:
    """Return `{"kind": "table", "columns", "rows", "index", "from", "shape"}`, or None for a value that is no table.

    `index` is True if the first column is the index of the rows; `from` is the number of the first row; `shape` is
    `[rows, columns]` of the whole value.
    """
    for look in (_pandas, _polars, _arrow, _numpy, _records):
        found: dict[str, Any] | None = look(obj, max(0, start))
        if found is not None:
            return found
    return None


def columns(obj: Any) -> list[str] | None:
    """Return the names of a frame's first 20 columns, or None for a value that is no frame."""
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
