"""The list of all commands.

A command's module is imported when the command is used, because the imports of one would slow down all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

_MODULES = {
    "run": "nbflow.cli.run",
    "resume": "nbflow.cli.run",
    "cancel": "nbflow.cli.runs",
    "runs": "nbflow.cli.runs",
    "export": "nbflow.cli.graphs",
    "show": "nbflow.cli.graphs",
    "serve": "nbflow.cli.serve",
    "db": "nbflow.cli.db",
}


class OnDemand(Mapping[str, Any]):
    """The commands by name, each created at its first lookup."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(getattr(import_module(_MODULES[name]), name))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


class Commands(TyperGroup):
    """All commands as one."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = OnDemand()  # type: ignore[assignment]  # no command is added to it


def _command(home: Any) -> Any:
    """Return the command for a function, or for a group of commands, as a member of the main group."""
    if isinstance(home, typer.Typer):
        alone = home
    else:
        alone = _group(add_completion=False)
        alone.command()(home)
    return typer.main.get_command(alone)


def _group(**given: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False, **given)


app = _group(
    cls=Commands, name="nbflow", help="Run, resume and draw nbflow graphs from a terminal.", no_args_is_help=True
)


@app.callback()
def _all() -> None:
    pass
