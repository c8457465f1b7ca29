"""Knows which cell a piece of code came from, and what each cell has defined.

Rule: a cell is known by the id in the execute request; its number changes with every run.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any


class Cells:
    """The cells run in this shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._ids: dict[int, str | None] = {}
        self._defined: dict[tuple[str, str], dict[str, Hashable]] = {}
        self._shown: dict[str, tuple[int, list[Any]]] = {}
        self._running: list[tuple[str | None, str]] = []

    @property
    def current_id(self) -> str | None:
        """The running cell's id; None where none runs, or the front end sends no ids."""
        return self._running[-1][0] if self._running else None

    @property
    def current_text(self) -> str:
        """The running cell's text."""
        return self._running[-1][1] if self._running else ""

    @property
    def number(self) -> int:
        """The running cell's number, else the last one's."""
        return int(self._shell.displayhook.prompt_count)

    def install(self) -> None:
        """Begin to note which cell runs."""
        self._shell.events.register("pre_run_cell", self._enter)
        self._shell.events.register("post_run_cell", self._leave)

    def uninstall(self) -> None:
        """Stop noting."""
        self._shell.events.unregister("pre_run_cell", self._enter)
        self._shell.events.unregister("post_run_cell", self._leave)

    def _enter(self, info: Any) -> None:
        # A cell inside a cell (%%capture) comes without an id: it belongs to the outer one.
        cell_id = getattr(info, "cell_id", None) or self.current_id
        self._running.append((cell_id, info.raw_cell or ""))
        self._ids[self.number] = cell_id

    def _leave(self, _result: Any) -> None:
        if self._running:  # the cell that loaded us had begun before
            self._running.pop()

    def locate(self, filename: str, line: int) -> dict[str, Any] | None:
        """Return the cell that a compiled file name stands for, as `{"label", "cell_id"}`; None if it is no cell's."""
        named = self._shell.compile.format_code_name(filename)
        number = re.fullmatch(r"In\[(\d+)\]", named[1]) if named else None
        if number is None:
            return None
        return {"label": f"Cell [{number[1]}], line {line}", "cell_id": self._ids.get(int(number[1]))}

    def outdated(self, kind: str, defined: dict[str, Hashable]) -> dict[str, Hashable]:
        """Note what the running cell defines; return what its earlier run defined and this one does not.

        Args:
            kind: `tool` or `graph`: each has names of its own.
            defined: What this run defines: a mark for each name, by which the caller knows its own work again.
        """
        if self.current_id is None:
            return {}
        key = (self.current_id, kind)
        before, self._defined[key] = self._defined.get(key, {}), defined
        return {name: mark for name, mark in before.items() if name not in defined}

    def gone(self, shown: Any) -> list[Any]:
        """Note what the running cell shows; return what its earlier run showed, which the page has dropped since."""
        if self.current_id is None:
            return []
        last, things = self._shown.get(self.current_id, (self.number, []))
        kept, gone = (things, []) if last == self.number else ([], things)
        self._shown[self.current_id] = (self.number, [*kept, shown])
        return gone
