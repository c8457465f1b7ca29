"""Images and figures."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from typing import Any

import pytest

from nbflow.errors import StoreError
from nbflow.store.codecs import Codecs, Picture, Unstorable
from nbflow.store.rows import Blob

Image = pytest.importorskip("PIL.Image")


def noise(mode: str) -> Any:
    """Return an image in whose pixels every bit matters."""
    bands = {"1": 1, "L": 1, "LA": 2, "P": 1, "RGB": 3, "RGBA": 4, "I;16": 2}[mode]
    data = bytes((x * 37 + x // 7) % 256 for x in range(11 * 5 * bands))
    if mode == "1":
        return Image.frombytes("L", (11, 5), data).convert("1")
    image = Image.frombytes(mode, (11, 5), data)
    if mode == "P":
        image.putpalette([x * 5 % 256 for x in range(768)])
    return image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_an_image_comes_back_with_every_pixel(shelf: Any, mode: str) -> None:
    image = noise(mode)

    found = shelf.trip([image])[0]

    assert found == image
    assert type(found) is Image.Image
    assert shelf.only_blob().codec == "png"


def test_an_image_of_a_file_comes_back_as_a_plain_one(shelf: Any) -> None:
    jpeg = io.BytesIO()
    noise("RGB").save(jpeg, "JPEG")
    image = Image.open(jpeg)

    found = shelf.trip(image)

    assert type(found) is Image.Image
    assert found.tobytes() == image.tobytes()


def test_the_transparent_colour_of_a_palette_comes_back(shelf: Any) -> None:
    image = noise("P")
    image.info["transparency"] = 3

    assert shelf.trip(image).convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", ["F", "I", "CMYK", "YCbCr", "HSV"])
def test_a_mode_that_png_cannot_say_is_refused(shelf: Any, mode: str) -> None:
    with pytest.raises(Unstorable, match=f"it is an image of mode {mode}, which PNG cannot say"):
        shelf.put(Image.new(mode, (1, 1)))


def test_an_image_of_several_frames_is_refused(shelf: Any) -> None:
    gif = io.BytesIO()
    noise("L").save(gif, "GIF", save_all=True, append_images=[Image.new("L", (11, 5))])

    with pytest.raises(Unstorable, match="is an image of 2 frames"):
        shelf.put(Image.open(gif))


def test_enums_of_pillow_are_enums(shelf: Any) -> None:
    shelf.codecs.register_type(Image.Resampling)

    assert shelf.trip(Image.Resampling.BICUBIC) is Image.Resampling.BICUBIC


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is no PNG"),
        (b"GIF89a" + b"\0" * 40, "is no PNG"),
        (png(1, 1, b"\0\0")[:-30], "cannot be read"),
        (png(50_000, 50_000, b"\0" * 10**6), "says 50000 x 50000 pixels, more than are ever written"),
        (png(2**31 - 1, 1, b""), "says 2147483647 x 1 pixels"),
    ],
    ids=range(5),
)
def test_a_hostile_png_is_refused(monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as users with large images set it
    blob = Blob(hashlib.sha256(b"png\0" + data).hexdigest(), "png", data)

    with pytest.raises(StoreError, match=reason):
        Codecs().unpack(f'{{"$":"blob","hash":"{blob.hash}"}}', lambda _: blob)


def test_a_figure_comes_back_as_its_picture_and_a_note_says_so(shelf: Any) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    figure = figures.Figure(figsize=(2, 1), dpi=50)
    figure.add_subplot().plot([1, 2])

    found = shelf.trip({"plot": figure})["plot"]

    assert isinstance(found, Picture)
    assert Image.open(io.BytesIO(found._repr_png_())).size == (100, 50)
    assert shelf.notes == ["a matplotlib figure was restored as a picture of it"]


def test_a_picture_that_came_back_is_stored_again_as_the_same_blob(shelf: Any) -> None:
    data = io.BytesIO()
    Image.new("L", (1, 1)).save(data, "PNG")

    first = shelf.put(Picture(data.getvalue()))

    assert shelf.put(shelf.get(first)) == first


def test_what_else_is_of_matplotlib_is_refused(shelf: Any) -> None:
    figures = pytest.importorskip("matplotlib.figure")

    with pytest.raises(Unstorable, match=r"\[0\] is an Axes of matplotlib, which has no stored form; a figure has one"):
        shelf.put([figures.Figure().add_subplot()])
