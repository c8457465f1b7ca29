"""Read the code cells of a notebook file, and decide which of them to skip.

Cells that start, steer or serve a run are skipped, since the caller decides what runs; so are cells that use a name
which only a skipped cell sets.

Invariant: every skipped cell is reported with a reason.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbflow.errors import NbflowError, name_list
from nbflow.files.reading import CellReading
from nbflow.files.text import FileError, read_text

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
        text = read_text(path)
    except FileError as error:
        raise NotebookError(path, error.problem) from error
    notebook = _notebook(path, text)
    language = _language(notebook["metadata"])
    if language.lower() not in ("python", "ipython"):
        raise NotebookError(path, f"is a notebook in {language!r}; nbflow runs Python notebooks")
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["source"].strip()]


def _language(metadata: Mapping[str, Any]) -> str:
    """Return the language of a notebook; Python where its metadata name none."""
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        told = metadata.get(part)
        if isinstance(told, Mapping) and isinstance(told.get(key), str) and told[key]:
            return str(told[key])
    return "python"


def _notebook(path: Path, text: str) -> dict[str, Any]:
    """Return a notebook of any form in that of today.

    What nbformat loads to check a file may take longer than all else that is done with it, so it judges only what is
    not plainly of the form that all are written in today.

    Raises:
        NotebookError: The text is not a notebook.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise NotebookError(path, "is not a notebook: it is nested too deeply") from None
    except ValueError as error:
        raise NotebookError(path, f"is not a notebook: it is no JSON: {error}") from error
    if not isinstance(data, Mapping):
        raise NotebookError(path, f"is not a notebook: it holds {type(data).__name__}, and a notebook is an object")
    if data.get("nbformat") != FORMAT:
        return _converted(path, text)
    try:
        return _checked(data)
    except ValueError as error:
        return _converted(path, text, str(error))


def _checked(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook of today's form with the source of each cell as one text.

    Raises:
        ValueError: It is not of that form.
    """
    cells, metadata = notebook.get("cells"), notebook.get("metadata")
    if not isinstance(metadata, Mapping):
        raise ValueError("its metadata are no object")
    if not isinstance(cells, list):
        raise ValueError("its cells are no list")
    return {"metadata": {**metadata}, "cells": [_cell(number, cell) for number, cell in enumerate(cells, 1)]}


def _cell(number: int, cell: Any) -> dict[str, Any]:
    if not isinstance(cell, Mapping):
        raise ValueError(f"its cell {number} is no object")
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    faults = (
        (not isinstance(cell.get("cell_type"), str), "'cell_type' is no text"),
        (not isinstance(cell.get("metadata"), Mapping), "'metadata' is no object"),
        (not isinstance(source, str), "'source' is neither a text nor a list of texts"),
    )
    if problem := next((text for is_so, text in faults if is_so), None):
        raise ValueError(f"{problem} in its cell {number}")
    return {**cell, "source": source}


def _converted(path: Path, text: str, fault: str | None = None) -> dict[str, Any]:
    """Return a notebook that nbformat can read in today's form; `fault` is what is known to be wrong with it.

    Raises:
        NotebookError: nbformat cannot read it.
    """
    import nbformat

    logger = logging.getLogger("traitlets")  # where nbformat reports what it reads all the same
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _checked(nbformat.reads(text, as_version=FORMAT))  # type: ignore[no-untyped-call]
    except Exception as error:  # of odd data nbformat raises whatever its code meets first
        told = fault or f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
        raise NotebookError(path, f"is not a notebook: {told}") from error
    finally:
        logger.disabled = disabled


class Sifting:
    """Decides for the cells of a notebook, in order, which to skip."""

    def __init__(self) -> None:
        self._missing: set[str] = set()
        self._starters: set[str] = set()

    def reason(self, cell: Mapping[str, Any], reading: CellReading) -> str | None:
        """Return the reason to skip a cell, or None to run it."""
        tags = cell["metadata"].get("tags")
        if isinstance(tags, list) and SKIP_TAG in tags:
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
