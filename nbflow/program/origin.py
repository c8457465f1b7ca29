"""Find the file that a stored run was started from, which provides the tools when the run is resumed.

Invariant: a store is data and cannot choose which code runs, even if it comes from another person. The file must be a
notebook, a `.flow` text or a JSON graph in the folder of the store, and not in the store's own folder.
"""

from __future__ import annotations

import os.path
from pathlib import Path

from nbflow.errors import NbflowError
from nbflow.store.location import FOLDER

_ENDINGS = (".ipynb", ".flow", ".json")


def origin_of(file: Path, folder: Path) -> str | None:
    """Return the path to store with a run that is started from `file`, or None for a file outside `folder`.

    The path is relative to `folder`, the folder of the store. If a setting names the database, it is absolute, since
    other projects store runs in the same database and may have files of the same names. Symbolic links are not
    followed, because deployments often switch releases by one; so the path is the same after a restart and on every
    machine with the project at the same path.
    """
    from nbflow.settings import settings

    if settings().database_url is not None:
        return Path(os.path.abspath(file)).as_posix()  # noqa: PTH100 - `resolve` follows links
    file, folder = file.absolute(), folder.absolute()
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else None


def notebook_of(file: Path, folder: Path) -> str:
    """Return the path to store with a run that is started in the notebook `file`.

    The path is relative to `folder`, the folder of the store; it is absolute for a notebook outside it, or if a setting
    names the database.
    """
    return origin_of(file, folder) or Path(os.path.abspath(file)).as_posix()  # noqa: PTH100 - `resolve` follows links


def file_of(origin: str, folder: Path) -> Path:
    """Return the file that a stored run was started from.

    Args:
        origin: The path stored with the run.
        folder: The folder of the store.

    Raises:
        NbflowError: The file does not exist, is outside `folder`, or is of another kind.
    """
    refused = f"its file {origin[:200]!r} is not used, as it"
    home = folder.resolve()
    try:
        path = (home / origin).resolve()
        inside = path.is_relative_to(home)
        hidden = path.is_relative_to((home / FOLDER).resolve())
        exists = path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise NbflowError(f"{refused} cannot be searched: {error}") from error
    if not inside or hidden:
        raise NbflowError(f"{refused} does not lie beside the store, in {home}")
    if path.suffix not in _ENDINGS:
        raise NbflowError(f"{refused} ends in none of {', '.join(_ENDINGS)}")
    if not exists:
        raise NbflowError(f"{refused} is not in {home}")
    return path
