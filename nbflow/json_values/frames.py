"""The forms of frames, series and arrays, of any library that the process has loaded.

Invariant: no library is imported, and no more of a value is read than is written.
"""

from __future__ import annotations

import array as builtin_arrays
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from nbflow.view.values.optional_types import is_a

if TYPE_CHECKING:
    from nbflow.json_values.writer import Form, Writer

LIBRARIES = frozenset({"pandas", "polars", "pyarrow", "numpy"})
"""Libraries whose classes are known by the package's name, whatever module defines them."""


def form_of_table(value: Any, writer: Writer) -> Any:
    """Return the form of a frame or a series; None of any other value."""
    if is_a(value, "pandas", "DataFrame"):
        return _frame(value, list(value.columns), list(value.dtypes), value.shape, writer)
    if is_a(value, "polars", "DataFrame"):
        return _frame(value, value.columns, value.dtypes, value.shape, writer)
    if is_a(value, "pyarrow", "Table", "RecordBatch"):
        schema = value.schema
        return _frame(value, schema.names, schema.types, (value.num_rows, value.num_columns), writer)
    if is_a(value, "pandas", "Series", "Index") or is_a(value, "polars", "Series"):
        return _series(value, value.name, value.dtype, writer)
    if is_a(value, "pyarrow", "Array", "ChunkedArray"):
        return _series(value, None, value.type, writer)
    return writer.value(value.as_py()) if is_a(value, "pyarrow", "Scalar") else None


def _frame(value: Any, columns: list[Any], types: list[Any], shape: Sequence[int], writer: Writer) -> Form:
    is_whole = _fits(shape, writer)
    if not is_whole:
        columns, types = columns[: writer.bounds.columns], types[: writer.bounds.columns]
    rows = shape[0] if is_whole else min(shape[0], writer.bounds.rows)
    form = _head("frame", value, shape, [*zip(columns, types, strict=True)], writer)
    named = all(isinstance(name, str) for name in columns) and len({*columns}) == len(columns)
    records = []
    for row in _rows(value, rows, len(columns)):
        cells = list(map(_cell, row, types))
        if named:
            records.append(writer.mapping(dict(zip(columns, cells, strict=True))))
        else:
            records.append([writer.part(name, cell, None) for name, cell in zip(columns, cells, strict=True)])
    return _ended(form | _index(value, rows, writer), shape, records, writer, is_whole=is_whole)


def _series(value: Any, name: Any, dtype: Any, writer: Writer) -> Form:
    is_whole = _fits((len(value),), writer)
    rows = len(value) if is_whole else min(len(value), writer.bounds.rows)
    form = _head("series", value, (len(value),), [(name, dtype)], writer)
    part = (value.iloc if is_a(value, "pandas", "Series") else value)[:rows]
    cells = part.to_pylist() if is_a(value, "pyarrow", "Array", "ChunkedArray") else part.to_list()
    records = [writer.part(name, _cell(cell, dtype), None) for cell in cells]
    return _ended(form | _index(value, rows, writer), (len(value),), records, writer, is_whole=is_whole)


def _head(type_: str, value: Any, shape: Sequence[int], columns: Iterable[tuple[Any, Any]], writer: Writer) -> Form:
    from nbflow.json_values.writer import class_name

    schema = [{"name": writer.at(None, name), "dtype": str(dtype)} for name, dtype in columns]
    return {"type": type_, "class": class_name(type(value)), "shape": [*map(int, shape)], "schema": schema}


def _ended(form: Form, shape: Sequence[int], records: list[Any], writer: Writer, *, is_whole: bool) -> Form:
    return {**form, "records": records} if is_whole else writer.truncated(form, [*map(int, shape)], records)


def _rows(value: Any, rows: int, columns: int) -> Iterable[Sequence[Any]]:
    if not columns:
        return [()] * rows
    if is_a(value, "pandas", "DataFrame"):
        return value.iloc[:rows, :columns].itertuples(index=False, name=None)  # type: ignore[no-any-return]
    if is_a(value, "polars", "DataFrame"):
        return value[:, :columns].head(rows).rows()  # type: ignore[no-any-return]
    part = value.slice(0, rows)
    return zip(*(part.column(at).to_pylist() for at in range(columns)), strict=True)


def _cell(cell: Any, dtype: Any) -> Any:
    """Return a cell, None if it is missing; in a column of objects, and outside pandas, NaN is not missing."""
    if type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if not isinstance(cell, float) or cell == cell:
        return cell
    return cell if type(dtype).__module__.startswith(("polars", "pyarrow")) or str(dtype) == "object" else None


def _index(value: Any, rows: int, writer: Writer) -> Form:
    """Return the index of a pandas frame or series; empty if it only counts the rows."""
    if not is_a(value, "pandas", "DataFrame", "Series"):
        return {}
    index = value.index
    if is_a(index, "pandas", "RangeIndex") and (index.start, index.step, index.name) == (0, 1, None):
        return {}
    names = [writer.at(None, name) for name in index.names]
    return {"index": {"names": names, "values": [writer.at(None, label) for label in index[:rows].to_list()]}}


def form_of_array(value: Any) -> Callable[[Any, Writer], Any] | None:
    """Return the function that writes an array of NumPy or a similar library; None for any other value."""
    if isinstance(value, type):
        return None
    is_one = callable(getattr(value, "tolist", None)) and _is_shape(getattr(value, "shape", None))
    return _array if is_one or isinstance(value, builtin_arrays.array) else None


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(hasattr(size, "__index__") for size in shape)


def _array(value: Any, writer: Writer) -> Form:
    from nbflow.json_values.writer import class_name

    if isinstance(value, builtin_arrays.array):
        shape, dtype = [len(value)], str(value.typecode)
    else:
        shape, dtype = [*map(int, value.shape)], str(getattr(value, "dtype", "object"))
    form = {"type": "ndarray", "class": class_name(type(value)), "dtype": dtype, "shape": shape}
    if _fits(shape, writer):
        return {**form, "values": _nested(value, len(shape), writer)}
    return writer.truncated(form, shape, _nested(_first(value, writer.bounds.rows), 1, writer))


def _first(value: Any, count: int) -> Any:
    """Return the first elements of an array in its own order."""
    if is_a(value, "numpy", "ndarray"):
        return value.flat[:count]
    return (value if isinstance(value, builtin_arrays.array) else value.reshape(-1))[:count]


def _nested(value: Any, depth: int, writer: Writer) -> Any:
    """Return the elements of an array as lists nested by axis."""
    if is_a(value, "numpy", "ndarray") and value.dtype.kind in "mM":
        # Its `tolist` returns times in nanoseconds as integers.
        if depth == 0:
            return writer.at(None, value[()])
        return (
            writer.items(value, indexed=False) if depth == 1 else [_nested(part, depth - 1, writer) for part in value]
        )
    return _elements(value.tolist(), depth, writer)


def _elements(value: Any, depth: int, writer: Writer) -> Any:
    if depth == 0:
        return writer.at(None, value)
    return writer.items(value, indexed=False) if depth == 1 else [_elements(part, depth - 1, writer) for part in value]


def _fits(shape: Sequence[int], writer: Writer) -> bool:
    most = writer.bounds.cells
    # An empty axis leaves no cells, however long the others are.
    return most is None or (prod(shape) <= most and max(shape, default=0) <= most)
