"""Where the runs of a notebook are kept, and whether any was left unfinished there.

Rule: looking costs the cell that loads nbflow nothing: it is done on a thread, and what it finds is told beneath the
next cell.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

from nbflow import session
from nbflow.errors import StoreError
from nbflow.notebook.output import deterministic


def look_in_background(shell: Any) -> None:
    """Let runs be kept beside the notebook; open the store that lies there, which names what was left unfinished."""
    if hasattr(shell, "kernel") or hasattr(shell, "mainloop"):  # else a program runs the cells, and knows its own store
        threading.Thread(target=_look, args=(Path.cwd(),), name="nbflow-look", daemon=True).start()


def _look(folder: Path) -> None:
    history = session.current().history
    history.folder = history.folder or folder
    history.origin = history.origin or notebook_in(folder)
    if not deterministic():
        with contextlib.suppress(StoreError):  # whoever needs the store hears of it
            history.there()


def notebook_in(folder: Path) -> str | None:
    """Return what runs keep of the notebook, None where the server that started the kernel did not tell which it is."""
    from nbflow.files.origin import origin_of

    path = Path(os.environ.get("JPY_SESSION_NAME", ""))
    return origin_of(path, folder) if path.suffix == ".ipynb" and path.is_absolute() else None
