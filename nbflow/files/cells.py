"""Read the code cells of a notebook file, and decide which of them to skip.

Cells that start, steer or serve a run are skipped, since the caller decides what runs; so are cells that use a name
which only a skipped cell sets.

Invariant: every skipped cell is reported with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbflow.errors import NbflowError, name_list
from nbflow.files.reading import CellReading

SKIP_TAG = "nbflow-skip"
FORMAT = 4


class NotebookError(NbflowError):
    """A notebook file cannot be used; `cell` is the number of the cell that failed, or None."""

    def __init__(self, path: Path, problem: str, *, cell: int | None = None) -> None:
        self.path, self.cell = path, cell
        super().__init__(f"{path.name}, cell {cell}: {problem}" if cell else f"{path}: {problem}")


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the code cells of a Python notebook, without empty ones.

    Raises:
        NotebookError: The file cannot be read, or is no Python notebook.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotebookError(path, f"cannot be opened: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise NotebookError(path, f"is not a notebook: {error}") from error
    notebook = _read_current_format(text) or _converted(path, text)
    metadata = notebook["metadata"]
    language = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name", "python")
    if language.lower() not in ("python", "ipython"):
        raise NotebookError(path, f"is a notebook in {language!r}; nbflow runs Python notebooks")
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["source"].strip()]


def _read_current_format(text: str) -> dict[str, Any] | None:
    """Return a notebook in the current format (nbformat 4), or None if nbformat must convert or check it.

    This avoids importing nbformat and its JSON schema validator, which takes longer than reading the notebook.
    """
    try:
        notebook = json.loads(text)
        if notebook["nbformat"] != FORMAT:
            return None
        cells = [{**cell, "source": "".join(cell["source"])} for cell in notebook["cells"]]
        plain = all(isinstance(part["metadata"], dict) and "cell_type" in part for part in cells)
        return {"metadata": {**notebook["metadata"]}, "cells": cells} if plain else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _converted(path: Path, text: str) -> dict[str, Any]:
    """Return a notebook of any format, converted to nbformat 4.

    Raises:
        NotebookError: The text is not a notebook.
    """
    import nbformat

    malformed = (nbformat.reader.NotJSONError, nbformat.ValidationError, KeyError, AttributeError, RecursionError)
    try:
        notebook: dict[str, Any] = nbformat.reads(text, as_version=FORMAT)  # type: ignore[no-untyped-call]
    except malformed as error:
        raise NotebookError(path, f"is not a notebook: {str(error).splitlines()[0]}") from error
    return notebook


class Sifting:
    """Decides for the cells of a notebook, in order, which to skip."""

    def __init__(self) -> None:
        self._missing: set[str] = set()
        self._starters: set[str] = set()

    def reason(self, cell: Mapping[str, Any], reading: CellReading) -> str | None:
        """Return the reason to skip a cell, or None to run it."""
        if SKIP_TAG in cell["metadata"].get("tags", []):
            return f"it is tagged {SKIP_TAG}"
        if reading.run_call:
            return f"it has {reading.run_call}"
        if called := sorted(reading.reads & self._starters):
            return f"it uses {name_list(called)}, which starts a run"
        if absent := sorted(reading.reads & self._missing):
            return f"it reads {name_list(absent)}, set only by a cell that was left out"
        return None

    def leave_out(self, reading: CellReading, known: Iterable[str]) -> None:
        """Record that a cell is skipped; `known` are the names set by the cells that ran."""
        self._missing |= reading.sets - set(known)

    def keep(self, reading: CellReading) -> None:
        """Record that a cell will run."""
        self._starters |= reading.starters

    def have(self, known: Iterable[str]) -> None:
        """Record the names that are set by now."""
        self._missing -= set(known)
