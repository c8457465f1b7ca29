"""Codecs of pandas frames, series and indices, as one Arrow stream each; large columns are separate blobs.

Columns are identified by position. The metadata of the stream has, in the form of this package, everything that Arrow
does not represent: names of any type, the index, exact types. So pandas interprets no metadata from a store. The type
of a column is built from its `spec`, a JSON object with a `form`, by a row of the tables at the end, never by pandas
from a name. Each cell of a column of objects is restored with its type, and None differs from NaN. A time is stored in
the unit that it has, so that none is truncated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbflow.store.codecs.arrow import (
    SplitColumns,
    arrow_stream,
    check_stream,
    check_types,
    columns_to_split,
    dump_column_chunks,
    join_columns,
    load_column_chunks,
    one_chunk,
    split_tree,
)
from nbflow.store.codecs.errors import Refused, Said, a, short
from nbflow.store.codecs.json_text import decode, encode
from nbflow.store.codecs.libraries import need
from nbflow.store.rows import Blob

if TYPE_CHECKING:
    from nbflow.store.codecs.packer import Packer
    from nbflow.store.codecs.unpacker import Unpacker

_CODEC, _META = "arrow.pandas", b"nbflow"
_INDICES = {
    f"{kind}Index" for kind in ("", "Range", "Datetime", "Timedelta", "Period", "Interval", "Categorical", "Multi")
}


def dump_pandas(value: Any, packer: Packer) -> dict[str, Any]:
    """Return the tree of a frame, series, index or scalar of pandas."""
    pandas, kind = need("pandas"), type(value)
    if (scalar := dump_scalar(value, packer)) is not None:
        return scalar
    writer = _Writer(packer)
    if kind is pandas.DataFrame:
        writer.frame(value)
    elif kind is pandas.Series:
        writer.series(value)
    elif _is_index(value):
        writer.meta["index"] = writer.index(value)
    else:
        raise Refused(f"is {a(kind)}, which has no stored form; a DataFrame, Series or Index of pandas has one")
    return writer.tree()


def _freq(index: Any) -> str | None:
    """Return the name of the frequency of a datetime or timedelta index, None without one."""
    pandas = need("pandas")
    if type(index) not in (pandas.DatetimeIndex, pandas.TimedeltaIndex) or index.freq is None:
        return None
    name = str(index.freqstr)
    if pandas.tseries.frequencies.to_offset(name) != index.freq:
        raise Refused(f"has an index with the step {name[:60]}, whose name does not say all of it")
    return name


def _is_index(value: Any) -> bool:
    return type(value).__name__ in _INDICES and type(value).__module__.partition(".")[0] == "pandas"


class _Writer:
    """Collects the columns of one stream."""

    def __init__(self, packer: Packer) -> None:
        self._packer, self._inner = packer, packer.inside()
        self._arrays: list[Any] = []
        self._names: list[str] = []
        self.meta: dict[str, Any] = {"specs": []}

    def frame(self, frame: Any) -> None:
        self.meta |= {"kind": "frame", "index": self.index(frame.index), "columns": self._inner.tree(frame.columns)}
        for place, name in enumerate(frame.columns):
            self._add(frame.iloc[:, place].array, name)
        self._flags(frame)

    def series(self, series: Any) -> None:
        self.meta |= {"kind": "series", "index": self.index(series.index), "name": self._inner.tree(series.name)}
        self._add(series.array, series.name)
        self._flags(series)

    def index(self, index: Any) -> dict[str, Any]:
        """Return the description of an index, and add its levels as columns; a range needs none."""
        if not _is_index(index):
            raise Refused(f"has {a(type(index))} as its index, which has no stored form")
        names = self._inner.items(list(index.names), " as a name")
        if type(index).__name__ == "RangeIndex":
            return {"range": [index.start, index.stop, index.step], "names": names}
        if type(index).__name__ == "MultiIndex":
            # As categories: missing values would change the type of a level's values.
            for place, (codes, level) in enumerate(zip(index.codes, index.levels, strict=True)):
                self._add(need("pandas").Categorical.from_codes(codes, categories=level), f"index {place}")
            return {"levels": index.nlevels, "names": names}
        self._add(index.array, "index")
        return {"names": names, "freq": _freq(index)}

    def _add(self, values: Any, name: Any) -> None:
        shown = name if type(name) is str else f"{type(name).__name__} {len(self._names)}"
        self._packer.path.append(Said(f"[{short(shown)}]"))
        array, spec = dump_column(values, self._packer)
        self._packer.path.pop()
        self._arrays.append(array)
        self._names.append(shown.encode("utf-8", "replace").decode())
        self.meta["specs"].append(spec)

    def _flags(self, value: Any) -> None:
        if value.attrs:
            self.meta["attrs"] = self._inner.tree(value.attrs)
        if not value.flags.allows_duplicate_labels:
            self.meta["unique"] = True

    def tree(self) -> dict[str, Any]:
        """Return the tree: references to the stream and to the split columns."""
        arrow = need("pyarrow")
        fields = [arrow.field(name, array.type) for name, array in zip(self._names, self._arrays, strict=True)]
        check_types(arrow.schema(fields))
        apart = columns_to_split([array.nbytes for array in self._arrays], self._packer)
        here = [place for place in range(len(fields)) if place not in set(apart)]
        schema = arrow.schema([fields[place] for place in here], metadata={_META: encode(self.meta)})
        head = self._packer.blob(_CODEC, arrow_stream(schema, [self._arrays[place] for place in here]))
        if not apart:
            return head
        columns = [(place, "", dump_column_chunks(self._arrays[place], self._packer)) for place in apart]
        return split_tree(head, _CODEC, columns)


def load_pandas(data: bytes, unpacker: Unpacker, apart: SplitColumns = ()) -> Any:
    """Return the frame, series or index of a stream and of its split columns."""
    check_stream(data)
    with need("pyarrow").ipc.open_stream(data) as reader:
        check_types(reader.schema)
        meta = decode((reader.schema.metadata or {})[_META].decode("ascii"))
        table = reader.read_all()
    table.validate(full=True)  # an offset out of bounds would be followed into other memory
    specs = unpacker.want(meta, "specs", list)
    large = [(place, load_column_chunks(streams)) for place, _, streams in apart]
    arrays = join_columns([one_chunk(column) for column in table.columns], large)
    columns = [load_column(array, spec, unpacker) for array, spec in zip(arrays, specs, strict=True)]
    index = _index(unpacker.want(meta, "index", dict), columns, unpacker)
    value = _value(meta, index, columns, unpacker)
    if "attrs" in meta:
        value.attrs = unpacker.value(meta["attrs"])
    return value.set_flags(allows_duplicate_labels=False) if "unique" in meta else value


def _value(meta: dict[str, Any], index: Any, columns: Sequence[Any], unpacker: Unpacker) -> Any:
    """Return the value of the columns that remain after those of the index."""
    pandas = need("pandas")
    match meta.get("kind"):
        case None:
            return index
        case "series":
            (values,) = columns
            return pandas.Series(values, index=index, dtype=values.dtype, name=unpacker.value(meta["name"]), copy=False)
        case "frame":
            parts = {
                place: pandas.Series(values, index=index, dtype=values.dtype, copy=False)
                for place, values in enumerate(columns)
            }
            frame = pandas.DataFrame(parts, index=index)
            frame.columns = unpacker.value(meta["columns"])
            return frame
    raise Refused("is none of the values of pandas that are written")


def _index(meta: dict[str, Any], columns: list[Any], unpacker: Unpacker) -> Any:
    """Return the index; remove its levels from the front of the columns."""
    pandas = need("pandas")
    names = unpacker.items(unpacker.want(meta, "names", list))
    if "range" in meta:
        start, stop, step = unpacker.want(meta, "range", list)
        return pandas.RangeIndex(start, stop, step, name=names[0])
    count = unpacker.want(meta, "levels", int) if "levels" in meta else 1
    levels = columns[:count]
    del columns[:count]
    if "levels" in meta:
        return pandas.MultiIndex([v.categories for v in levels], [v.codes for v in levels], names=names)
    (values,) = levels
    index = pandas.Index(values, dtype=values.dtype)
    if meta.get("freq") is not None:
        return type(index)(index, freq=unpacker.want(meta, "freq", str), name=names[0])
    return index.set_names(names)


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
    """Refuse a column whose type is not restored: the parameters of types differ between versions of pandas."""
    from nbflow.store.codecs.unpacker import Unpacker  # which itself is built on this module

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


def dump_objects(values: Any, packer: Packer) -> tuple[Any, Spec]:
    """Return the array and spec of a column of objects: texts as texts, other cells packed one by one."""
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
    for index, cell in enumerate(cells):  # one by one: numpy would spread cells that are sequences
        array[index] = cell
    return array


def load_texts(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    """Return a column of objects that are texts or None."""
    return _objects(array.to_pylist())


def load_cells(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    """Return a column of objects of any type."""
    return _objects(unpacker.items([decode(text) for text in array.to_pylist()]))


def dump_strings(values: Any, packer: Packer) -> tuple[Any, Spec]:
    """Return the array and spec of a column of pandas' string type."""
    arrow, dtype = need("pyarrow"), values.dtype
    spec = {"form": "strings", "storage": dtype.storage, "nan": dtype.na_value is not need("pandas").NA}
    try:
        array = arrow.array(values, arrow.large_string())
    except UnicodeEncodeError:
        raise Refused("is a column of texts with lone surrogates, which Arrow cannot say") from None
    return array.combine_chunks() if isinstance(array, arrow.ChunkedArray) else array, spec


def load_strings(array: Any, spec: Spec, unpacker: Unpacker) -> Any:
    """Return a column of pandas' string type, with the same storage and the same missing value."""
    pandas, storage = need("pandas"), unpacker.want(spec, "storage", str)
    if unpacker.want(spec, "nan", bool) and storage != "pyarrow_numpy":  # a name of one such type before pandas 3
        return pandas.StringDtype(storage, na_value=float("nan")).__from_arrow__(array)
    return pandas.StringDtype(storage).__from_arrow__(array)


_UNITS = ("s", "ms", "us", "ns")


def dump_scalar(value: Any, packer: Packer) -> dict[str, Any] | None:
    """Return the tree of a Timestamp, Timedelta, NaT or NA; None for any other value."""
    pandas = need("pandas")
    if value is pandas.NaT:
        return {"$": "pd.NaT"}
    if value is pandas.NA:
        return {"$": "pd.NA"}
    if type(value) is pandas.Timedelta:
        return {"$": "pd.Timedelta", "v": int(value.asm8.astype("int64")), "u": value.unit}
    if type(value) is pandas.Timestamp:
        return {"$": "pd.Timestamp", "v": int(value.asm8.astype("int64")), "u": value.unit, **_zone(value, packer)}
    return None


def _zone(value: Any, packer: Packer) -> dict[str, Any]:
    if value.tzinfo is None:
        return {"fold": 1} if value.fold else {}
    name = zone_name(value.tzinfo)
    return {"tz": name}


def zone_name(zone: Any) -> str:
    """Return the name of a time zone of zoneinfo or pytz, by which pandas can restore it.

    Raises:
        Refused: The zone has no such name.
    """
    pandas = need("pandas")
    name = str(zone)
    try:
        found = pandas.DatetimeTZDtype("ns", name) == pandas.DatetimeTZDtype("ns", zone)
    except Exception as error:
        raise Refused(f"has the time zone {name[:60]}, which pandas does not find by its name") from error
    if not found:
        raise Refused(f"has the time zone {name[:60]}, which pandas does not find by its name")
    return name


def load_timestamp(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return a Timestamp."""
    pandas, numpy = need("pandas"), need("numpy")
    moment = pandas.Timestamp(numpy.datetime64(unpacker.want(node, "v", int), _unit(node)))
    if "tz" in node:
        return moment.tz_localize("UTC").tz_convert(unpacker.want(node, "tz", str))
    return moment.replace(fold=1) if "fold" in node else moment


def load_timedelta(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return a Timedelta."""
    pandas, numpy = need("pandas"), need("numpy")
    return pandas.Timedelta(numpy.timedelta64(unpacker.want(node, "v", int), _unit(node)))


def load_nat(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return NaT."""
    return need("pandas").NaT


def load_na(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return NA."""
    return need("pandas").NA


def _unit(node: dict[str, Any]) -> str:
    unit = node.get("u")
    if unit not in _UNITS:
        raise Refused("has a unit of time that is never written")
    return str(unit)


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
