"""The cells of a notebook file, and which of them define something.

Invariant: left out are cells whose work is a run, as what they would start is for the caller to start, and cells that
need what only such a cell sets. Which these are, and why, is told.
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
    """A notebook file cannot be used; `cell` is the number of the cell at fault, or None."""

    def __init__(self, path: Path, problem: str, *, cell: int | None = None) -> None:
        self.path, self.cell = path, cell
        super().__init__(f"{path.name}, cell {cell}: {problem}" if cell else f"{path}: {problem}")


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the cells of a Python notebook that have code.

    Raises:
        NotebookError: The file is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotebookError(path, f"cannot be opened: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise NotebookError(path, f"is no notebook: {error}") from error
    notebook = _plainly_read(text) or _converted(path, text)
    metadata = notebook["metadata"]
    language = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name", "python")
    if language.lower() not in ("python", "ipython"):
        raise NotebookError(path, f"is a notebook in {language!r}; nbflow runs Python notebooks")
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["source"].strip()]


def _plainly_read(text: str) -> dict[str, Any] | None:
    """Return a notebook that is plainly of the form that all are written in today; None where nbformat is to judge.

    What nbformat loads to check a file may take longer than all else that is done with it.
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
    """Return a notebook of any form in that of today.

    Raises:
        NotebookError: It is none.
    """
    import nbformat

    malformed = (nbformat.reader.NotJSONError, nbformat.ValidationError, KeyError, AttributeError, RecursionError)
    try:
        notebook: dict[str, Any] = nbformat.reads(text, as_version=FORMAT)  # type: ignore[no-untyped-call]
    except malformed as error:
        raise NotebookError(path, f"is no notebook: {str(error).splitlines()[0]}") from error
    return notebook


class Sifting:
    """Goes through the cells of a notebook in their order, and tells which to leave out."""

    def __init__(self) -> None:
        self._missing: set[str] = set()
        self._starters: set[str] = set()

    def reason(self, cell: Mapping[str, Any], reading: CellReading) -> str | None:
        """Return why a cell is to be left out, None if it is not."""
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
        """Note that a cell was left out; `known` are the names that others have set."""
        self._missing |= reading.sets - set(known)

    def keep(self, reading: CellReading) -> None:
        """Note that a cell is about to run."""
        self._starters |= reading.starters

    def have(self, known: Iterable[str]) -> None:
        """Note which names are set by now."""
        self._missing -= set(known)
