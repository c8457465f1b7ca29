"""Frames, series and indices of pandas as one Arrow stream each, the columns of a large one apart.

Rule: columns go by position, and all that Arrow does not say of them (names of any kind, the index, exact types) is in
the stream's metadata, in the form of this package, so that pandas reads no metadata of a store's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nbflow.store.values import split
from nbflow.store.values.arrow_stream import check_stream, check_types
from nbflow.store.values.columns import dump_column, load_column
from nbflow.store.values.faults import Refused, Said, a, short
from nbflow.store.values.needs import need
from nbflow.store.values.scalars import dump_scalar
from nbflow.store.values.text import decode, encode

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

_CODEC, _META = "arrow.pandas", b"nbflow"
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
    return writer.tree()


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

    def tree(self) -> dict[str, Any]:
        """Return what refers to the stream, and to the columns that are stored apart."""
        arrow = need("pyarrow")
        fields = [arrow.field(name, array.type) for name, array in zip(self._names, self._arrays, strict=True)]
        check_types(arrow.schema(fields))
        apart = split.chosen([array.nbytes for array in self._arrays], self._packer)
        here = [place for place in range(len(fields)) if place not in set(apart)]
        schema = arrow.schema([fields[place] for place in here], metadata={_META: encode(self.meta)})
        head = self._packer.blob(_CODEC, split.written(schema, [self._arrays[place] for place in here]))
        if not apart:
            return head
        columns = [(place, "", split.dump_arrow(self._arrays[place], self._packer)) for place in apart]
        return split.tree_of(head, _CODEC, columns)


def load(data: bytes, unpacker: Unpacker, apart: split.Apart = ()) -> Any:
    """Return the frame, series or index of a stream, and of the columns that were stored apart."""
    check_stream(data)
    with need("pyarrow").ipc.open_stream(data) as reader:
        check_types(reader.schema)
        meta = decode((reader.schema.metadata or {})[_META].decode("ascii"))
        table = reader.read_all()
    table.validate(full=True)  # an offset out of bounds would be followed into other memory
    specs = unpacker.want(meta, "specs", list)
    large = [(place, split.load_arrow(streams)) for place, _, streams in apart]
    arrays = split.placed([split.one_chunk(column) for column in table.columns], large)
    columns = [load_column(array, spec, unpacker) for array, spec in zip(arrays, specs, strict=True)]
    index = _index(unpacker.want(meta, "index", dict), columns, unpacker)
    value = _value(meta, index, columns, unpacker)
    if "attrs" in meta:
        value.attrs = unpacker.value(meta["attrs"])
    return value.set_flags(allows_duplicate_labels=False) if "unique" in meta else value


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
