"""The cells of a shell: which cell contains a piece of code, and what each cell has defined and shown.

Invariant: a cell is identified by the id in the execute request, since its number changes whenever it runs.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any


class Cells:
    """The cells that have run in a shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._ids: dict[int, str | None] = {}
        self._defined: dict[tuple[str, str], dict[str, Hashable]] = {}
        self._shown: dict[str, tuple[int, list[Any]]] = {}
        self._running: list[tuple[str | None, str]] = []

    @property
    def current_id(self) -> str | None:
        """The id of the running cell; None if none runs, or if the front end sends no ids."""
        return self._running[-1][0] if self._running else None

    @property
    def current_text(self) -> str:
        """The text of the running cell; empty if none runs."""
        return self._running[-1][1] if self._running else ""

    @property
    def number(self) -> int:
        """The number of the running cell, or of the last one."""
        return int(self._shell.displayhook.prompt_count)

    def install(self) -> None:
        """Register the hooks that record which cell runs."""
        self._shell.events.register("pre_run_cell", self._enter)
        self._shell.events.register("post_run_cell", self._leave)

    def uninstall(self) -> None:
        """Remove the hooks."""
        self._shell.events.unregister("pre_run_cell", self._enter)
        self._shell.events.unregister("post_run_cell", self._leave)

    def _enter(self, info: Any) -> None:
        # A cell inside a cell (%%capture) has no id: it belongs to the outer one.
        cell_id = getattr(info, "cell_id", None) or self.current_id
        self._running.append((cell_id, info.raw_cell or ""))
        self._ids[self.number] = cell_id

    def _leave(self, _result: Any) -> None:
        if self._running:  # empty at the end of the cell that loads the extension
            self._running.pop()

    def locate(self, filename: str, line: int) -> dict[str, Any] | None:
        """Return the cell of a compiled file name and line, as `{"label", "cell_id"}`; None if it is not a cell."""
        named = self._shell.compile.format_code_name(filename)
        number = re.fullmatch(r"In\[(\d+)\]", named[1]) if named else None
        if number is None:
            return None
        return {"label": f"Cell [{number[1]}], line {line}", "cell_id": self._ids.get(int(number[1]))}

    def outdated(self, kind: str, defined: dict[str, Hashable]) -> dict[str, Hashable]:
        """Record the definitions of the running cell; return those of its earlier run that it no longer defines.

        Args:
            kind: `tool` or `graph`, which have separate names.
            defined: The definitions by name. The caller compares the returned values with the current definitions, so
                that it removes only those that the cell made.
        """
        if self.current_id is None:
            return {}
        key = (self.current_id, kind)
        before, self._defined[key] = self._defined.get(key, {}), defined
        return {name: mark for name, mark in before.items() if name not in defined}

    def replaced(self, shown: Any) -> list[Any]:
        """Record an output of the running cell; return the outputs of its earlier run, which the page has removed."""
        if self.current_id is None:
            return []
        last, outputs = self._shown.get(self.current_id, (self.number, []))
        same_run, earlier = (outputs, []) if last == self.number else ([], outputs)
        self._shown[self.current_id] = (self.number, [*same_run, shown])
        return earlier
