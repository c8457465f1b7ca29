"""Codecs of Pillow images and matplotlib figures, as PNG.

An image is stored only if its PNG restores every pixel. A figure is stored as its picture, and a note says so when it
is restored.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.store.codecs.errors import Refused, a
from nbflow.store.codecs.libraries import need

if TYPE_CHECKING:
    from nbflow.store.codecs.packer import Packer
    from nbflow.store.codecs.unpacker import Unpacker

_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}
_HEADER = struct.Struct(">8sI4sII")
_MAGIC = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS = 89_478_485
"""The number of pixels from which Pillow itself warns of a decompression bomb."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a figure; `data` is a PNG, which a notebook shows."""

    data: bytes = field(repr=False)

    def _repr_png_(self) -> bytes:
        return self.data


def dump_picture(value: Picture, packer: Packer) -> dict[str, Any]:
    """Return the tree of a Picture, so that a restored state can be stored again."""
    return packer.blob("figure", value.data)


def dump_figure(value: Any, packer: Packer) -> dict[str, Any]:
    """Return the tree of a figure."""
    if not any(base.__module__ == "matplotlib.figure" and base.__name__ == "Figure" for base in type(value).__mro__):
        raise Refused(f"is {a(type(value))} of matplotlib, which has no stored form; a figure has one")
    written = io.BytesIO()
    value.savefig(written, format="png")
    return packer.blob("figure", written.getvalue())


def load_figure(data: bytes, unpacker: Unpacker) -> Picture:
    """Return the picture of a figure."""
    _size(data)
    unpacker.note("a matplotlib figure was restored as a picture of it")
    return Picture(data)


def dump_image(value: Any, packer: Packer) -> dict[str, Any]:
    """Return the tree of an image."""
    if not isinstance(value, need("PIL.Image").Image):
        raise Refused(f"is {a(type(value))} of Pillow, which has no stored form; an image has one")
    if value.mode not in _MODES:
        raise Refused(f"is an image of mode {value.mode}, which PNG cannot say; image.convert('RGB') has a form")
    if getattr(value, "n_frames", 1) > 1:
        raise Refused(f"is an image of {value.n_frames} frames; store them as a list of copies")
    if value.width * value.height > _MOST_PIXELS:
        raise Refused(f"is an image of {value.width} x {value.height} pixels, more than are read back")
    written = io.BytesIO()
    # The rest of `info` (comments, EXIF, colour profiles) describes the file that the image was read from.
    kept = {key: value.info[key] for key in ("transparency",) if key in value.info}
    value.save(written, format="PNG", compress_level=1, icc_profile=None, exif=b"", **kept)
    if not _same(value, _image(written.getvalue())):
        raise Refused(f"is an image of mode {value.mode} whose pixels PNG does not give back")
    return packer.blob("png", written.getvalue())


def _same(one: Any, other: Any) -> bool:
    """Return whether pixels, and the used colours of a palette, are equal; PNG leaves out the unused ones."""
    if (one.mode, one.size) != (other.mode, other.size) or one.tobytes() != other.tobytes():
        return False
    return bool(one.mode != "P" or one.convert("RGBA").tobytes() == other.convert("RGBA").tobytes())


def load_image(data: bytes, unpacker: Unpacker) -> Any:
    """Return an image; the subclass of one that was read from a file is not restored."""
    width, height = _size(data)
    if width * height > _MOST_PIXELS:
        raise Refused(f"is an image that says {width} x {height} pixels, more than are ever written")
    return _image(data)


def _image(data: bytes) -> Any:
    with need("PIL.Image").open(io.BytesIO(data), formats=["PNG"]) as image:
        return image.copy()


def _size(data: bytes) -> tuple[int, int]:
    magic, _, kind, width, height = _HEADER.unpack_from(data.ljust(_HEADER.size, b"\0"))
    if magic != _MAGIC or kind != b"IHDR":
        raise Refused("is no PNG, which a picture is stored as")
    return width, height
