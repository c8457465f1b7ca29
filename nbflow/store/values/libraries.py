"""Which library's values have a form of their own, and how libraries are come by.

Rule: a value shows that its library is loaded; for a stored blob the library is imported by a name that is written
here, never by one that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.errors import words
from nbflow.store.values import arrays, arrow_tables, frames, pictures, polars_frames, scalars, split
from nbflow.store.values.faults import Refused, short

if TYPE_CHECKING:
    from nbflow.store.values.forms import Load
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

_DUMPS: Mapping[str, Callable[[Any, Packer], dict[str, Any] | None]] = {
    "numpy": arrays.dump,
    "pandas": frames.dump,
    "polars": polars_frames.dump,
    "pyarrow": arrow_tables.dump,
    "PIL": pictures.dump_image,
    "matplotlib": pictures.dump_figure,
}

_LOADS: Mapping[str, Callable[[bytes, Unpacker], Any]] = {
    "npy": arrays.load,
    "arrow.pandas": frames.load,
    "arrow.polars": polars_frames.load,
    "arrow.table": arrow_tables.load,
    "png": pictures.load_image,
    "figure": pictures.load_figure,
}

_FRAMES: Mapping[str, Any] = {
    "arrow.pandas": frames.load,
    "arrow.polars": polars_frames.load,
    "arrow.table": arrow_tables.load,
}


def _load_frame(node: dict[str, Any], unpacker: Unpacker) -> Any:
    try:
        return split.load(node, unpacker, _FRAMES)
    except Refused:
        raise
    except Exception as error:  # as for a blob, below
        told = " ".join(words(error).split())[:200]
        raise Refused(f"is a frame of which a column cannot be read: {told}") from error


FOREIGN_LOADERS: Mapping[str, Load] = {
    "frame": _load_frame,
    "np.scalar": arrays.load_scalar,
    "pd.Timestamp": scalars.load_timestamp,
    "pd.Timedelta": scalars.load_timedelta,
    "pd.NaT": scalars.load_nat,
    "pd.NA": scalars.load_na,
}


def dump_foreign(value: Any, kind: type, packer: Packer) -> dict[str, Any] | None:
    """Return the tree of a value of a library, None where neither it nor a base is of one that is known here."""
    for base in kind.__mro__:
        dump = _DUMPS.get(base.__module__.partition(".")[0])
        if dump is not None:
            return dump(value, packer)
    return None


def load_foreign(codec: str, data: bytes, what: str, unpacker: Unpacker) -> Any:
    """Return the value of a blob.

    Raises:
        Refused: The codec is not known, its library is missing, or the data is not what it wrote.
    """
    load = _LOADS.get(codec)
    if load is None:
        raise Refused(f"is in {what} of the codec {short(codec)}, which this version of nbflow does not know")
    try:
        return load(data, unpacker)
    except Refused:
        raise
    except Exception as error:
        # Over hostile bytes a library may raise anything, and it is one thing to a user.
        told = " ".join(words(error).split())[:200]
        raise Refused(f"is in {what} of the codec {codec!r}, which cannot be read: {told}") from error
