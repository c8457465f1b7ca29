"""Where a store lies unless a setting names another place.

Rule: whether there is one can be known without loading a database's packages.
"""

from __future__ import annotations

from pathlib import Path

FOLDER, FILE = ".nbflow", "nbflow.db"


def default_file(folder: Path | None) -> Path:
    """Return the store's file in a folder, by default the folder of work."""
    return (folder or Path.cwd()).absolute() / FOLDER / FILE
