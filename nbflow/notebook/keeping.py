"""Where the runs of a notebook are kept, which notebook that is, and whether any run was left unfinished there.

Rule: looking costs the cell that loads nbflow nothing: it is done on a thread, and what it finds is told beneath the
next cell.
"""

from __future__ import annotations

import contextlib
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from nbflow import session
from nbflow.errors import NbflowError
from nbflow.notebook.output import deterministic


def look_in_background(shell: Any) -> None:
    """Let runs be kept beside the notebook; open the store that lies there, which names what was left unfinished."""
    if hasattr(shell, "kernel") or hasattr(shell, "mainloop"):  # else a program runs the cells, and knows its own store
        folder, history = Path.cwd(), session.current().history
        history.notebook = lambda: notebook_of_kernel(shell, history.folder or folder)
        threading.Thread(target=_look, args=(folder,), name="nbflow-look", daemon=True).start()


def _look(folder: Path) -> None:
    history = session.current().history
    history.folder = history.folder or folder
    with contextlib.suppress(NbflowError, ImportError):  # whoever needs the store hears of it
        history.origin = history.origin or notebook_in(folder)
        if not deterministic():
            history.there()


def notebook_in(folder: Path) -> str | None:
    """Return what runs keep of the notebook, None where the server that started the kernel did not tell which it is."""
    from nbflow.files.origin import origin_of

    path = Path(_session_name() or "")
    return origin_of(path, folder) if path.suffix == ".ipynb" and path.is_absolute() else None


def notebook_of_kernel(shell: Any, folder: Path) -> str | None:
    """Return what runs keep of the notebook whose cells a kernel runs, as `files.origin.notebook_of` says.

    Three hosts name it: VS Code sets a variable in the user's namespace, the Jupyter server a variable of the
    environment, papermill a variable in the namespace if it is asked to. None where there is none of these, or the file
    is not there: a plain kernel, or a notebook that was renamed since the kernel started.
    """
    from nbflow.files.origin import notebook_of

    names = shell.user_ns.get("__vsc_ipynb_file__"), _session_name(), shell.user_ns.get("PAPERMILL_OUTPUT_PATH")
    for name in names:
        if isinstance(name, str) and name.endswith(".ipynb") and os.path.isfile(name):  # noqa: PTH113 - bad names too
            return notebook_of(Path(name), folder)
    return None


@cache
def _session_name() -> str | None:
    """Return what the Jupyter server that started this kernel says of it, the path of its notebook as a rule.

    A kernel that was started by another kernel, such as papermill's in a cell, inherits the other's variable.
    """
    name = os.environ.get("JPY_SESSION_NAME")
    with contextlib.suppress(psutil.Error, OSError):
        if name and psutil.Process(os.getppid()).environ().get("JPY_SESSION_NAME") == name:
            return None
    return name
