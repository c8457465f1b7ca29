"""Convert values that are pictures to PNG or JPEG for the page.

Invariant: a picture has at most 2 MB, and at most 900 pixels on a side if it was scaled here; an encoded one that fits
is sent unchanged up to 3 600 pixels. A picture that cannot be made smaller is not sent.
"""

from __future__ import annotations

import base64
import struct
import sys
from io import BytesIO
from typing import Any

from nbflow.view.loaded import is_a

SIDE, BYTES = 900, 2_000_000
_PIXELS = 64_000_000  # larger pictures are not even scaled: decoding them takes too long
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PLAIN_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")


def image(obj: Any, start: int = 0) -> dict[str, Any] | None:
    """Return `{"kind": "image", "mime", "data" (base64), "width", "height"}`, or None for a value that is no picture.

    `width` and `height` are those of the value before scaling, in pixels.
    """
    if isinstance(obj, bytes | bytearray):
        return _encoded(obj)
    if is_a(obj, "PIL.Image", "Image"):
        return _pil(obj)
    return _figure(obj) if is_a(obj, "matplotlib.figure", "Figure") else None


def _sent(mime: str, data: bytes, width: int, height: int) -> dict[str, Any]:
    text = base64.b64encode(data).decode("ascii")
    return {"kind": "image", "mime": mime, "data": text, "width": width, "height": height}


def _encoded(data: bytes | bytearray) -> dict[str, Any] | None:
    head = bytes(data[:32])
    mime = "image/png" if head.startswith(_PNG) else "image/jpeg" if head.startswith(_JPEG) else None
    found = None if mime is None else _png_size(head) if mime == "image/png" else _jpeg_size(data)
    if mime is None or found is None or found[0] * found[1] > _PIXELS:
        return None
    if len(data) <= BYTES and max(found) <= 4 * SIDE:
        return _sent(mime, bytes(data), *found)
    pil = sys.modules.get("PIL.Image")
    return None if pil is None else _pil(pil.open(BytesIO(data)))


def _png_size(head: bytes) -> tuple[int, int] | None:
    return struct.unpack(">II", head[16:24]) if head[12:16] == b"IHDR" and len(head) >= 24 else None


def _jpeg_size(data: bytes | bytearray) -> tuple[int, int] | None:
    """Return width and height from a JPEG's frame header (ITU-T T.81, B.2.2), which follows other segments."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", bytes(data[at + 5 : at + 9]))
            return width, height
        at += 2 + max(2, length)
    return None


def _pil(picture: Any) -> dict[str, Any] | None:
    width, height = picture.size
    if not width or not height or width * height > _PIXELS:
        return None
    factor = -(-max(width, height) // SIDE)
    small = picture.reduce(factor) if factor > 1 and picture.mode not in ("1", "P") else picture
    if small.mode not in _PLAIN_MODES:
        small = small.convert("RGBA" if "A" in small.mode else "RGB")
    if max(small.size) > SIDE:
        small = small.convert("RGBA").reduce(factor)
    buffer = BytesIO()
    small.save(buffer, "PNG")
    return (
        _sent("image/png", buffer.getvalue(), width, height) if buffer.tell() <= BYTES else _jpeg(small, width, height)
    )


def _jpeg(picture: Any, width: int, height: int) -> dict[str, Any] | None:
    """Return a picture as JPEG, for noisy pictures whose PNG is too large; None if the JPEG is too."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=80)
    return _sent("image/jpeg", buffer.getvalue(), width, height) if buffer.tell() <= BYTES else None


def _figure(figure: Any) -> dict[str, Any] | None:
    inches = [float(side) for side in figure.get_size_inches()]
    dpi = min(float(figure.dpi), SIDE / max(*inches, 0.01))
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    data = buffer.getvalue()
    found = _png_size(data[:32])
    return None if found is None or len(data) > BYTES else _sent("image/png", data, *found)
