"""Read text files in UTF-8, or in the encoding of their byte-order mark.

Invariant: a byte-order mark determines the encoding and is not part of the text; without one the encoding is UTF-8.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from nbflow.errors import NbflowError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before the mark of UTF-16, which is its prefix
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class FileError(NbflowError):
    """A file cannot be read; `problem` says why."""

    def __init__(self, path: Path, problem: str, *, separator: str = ": ") -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}{separator}{problem}")


def check_there(path: Path) -> None:
    """Refuse a path where there is no file.

    Raises:
        NbflowError: It is a folder, or there is nothing.
    """
    if path.is_dir():
        raise NbflowError(f"{str(path)!r} is a folder; give a notebook, a .flow text or a graph in JSON")
    if not path.is_file():
        raise NbflowError(f"no file {str(path)!r} here; give a notebook, a .flow text or a graph in JSON")


def read_text(path: Path) -> str:
    """Return the text of a file, without its byte-order mark.

    Raises:
        FileError: The file cannot be opened, or is not text in the encoding of its mark, or in UTF-8 without one.
    """
    try:
        raw = path.read_bytes()
    except IsADirectoryError:
        raise FileError(path, "is a folder, and a file is needed") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise FileError(path, f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    mark, encoding = next((pair for pair in _MARKS if raw.startswith(pair[0])), (b"", "utf-8"))
    try:
        return raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        place = error.start + len(mark)
        name = encoding[:6].rstrip("-").upper()
        raise FileError(path, f"is not text in {name}: byte {place} cannot be read") from error
