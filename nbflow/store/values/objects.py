"""Columns of pandas that hold Python objects or texts.

Rule: a cell comes back of its own type, None apart from NaN; a cell of any kind is stored as a value inside the frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.store.values.faults import Refused
from nbflow.store.values.needs import need
from nbflow.store.values.text import decode, encode

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

Spec = dict[str, Any]


def dump_objects(values: Any, packer: Packer) -> tuple[Any, Spec]:
    """Return texts as texts; of other objects each cell is packed by itself."""
    arrow, cells = need("pyarrow"), list(values)
    if set(map(type, cells)) <= {str, type(None)}:
        try:
            return arrow.array(cells, arrow.large_string()), {"form": "texts"}
        except UnicodeEncodeError:  # lone surrogates, which JSON can escape
            pass
    inner, texts = packer.inside(), []
    packer.path.append("")
    for index, cell in enumerate(cells):
        packer.path[-1] = index
        texts.append(encode(inner.tree(cell)))
    packer.path.pop()
    return arrow.array(texts, arrow.large_string()), {"form": "cells"}


def _objects(cells: list[Any]) -> Any:
    array = need("numpy").empty(len(cells), dtype=object)
    for index, cell in enumerate(cells):  # not all at once: numpy would spread cells that are sequences
        array[index] = cell
    return array


def load_texts(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    """Return a column of objects that are all texts or None."""
    return _objects(array.to_pylist())


def load_cells(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    """Return a column of objects of any kind."""
    return _objects(unpacker.items([decode(text) for text in array.to_pylist()]))


def dump_strings(values: Any, packer: Packer) -> tuple[Any, Spec]:
    """Return a column of the type for texts."""
    arrow, dtype = need("pyarrow"), values.dtype
    spec = {"form": "strings", "storage": dtype.storage, "nan": dtype.na_value is not need("pandas").NA}
    try:
        array = arrow.array(values, arrow.large_string())
    except UnicodeEncodeError:
        raise Refused("is a column of texts with lone surrogates, which Arrow cannot say") from None
    return array.combine_chunks() if isinstance(array, arrow.ChunkedArray) else array, spec


def load_strings(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    """Return a column of the type for texts, of the same storage and with the same missing value."""
    pandas, storage = need("pandas"), unpacker.want(spec, "storage", str)
    if unpacker.want(spec, "nan", bool) and storage != "pyarrow_numpy":  # a name of one such type before pandas 3
        return pandas.StringDtype(storage, na_value=float("nan")).__from_arrow__(array)
    return pandas.StringDtype(storage).__from_arrow__(array)
