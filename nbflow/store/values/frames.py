"""Frames, series and indices of pandas as one Arrow stream each.

Rule: columns go by position, and all that Arrow does not say of them (names of any kind, the index, exact types) is in
the stream's metadata, in the form of this package, so that pandas reads no metadata of a store's.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nbflow.store.values.arrow_stream import check_stream, check_types
from nbflow.store.values.columns import dump_column, load_column
from nbflow.store.values.faults import Refused, Said, a, short
from nbflow.store.values.needs import need
from nbflow.store.values.scalars import dump_scalar
from nbflow.store.values.text import decode, encode

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

_META = b"nbflow"
_INDICES = {
    f"{kind}Index" for kind in ("", "Range", "Datetime", "Timedelta", "Period", "Interval", "Categorical", "Multi")
}


def dump(value: Any, packer: Packer) -> dict[str, Any]:
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
    return packer.blob("arrow.pandas", writer.stream())


def _freq(index: Any) -> str | None:
    """Return the name of the step that an index of moments keeps, None where it keeps none."""
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
    """Gathers the columns of one stream."""

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
        """Return what tells an index; its levels become columns, but for a range, which needs none."""
        if not _is_index(index):
            raise Refused(f"has {a(type(index))} as its index, which has no stored form")
        names = self._inner.items(list(index.names), " as a name")
        if type(index).__name__ == "RangeIndex":
            return {"range": [index.start, index.stop, index.step], "names": names}
        if type(index).__name__ == "MultiIndex":
            # As categories: the values of a level where some are missing would be of another type.
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

    def stream(self) -> bytes:
        arrow = need("pyarrow")
        fields = [arrow.field(name, array.type) for name, array in zip(self._names, self._arrays, strict=True)]
        schema = arrow.schema(fields, metadata={_META: encode(self.meta)})
        check_types(schema)
        written = io.BytesIO()
        with arrow.ipc.new_stream(written, schema) as writer:
            writer.write_table(arrow.Table.from_arrays(self._arrays, schema=schema))
        check_stream(written.getvalue())
        return written.getvalue()


def load(data: bytes, unpacker: Unpacker) -> Any:
    """Return the frame, series or index of a stream."""
    check_stream(data)
    with need("pyarrow").ipc.open_stream(data) as reader:
        check_types(reader.schema)
        meta = decode((reader.schema.metadata or {})[_META].decode("ascii"))
        table = reader.read_all()
    table.validate(full=True)  # an offset out of bounds would be followed into other memory
    specs = unpacker.want(meta, "specs", list)
    arrays = [_one_chunk(column) for column in table.columns]
    columns = [load_column(array, spec, unpacker) for array, spec in zip(arrays, specs, strict=True)]
    index = _index(unpacker.want(meta, "index", dict), columns, unpacker)
    value = _value(meta, index, columns, unpacker)
    if "attrs" in meta:
        value.attrs = unpacker.value(meta["attrs"])
    return value.set_flags(allows_duplicate_labels=False) if "unique" in meta else value


def _one_chunk(column: Any) -> Any:
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    return combined.chunk(0) if hasattr(combined, "num_chunks") else combined


def _value(meta: dict[str, Any], index: Any, columns: Sequence[Any], unpacker: Unpacker) -> Any:
    """Return the value of what is left of the columns once the index has taken its own."""
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
    """Return the index, and take its levels from the front of the columns."""
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
