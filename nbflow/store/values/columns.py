"""One column of pandas to an Arrow array and back, by a form for each kind of type.

Rule: what Arrow alone would change is kept beside it, in the column's `spec`: a JSON object with its `form`. The type
that comes back is built from the spec, by a row of the table here, never by pandas from a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.store.rows import Blob
from nbflow.store.values.faults import Refused, Said
from nbflow.store.values.needs import need
from nbflow.store.values.objects import dump_objects, dump_strings, load_cells, load_strings, load_texts
from nbflow.store.values.scalars import zone_name

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

Spec = dict[str, Any]
_PLAIN = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)|(datetime64|timedelta64)\[(s|ms|us|ns)\]")
_MASKED = re.compile(r"(U?Int(8|16|32|64)|Float(32|64)|Boolean)Dtype")


def dump_column(values: Any, packer: Packer) -> tuple[Any, Spec]:
    """Return the Arrow array and the spec of a pandas array.

    Raises:
        Refused: Its type has no form.
    """
    if type(values) is need("pandas").arrays.NumpyExtensionArray:
        values = values.to_numpy()
    dtype = values.dtype
    if isinstance(dtype, need("numpy").dtype):
        return dump_objects(values, packer) if dtype.kind == "O" else _dump_plain(values)
    kind = type(dtype).__name__
    dump = _dump_masked if _MASKED.fullmatch(kind) else _DUMPS.get(kind)
    if dump is None:
        raise Refused(f"is a column of {str(dtype)[:60]}, which Arrow cannot say exactly")
    array, spec = dump(values, packer)
    _check_type(dtype, array, spec, packer)
    return array, spec


def _check_type(dtype: Any, array: Any, spec: Spec, packer: Packer) -> None:
    """Refuse a column whose type does not come back: what a type is told by differs between versions of pandas."""
    from nbflow.store.values.unpacking import Unpacker  # which itself is built on this module

    found = load_column(array.slice(0, 0), spec, Unpacker(packer.classes, _no_blob, None)).dtype
    if found != dtype:
        raise Refused(f"is a column of {str(dtype)[:60]}, which would come back as {str(found)[:60]}")


def _no_blob(name: str) -> Blob:
    raise KeyError(name)


def _dump_plain(values: Any) -> tuple[Any, Spec]:
    dtype = values.dtype
    if not _PLAIN.fullmatch(str(dtype)):
        raise Refused(f"is a column of {str(dtype)[:60]}, which Arrow cannot say exactly")
    return need("pyarrow").array(values, from_pandas=False), {"form": "plain", "type": str(dtype)}


def load_column(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    """Return the pandas array, or NumPy array, of an Arrow array and its spec."""
    form = unpacker.want(spec, "form", str)
    if form not in _LOADS:
        raise Refused(f"has a column of the form {form[:60]!r}, which this version of nbflow does not know")
    return _LOADS[form](array, spec, unpacker)


def _load_plain(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    kind = unpacker.want(spec, "type", str)
    if not _PLAIN.fullmatch(kind):
        raise Refused("has a column of a type that is never written so")
    found = array.to_numpy(zero_copy_only=False)
    if found.dtype != need("numpy").dtype(kind):
        raise Refused(f"has a column of {found.dtype}, where {kind} was written")
    return found.copy()  # Arrow's own memory is read-only


def _dump_masked(values: Any, packer: Packer) -> tuple[Any, Spec]:
    return need("pyarrow").array(values), {"form": "masked", "type": type(values.dtype).__name__}


def _load_masked(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    name = unpacker.want(spec, "type", str)
    if not _MASKED.fullmatch(name):
        raise Refused("has a column of a type that is never written so")
    return getattr(need("pandas"), name)().__from_arrow__(array)


def _dump_zoned(values: Any, packer: Packer) -> tuple[Any, Spec]:
    spec = {"form": "zoned", "unit": values.dtype.unit, "tz": zone_name(values.dtype.tz)}
    return need("pyarrow").array(values.tz_convert("UTC").tz_localize(None).to_numpy()), spec


def _load_zoned(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    kind = f"datetime64[{unpacker.want(spec, 'unit', str)}]"
    moments = need("pandas").DatetimeIndex(_load_plain(array, {"type": kind}, unpacker))
    return moments.tz_localize("UTC").tz_convert(unpacker.want(spec, "tz", str)).array


def _dump_categories(values: Any, packer: Packer) -> tuple[Any, Spec]:
    arrow = need("pyarrow")
    packer.path.append(Said(".categories"))
    categories, spec = dump_column(values.categories.array, packer)
    packer.path.pop()
    codes = arrow.array(values.codes, mask=values.codes < 0)
    array = arrow.DictionaryArray.from_arrays(codes, categories)
    return array, {"form": "categories", "ordered": bool(values.ordered), "of": spec}


def _load_categories(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    pandas = need("pandas")
    categories = load_column(array.dictionary, unpacker.want(spec, "of", dict), unpacker)
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    named = pandas.Index(categories, dtype=categories.dtype)
    return pandas.Categorical.from_codes(codes, categories=named, ordered=unpacker.want(spec, "ordered", bool))


def _dump_periods(values: Any, packer: Packer) -> tuple[Any, Spec]:
    return need("pyarrow").array(values.asi8), {"form": "periods", "type": str(values.dtype)}


def _load_periods(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    freq = unpacker.want(spec, "type", str).removeprefix("period[").removesuffix("]")
    ordinals = _load_plain(array, {"type": "int64"}, unpacker)
    return need("pandas").PeriodIndex.from_ordinals(ordinals, freq=freq).array


def _dump_intervals(values: Any, packer: Packer) -> tuple[Any, Spec]:
    left, left_spec = dump_column(values.left.array, packer)
    right, right_spec = dump_column(values.right.array, packer)
    array = need("pyarrow").StructArray.from_arrays([left, right], names=["left", "right"])
    return array, {"form": "intervals", "closed": values.closed, "left": left_spec, "right": right_spec}


def _load_intervals(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    pandas = need("pandas")
    sides = []
    for name in ("left", "right"):
        side = load_column(array.field(name), unpacker.want(spec, name, dict), unpacker)
        sides.append(pandas.Index(side, dtype=side.dtype))
    return pandas.arrays.IntervalArray.from_arrays(*sides, closed=unpacker.want(spec, "closed", str))


def _dump_arrow(values: Any, packer: Packer) -> tuple[Any, Spec]:
    array = need("pyarrow").array(values)
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array, {"form": "arrow"}


def _load_arrow(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    return need("pandas").arrays.ArrowExtensionArray(array)


_DUMPS: Mapping[str, Callable[[Any, Packer], tuple[Any, Spec]]] = {
    "DatetimeTZDtype": _dump_zoned,
    "StringDtype": dump_strings,
    "CategoricalDtype": _dump_categories,
    "PeriodDtype": _dump_periods,
    "IntervalDtype": _dump_intervals,
    "ArrowDtype": _dump_arrow,
}

_LOADS: Mapping[str, Callable[[Any, Spec, Unpacker], Any]] = {
    "plain": _load_plain,
    "masked": _load_masked,
    "texts": load_texts,
    "cells": load_cells,
    "zoned": _load_zoned,
    "strings": load_strings,
    "categories": _load_categories,
    "periods": _load_periods,
    "intervals": _load_intervals,
    "arrow": _load_arrow,
}
