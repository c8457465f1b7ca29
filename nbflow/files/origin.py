"""The file that a stored run was started from, which gives its tools when it goes on.

Invariant: a store is data, and whoever sends one must not choose what code runs. Only a notebook, a `.flow` text or a
graph in JSON beside the store is used, and never anything that comes with the store itself.
"""

from __future__ import annotations

import os.path
from pathlib import Path

from nbflow.errors import NbflowError
from nbflow.store.places import FOLDER

_ENDINGS = (".ipynb", ".flow", ".json")


def origin_of(file: Path, folder: Path) -> str | None:
    """Return what a run keeps of the file it is started from.

    That is its path from `folder` where the store lies there, None for a file that lies elsewhere. In a database that a
    setting names it is the whole path: other projects keep their runs there too, and have files of the same names. It
    is the same after a restart and on every machine that has the project at that place; links are not followed, as
    releases are often changed by one.
    """
    from nbflow.settings import settings

    if settings().database_url is not None:
        return Path(os.path.abspath(file)).as_posix()  # noqa: PTH100 - `resolve` follows links
    file, folder = file.absolute(), folder.absolute()
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else None


def notebook_of(file: Path, folder: Path) -> str:
    """Return what a run keeps of the notebook that it is started in.

    That is the notebook's path from `folder` where the store lies there, and its whole path for a notebook that lies
    elsewhere or a database that a setting names.
    """
    return origin_of(file, folder) or Path(os.path.abspath(file)).as_posix()  # noqa: PTH100 - `resolve` follows links


def file_of(origin: str, folder: Path) -> Path:
    """Return the file of a stored run, whose store lies in `folder`.

    Raises:
        NbflowError: It is not there, lies elsewhere, or is of another kind.
    """
    told = f"its file {origin[:200]!r} is not used, as it"
    home = folder.resolve()
    try:
        path = (home / origin).resolve()
        inside = path.is_relative_to(home)
        hidden = path.is_relative_to((home / FOLDER).resolve())
        there = path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise NbflowError(f"{told} cannot be looked for: {error}") from error
    if not inside or hidden:
        raise NbflowError(f"{told} does not lie beside the store, in {home}")
    if path.suffix not in _ENDINGS:
        raise NbflowError(f"{told} ends in none of {', '.join(_ENDINGS)}")
    if not there:
        raise NbflowError(f"{told} is not in {home}")
    return path
