"""A table as a terminal shows it; elsewhere as it stands.

Rule: a narrow terminal costs one column the ends of its cells, and no other column anything.
"""

from __future__ import annotations

import rich.table
from rich.text import Text

from nbflow.cli.streams import Terminal
from nbflow.tables import Table


def show_table(table: Table, *, yielding: str) -> None:
    """Print a table to standard output; the column headed `yielding` gives way where the terminal is narrow."""
    console = Terminal()
    if not console.is_terminal:
        console.print(Text(repr(Table(table.headings, table.rows))), soft_wrap=True)
        return
    drawn = rich.table.Table(box=None, pad_edge=False, header_style="bold")
    # What no row has is left out: a terminal has no room for it.
    rows, headings = table.rows, table.headings
    used = [at for at, heading in enumerate(headings) if heading == yielding or any(row[at] for row in rows)]
    for at in used:
        drawn.add_column(headings[at], no_wrap=headings[at] != yielding)
    for row in rows:
        # On the text and not on the column: only columns that may wrap are made narrower than what is in them.
        drawn.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in (row[at] for at in used)))
    console.print(drawn)
