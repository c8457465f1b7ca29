"""Tables: rows under headings, as plain text, as HTML and as a frame of pandas.

Invariant: a cell is one line of bounded length, and its content is never interpreted as markup.
"""

from __future__ import annotations

import reprlib
import xml.etree.ElementTree as ET
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

from nbflow.secrets import hidden, mask

Row = TypeVar("Row")

_WIDEST = 120
_values = reprlib.Repr()
_values.maxlevel, _values.maxdict, _values.maxlist, _values.maxtuple = 3, 4, 4, 4
_values.maxstring = _values.maxother = _values.maxlong = 60
_values.fillvalue = "…"


class Table:
    """Rows of text under headings; `note` is a sentence below them, for example about rows that were left out."""

    def __init__(self, headings: Sequence[str], rows: Iterable[Sequence[str]], *, note: str = "") -> None:
        self.headings, self.rows, self.note = tuple(headings), [tuple(map(_line, row)) for row in rows], note

    def __repr__(self) -> str:
        lines = [self.headings, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.headings))]
        padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([*(line.rstrip() for line in padded), *([self.note] if self.note else [])])

    def _repr_html_(self) -> str:
        table = ET.Element("table")
        for tag, line in [("th", self.headings), *(("td", row) for row in self.rows)]:
            row = ET.SubElement(table, "tr")
            for cell in line:
                ET.SubElement(row, tag, {"style": "text-align:left"}).text = cell
        if self.note:
            ET.SubElement(table, "caption", {"style": "caption-side:bottom;text-align:left"}).text = self.note
        return ET.tostring(table, encoding="unicode", method="html")


class Records(list[Row], ABC):
    """A list of rows of one dataclass, which shows as a table."""

    kind: ClassVar[type]
    """The rows' dataclass."""

    @abstractmethod
    def table(self) -> Table:
        """Return the columns that a person wants to see."""

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_pandas(self) -> Any:
        """Return a DataFrame with a column for each field of the rows, secrets masked.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped]  # it has no types of its own
        except ImportError as error:
            raise ImportError("a frame of these rows needs pandas: pip install pandas") from error
        names = [field.name for field in fields(self.kind)]
        return pandas.DataFrame({name: [hidden(getattr(row, name)) for row in self] for name in names})


def shown(value: Any) -> str:
    """Return a short text of a value for a cell; the name of its type if its repr raises."""
    try:
        return mask(_values.repr(hidden(value)))
    except Exception:  # noqa: BLE001 - a value's own code may raise anything, and must not spoil the table
        return f"<{type(value).__name__}>"


def _line(text: str) -> str:
    flat = " ".join(text.split())
    flat = flat if len(flat) <= _WIDEST else flat[: _WIDEST - 1] + "…"
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in flat)
