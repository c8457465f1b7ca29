"""Execute the notebooks in place, with the outputs to commit: `python tests/execute_notebooks.py`.

Invariant: outputs contain nothing that differs from run to run, and no widget state (a page without a kernel shows the
picture). Runs stay in memory, so that no earlier run is listed and no file remains.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
ENVIRONMENT = {
    "NBFLOW_DETERMINISTIC": "1",
    "NBFLOW_DURABILITY": "async",
    "NBFLOW_DATABASE_URL": "sqlite+aiosqlite://",
}


def execute(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ |= ENVIRONMENT
    for found in sorted(NOTEBOOKS.glob("*.ipynb")):
        execute(found)
