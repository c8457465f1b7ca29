"""Read, list and write files of Python source.

Invariant: a file is replaced only if it still contains the text that was read, in its encoding and with its line ends,
and never if it is part of a Python installation. No other module of this package writes files.
"""

import os
import shutil
import site
import sys
import sysconfig
import tempfile
from pathlib import Path

from nbflow.errors import ToolError


def read_source(path: str) -> dict[str, str]:
    """Read a Python file in the encoding that it declares (PEP 263), by default UTF-8, without changing line ends.

    Returns:
        `code`, the text, and `path`.

    Raises:
        OSError: The file does not exist or cannot be read; the error has its name.
        ToolError: Its bytes are not valid in its encoding.
    """
    raw = Path(path).read_bytes()
    return {"code": raw_text(raw, path)[0], "path": path}


def list_sources(root: str, pattern: str = "*.py") -> dict[str, list[str]]:
    """List the files in a directory and its subdirectories whose names match a pattern, sorted.

    Hidden directories, `__pycache__` and virtual environments are left out.

    Args:
        root: The directory.
        pattern: The pattern for names of files, with `*`, `?` and `[...]`.

    Returns:
        `files`, paths that start with `root`.

    Raises:
        OSError: The directory does not exist; the error has its name.
    """
    if not Path(root).is_dir():
        os.scandir(root).close()  # raises the error of the system, with the name
    files: list[Path] = []
    for folder, names, _ in os.walk(root):
        names[:] = [name for name in names if not _skipped(Path(folder, name))]
        files += [path for path in Path(folder).glob(pattern) if path.is_file() and path.parent == Path(folder)]
    return {"files": sorted(str(path) for path in files)}


def _skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name == "__pycache__" or (folder / "pyvenv.cfg").exists()


def raw_text(raw: bytes, path: str) -> tuple[str, str]:
    """Return the text of a Python file's bytes, with its line ends, and the name of its encoding.

    Raises:
        ToolError: The bytes are not valid in the encoding.
    """
    import io
    import tokenize

    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return raw.decode(encoding), encoding
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise ToolError(
            f"{path} cannot be read as Python source: {error}; "
            "declare its encoding in its first line, such as '# -*- coding: latin-1 -*-', or save it as UTF-8"
        ) from error


def writable(path: str | None) -> Path:
    """Return the file to write for a path, following symbolic links.

    Raises:
        ToolError: There is no path, or it is in a Python installation or among installed packages.
    """
    if not path:
        raise ToolError("write=True needs the file's name: give 'path' in the state, or leave write out")
    target = Path(path).resolve()
    inside = next((root for root in _installations() if target.is_relative_to(root)), None)
    if inside is None and {"site-packages", "dist-packages"}.isdisjoint(target.parts):
        return target
    raise ToolError(
        f"{path} is part of a Python installation ({inside or 'installed packages'}) and is never written; "
        "copy it elsewhere, or leave write out: the changed text is in the state under 'code'"
    )


def _installations() -> set[Path]:
    paths = sysconfig.get_paths()
    roots = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, site.getusersitepackages()]
    roots += [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    return {Path(root).resolve() for root in roots}


def write_source(path: Path, before: str, after: str) -> None:
    """Replace the text of a file atomically; its encoding, line ends and mode stay the same.

    Args:
        path: The file.
        before: The text that it must still contain.
        after: The new text.

    Raises:
        OSError: The file does not exist or cannot be written.
        ToolError: The file contains another text, or its encoding cannot express `after`.
    """
    current, encoding = raw_text(path.read_bytes(), str(path))
    if _plain(current) != _plain(before):
        raise ToolError(f"{path} does not contain the text that was reviewed, so it was not changed; read it again")
    if "\r\n" in current and "\r" not in after:  # `before` was read with translated line ends
        after = after.replace("\n", "\r\n")
    try:
        data = after.removeprefix("\ufeff").encode(encoding)
    except UnicodeEncodeError as error:
        raise ToolError(f"the fixed text of {path} cannot be written in its encoding: {error}") from error
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as copy:
        copy.write(data)
    try:
        shutil.copymode(path, copy.name)
        Path(copy.name).replace(path)
    except OSError:
        Path(copy.name).unlink()
        raise


def _plain(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
