"""Sources as files: reading, listing, and the one place that writes.

Invariant: what is written is the file that was read, in its own encoding and line ends, and never a part of an
installation.
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
    """Read a Python file in the encoding it declares (PEP 263; else UTF-8), its line ends as they are.

    Returns:
        `code` and `path`.

    Raises:
        OSError: There is no such file, or it cannot be read; names it.
        ToolError: Its bytes are not in the encoding it declares.
    """
    raw = Path(path).read_bytes()
    return {"code": raw_text(raw, path)[0], "path": path}


def list_sources(root: str, pattern: str = "*.py") -> dict[str, list[str]]:
    """List the files beneath a directory whose name matches, sorted.

    Hidden directories, `__pycache__` and virtual environments are left out.

    Args:
        root: The directory.
        pattern: What a file's name must match, with `*`, `?` and `[...]`.

    Returns:
        `files`, paths beginning with `root`.

    Raises:
        OSError: There is no such directory; names it.
    """
    if not Path(root).is_dir():
        os.scandir(root).close()  # raises what is the matter, with the name
    files: list[Path] = []
    for folder, names, _ in os.walk(root):
        names[:] = [name for name in names if not _skipped(Path(folder, name))]
        files += [path for path in Path(folder).glob(pattern) if path.is_file() and path.parent == Path(folder)]
    return {"files": sorted(str(path) for path in files)}


def _skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name == "__pycache__" or (folder / "pyvenv.cfg").exists()


def raw_text(raw: bytes, path: str) -> tuple[str, str]:
    """Return the text of a Python file's bytes, and the encoding it is in; line ends stay as they are."""
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
    """Return the file that may be written, symbolic links followed.

    Raises:
        ToolError: No path was given, or it lies in a Python installation or among installed packages.
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
    """Replace a file's text at once, in its encoding, line ends and mode.

    Raises:
        OSError: There is no such file, or it cannot be written.
        ToolError: The file does not hold `before` (any more), or `after` cannot be said in its encoding.
    """
    current, encoding = raw_text(path.read_bytes(), str(path))
    if _plain(current) != _plain(before):
        raise ToolError(f"{path} does not hold the text that was reviewed, so it is left alone; read it again")
    if "\r\n" in current and "\r" not in after:  # it was read with its line ends translated
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
