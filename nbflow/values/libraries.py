"""Copies and comparisons of arrays, frames and pictures.

A library is imported only after a value of it exists, and then the program has loaded it already. NumPy arrays are
passed as read-only views, and frames as copies that share their columns until one of them is written to.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbflow.values.atoms import ATOMS

Own = Callable[[Any], Any]
Same = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Functions:
    """The functions that copy and compare values of a class.

    `copy` takes a value and the function that copies an object inside it. `same` takes two values of one type and the
    function that compares objects inside them. `shares` returns whether a copy shares the data of the value, and
    `is_shared` whether two values have the same data in memory; copying or comparing them then takes microseconds, at
    any size.
    """

    copy: Callable[[Any, Own], Any]
    same: Callable[[Any, Any, Same], bool]
    shares: Callable[[Any], bool] = lambda value: False
    is_shared: Callable[[Any, Any], bool] = operator.is_


def _identity(value: Any, _: Own) -> Any:
    return value


def _always(_: Any) -> bool:
    return True


def _is_identical(one: Any, other: Any, _: Same) -> bool:
    return one is other


IMMUTABLE = Functions(_identity, _is_identical)
"""Instances that never change, such as those of Arrow and lazy frames."""


def functions_of(cls: type) -> Functions | None:
    """Return the functions for a class of a supported library, or None for any other class."""
    for base in cls.__mro__:
        package = base.__module__.partition(".")[0]
        find = _FINDERS.get(package)
        if find is not None and package in sys.modules and (found := find(cls)) is not None:
            return found
    return None


# NumPy


def _numpy(cls: type) -> Functions | None:
    import numpy as np

    if issubclass(cls, np.memmap):
        return Functions(_identity, _is_identical, _always)
    if issubclass(cls, np.ndarray):
        return Functions(_copy_array, _same_arrays, _is_shareable, _is_in_place_of)
    if issubclass(cls, np.void):
        return Functions(lambda value, own: value.copy(), _same_scalars)
    if issubclass(cls, np.generic):
        return Functions(_identity, _same_scalars, _always)
    return None


def _same_scalars(one: Any, other: Any, _: Same) -> bool:
    return bool(
        one is other or (one.dtype == other.dtype and not one.dtype.hasobject and one.tobytes() == other.tobytes())
    )


def is_frozen(array: Any) -> bool:
    """Return whether nothing can write to an array: neither it nor any array that it is a view of."""
    import numpy as np

    at = array
    while isinstance(at, np.ndarray):
        if isinstance(at, np.memmap):
            return True  # memory maps are never copied, even if other code writes to them
        if at.flags.writeable:
            return False
        at = at.base
    return at is None or isinstance(at, bytes) or type(at).__module__.partition(".")[0] == "pyarrow"


def freeze(array: Any) -> bool:
    """Make an array read-only in place if it owns its data; return False, without a change, for any other value.

    Any value may be passed, and NumPy need not be installed.
    """
    np = sys.modules.get("numpy")
    if (
        np is None
        or type(array) is not np.ndarray
        or array.dtype.hasobject
        or array.base is not None
        or not array.flags.owndata
    ):
        return False
    array.flags.writeable = False
    return True


def _copy_array(array: Any, own: Own) -> Any:

    if array.dtype.hasobject:
        copy = array.copy()
        for index, cell in enumerate(copy.flat) if array.dtype == object else ():
            copy.flat[index] = own(cell)
    elif _is_shareable(array):
        return array.view()
    else:
        copy = array.copy(order="K")
    copy.flags.writeable = False
    return copy


def _is_shareable(array: Any) -> bool:
    import numpy as np

    return type(array) is np.ndarray and not array.dtype.hasobject and is_frozen(array)


def _is_in_place_of(one: Any, other: Any) -> bool:
    """Return whether two plain arrays have the same cells at the same memory address."""
    return not one.dtype.hasobject and not _is_masked(one) and _place(one) == _place(other)


def _place(array: Any) -> tuple[Any, ...]:
    about = array.__array_interface__
    return about["data"][0], array.shape, array.strides, array.dtype


def _same_arrays(one: Any, other: Any, same: Same) -> bool:
    if one is other:
        return True
    if one.dtype != other.dtype or one.dtype.metadata != other.dtype.metadata or one.shape != other.shape:
        return False
    if one.dtype.hasobject:
        return one.dtype == object and all(same(*pair) for pair in zip(one.flat, other.flat, strict=True))
    if _is_masked(one) and not (_same_bytes(one.mask, other.mask) and same(one.fill_value, other.fill_value)):
        return False
    return bool(_place(one) == _place(other) and not _is_masked(one)) or _same_bytes(one, other)


def _is_masked(array: Any) -> bool:
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(array, masked.MaskedArray)


_PIECE = 1 << 16
"""Elements compared at a time: early enough to stop at a difference, with little memory."""


def _same_bytes(one: Any, other: Any) -> bool:
    """Compare two arrays of one dtype and shape bit by bit, so that NaN equals NaN and 0.0 differs from -0.0."""
    import numpy as np

    one, other = (
        np.asarray(getattr(one, "data", one) if _is_masked(one) else one),
        np.asarray(getattr(other, "data", other) if _is_masked(other) else other),
    )
    if one.dtype.itemsize == 0 or one.size == 0:
        return True
    if one.flags.c_contiguous and other.flags.c_contiguous:
        # Compare 8 bytes at a time if the size allows it: a comparison byte by byte takes eight times as long.
        word = np.dtype("u8") if one.nbytes % 8 == 0 else np.dtype("u1")
        left, right = one.reshape(-1).view("u1").view(word), other.reshape(-1).view("u1").view(word)
        return all(
            bool((left[at : at + _PIECE] == right[at : at + _PIECE]).all()) for at in range(0, left.size, _PIECE)
        )
    if one.ndim == 1:
        return bool(one.tobytes() == other.tobytes())
    return all(_same_bytes(*pair) for pair in zip(one, other, strict=True))


# pandas


def _pandas(cls: type) -> Functions | None:
    import pandas as pd  # type: ignore[import-untyped]  # pandas has no type annotations

    if issubclass(cls, pd.DataFrame):
        return Functions(_copy_frame, _same_frames, _shares_cells, _share_columns)
    if issubclass(cls, pd.Series):
        return Functions(_copy_frame, _same_series, _shares_cells, _share_columns)
    if issubclass(cls, pd.Index):
        return Functions(_copy_index, _same_index)
    if issubclass(cls, pd.api.extensions.ExtensionArray):
        return Functions(lambda value, _: value.copy(), _same_extension)
    if issubclass(cls, pd.Timestamp | pd.Timedelta | pd.Period | pd.Interval | pd.DateOffset):
        return Functions(_identity, lambda one, other, _: _same_moments(one, other))
    return None


def _same_moments(one: Any, other: Any) -> bool:
    return one is other or (repr(one) == repr(other) and getattr(one, "unit", None) == getattr(other, "unit", None))


def _shares_columns() -> bool:
    """Return whether pandas copies on write, so that a shallow copy can be changed independently."""
    import pandas as pd

    return int(pd.__version__.partition(".")[0]) >= 3 or pd.options.mode.copy_on_write is True


def _shares_cells(frame: Any) -> bool:
    """Return whether a copy shares the cells of a frame: pandas copies on write, and no cell is an object."""
    return _shares_columns() and not _has_objects(frame)


def _has_objects(frame: Any) -> bool:
    """Return whether a frame or series has cells that are objects of Python."""
    blocks = _blocks(frame)
    if blocks is not None:
        return any(_is_object(values.dtype) for values, _ in blocks)
    return _is_object(frame.dtype) if frame.ndim == 1 else any(map(_is_object, frame.dtypes))


def _copy_frame(frame: Any, own: Own) -> Any:
    copy = frame.copy(deep=not _shares_columns())
    if frame.attrs:
        copy.attrs = own(frame.attrs)
    if not _has_objects(frame):
        return copy
    if frame.ndim == 1:
        cells = _objects(frame)
        return copy if cells is None else _with_attrs(_series(frame, [own(cell) for cell in cells]), copy.attrs)
    for place, dtype in enumerate(frame.dtypes):
        cells = _objects(frame.iloc[:, place]) if _is_object(dtype) else None
        if cells is not None:
            copy.isetitem(place, _series(frame.iloc[:, place], [own(cell) for cell in cells]))
    return copy


def _with_attrs(series: Any, attrs: Any) -> Any:
    series.attrs = attrs
    return series


def _is_object(dtype: Any) -> bool:
    return getattr(dtype, "kind", "") == "O" and type(dtype).__module__.partition(".")[0] == "numpy"


def _objects(series: Any) -> list[Any] | None:
    """Return the cells of a column of objects, or None if all of them are immutable."""
    if not _is_object(series.dtype):
        return None
    cells = series.array.tolist() if hasattr(series.array, "tolist") else list(series)
    return None if ATOMS.issuperset(map(type, cells)) else cells


def _series(like: Any, cells: list[Any]) -> Any:
    import numpy as np

    column = np.empty(len(cells), dtype=object)
    column[:] = cells if not cells or not _has_length(cells) else None
    if cells and _has_length(cells):
        for at, cell in enumerate(cells):
            column[at] = cell
    return type(like)(column, index=like.index, name=like.name, dtype=object, copy=False)


def _has_length(cells: list[Any]) -> bool:
    return any(hasattr(cell, "__len__") for cell in cells)


def _copy_index(index: Any, own: Own) -> Any:
    return index.copy(deep=False) if index.nlevels > 1 else index.view()


def _blocks(frame: Any) -> list[Any] | None:
    """Return the arrays of a frame and their column numbers, or None if this version of pandas has no blocks."""
    blocks = getattr(getattr(frame, "_mgr", None), "blocks", None)
    if blocks is None:
        return None
    return [(block.values, block.mgr_locs.as_array) for block in blocks]


def _share_columns(one: Any, other: Any) -> bool:
    """Return whether two frames have all of their cells in the same memory."""
    import numpy as np

    mine, theirs = _blocks(one), _blocks(other)
    if mine is None or theirs is None or len(mine) != len(theirs):
        return False
    for (values, places), (others, other_places) in zip(mine, theirs, strict=True):
        if not np.array_equal(places, other_places):
            return False
        if values is others:
            continue
        plain = type(values) is np.ndarray and type(others) is np.ndarray
        if not plain or values.dtype.hasobject or _place(values) != _place(others):
            return False
    return True


def _same_frames(one: Any, other: Any, same: Same) -> bool:
    if one is other:
        return True
    if one.shape != other.shape or not _same_frame_heads(one, other, same):
        return False
    if _share_columns(one, other):
        return True
    return list(one.dtypes) == list(other.dtypes) and all(
        _same_extension(one.iloc[:, place].array, other.iloc[:, place].array, same) for place in range(one.shape[1])
    )


def _same_frame_heads(one: Any, other: Any, same: Same) -> bool:
    return (
        _same_index(one.columns, other.columns, same)
        and _same_index(one.index, other.index, same)
        and same(one.attrs, other.attrs)
        and one.flags.allows_duplicate_labels == other.flags.allows_duplicate_labels
        and same(_more(one), _more(other))
    )


def _more(frame: Any) -> dict[str, Any]:
    """Return the additional metadata of a subclass of a frame or series, such as the name of a geometry column."""
    return {name: getattr(frame, name, None) for name in getattr(frame, "_metadata", ()) if name != "name"}


def _same_series(one: Any, other: Any, same: Same) -> bool:
    if one is other:
        return True
    return bool(
        one.shape == other.shape
        and one.dtype == other.dtype
        and same(one.name, other.name)
        and _same_index(one.index, other.index, same)
        and same(one.attrs, other.attrs)
        and same(_more(one), _more(other))
        and (_share_columns(one, other) or _same_extension(one.array, other.array, same))
    )


def _same_index(one: Any, other: Any, same: Same) -> bool:
    if one is other:
        return True
    if type(one) is not type(other) or len(one) != len(other) or not same(list(one.names), list(other.names)):
        return False
    if one.is_(other):
        return True
    if one.nlevels > 1:
        return bool(
            one.nlevels == other.nlevels
            and all(_same_index(*pair, same) for pair in zip(one.levels, other.levels, strict=True))
            and all(same(*pair) for pair in zip(map(list, one.codes), map(list, other.codes), strict=True))
        )
    if hasattr(one, "step"):
        return (one.start, one.stop, one.step) == (other.start, other.stop, other.step)
    return one.dtype == other.dtype and _freq(one) == _freq(other) and _same_extension(one.array, other.array, same)


def _freq(index: Any) -> Any:
    return getattr(index, "freqstr", None)


def _same_extension(one: Any, other: Any, same: Same) -> bool:
    """Compare two arrays of pandas bit by bit if they wrap NumPy arrays, else cell by cell."""
    import numpy as np

    if one is other:
        return True
    if one.dtype != other.dtype or len(one) != len(other):
        return False
    mine, theirs = _plain_array(one), _plain_array(other)
    if mine is not None and theirs is not None:
        return _same_arrays(mine, theirs, same)
    mine, theirs = np.asarray(one, dtype=object), np.asarray(other, dtype=object)
    return all(same(*pair) for pair in zip(mine.flat, theirs.flat, strict=True))


def _plain_array(array: Any) -> Any:
    """Return the NumPy array that an array of pandas merely wraps, or None."""
    import numpy as np

    if isinstance(array, np.ndarray):
        return array
    inner = getattr(array, "_ndarray", None)
    return inner if isinstance(inner, np.ndarray) and not hasattr(array, "categories") else None


# polars


def _polars(cls: type) -> Functions | None:
    import polars as pl

    if issubclass(cls, pl.LazyFrame | pl.Expr):
        return IMMUTABLE
    if issubclass(cls, pl.DataFrame):
        return Functions(_copy_polars, _same_polars, lambda frame: pl.Object not in frame.dtypes)
    if issubclass(cls, pl.Series):
        return Functions(_copy_column, _same_columns, lambda column: column.dtype != pl.Object)
    return None


def _copy_polars(frame: Any, own: Own) -> Any:
    import polars as pl

    if pl.Object not in frame.dtypes:
        return frame.clone()
    columns = [_copy_column(column, own) for column in frame.get_columns()]
    return pl.DataFrame(columns)


def _copy_column(column: Any, own: Own) -> Any:
    import polars as pl

    if column.dtype != pl.Object:
        return column.clone()
    return pl.Series(column.name, [own(cell) for cell in column], dtype=pl.Object)


def _same_polars(one: Any, other: Any, same: Same) -> bool:
    if one is other:
        return True
    if one.columns != other.columns or one.dtypes != other.dtypes or one.shape != other.shape:
        return False
    return all(_same_columns(*pair, same) for pair in zip(one.get_columns(), other.get_columns(), strict=True))


def _same_columns(one: Any, other: Any, same: Same) -> bool:
    if one is other:
        return True
    if one.name != other.name or one.dtype != other.dtype or len(one) != len(other):
        return False
    import polars as pl

    if not one.dtype.is_nested() and not one.dtype.is_float() and one.dtype != pl.Object:
        return bool(one.equals(other, check_dtypes=True, check_names=True, null_equal=True))
    if one.dtype.is_float():
        # For Polars 0.0 equals -0.0, but their reciprocals differ.
        zeros = (1 / one).equals(1 / other, null_equal=True)
        return bool(zeros and one.equals(other, null_equal=True))
    return same(one.to_list(), other.to_list())


# Arrow, PIL


def _arrow(cls: type) -> Functions | None:
    if cls.__name__ in ("ResizableBuffer",):
        return None
    return Functions(_identity, _same_arrow, _always)


def _same_arrow(one: Any, other: Any, _: Same) -> bool:
    return one is other


def _pillow(cls: type) -> Functions | None:
    from PIL import Image

    if not issubclass(cls, Image.Image):
        return None
    return Functions(lambda picture, own: _copy_picture(picture, own), _same_pictures)


def _copy_picture(picture: Any, own: Own) -> Any:
    copy = picture.copy()
    copy.info = own(dict(picture.info))
    return copy


def _same_pictures(one: Any, other: Any, same: Same) -> bool:
    return one is other or bool(
        one.mode == other.mode
        and one.size == other.size
        and same(one.getpalette(), other.getpalette())
        and same(dict(one.info), dict(other.info))
        and one.tobytes() == other.tobytes()
    )


_FINDERS: dict[str, Callable[[type], Functions | None]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _arrow,
    "PIL": _pillow,
}
