"""Completion for shells: runs of the store, graphs of the store or of FILE.

Invariant: no cell of a notebook runs, no store is created, and nothing is printed. A shell evaluates the words that it
receives, so it receives only words without special characters.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from nbflow.program.text_file import read_text

if TYPE_CHECKING:
    from nbflow.store import Store
    from nbflow.store.rows import RunRow

MOST = 50
WAIT_S = 2.0
"""The wait for a store on a database server, in seconds."""
_PLAIN = re.compile(r"[\w.-]+")
_GRAPH_CELL = re.compile(r"\s*%%flow_graph[ \t]+([^\s;#]+)")
Offer = tuple[str, str]
Found = TypeVar("Found")


def any_run(incomplete: str) -> list[Offer]:
    """Offer the runs of the store, the newest first."""
    return _runs(incomplete, lambda _: True)


def resumable_run(incomplete: str) -> list[Offer]:
    """Offer the runs that did not complete."""
    return _runs(incomplete, lambda run: run.status != "completed")


def living_run(incomplete: str) -> list[Offer]:
    """Offer the runs that have not ended."""
    return _runs(incomplete, lambda run: run.ended is None)


def run_begun(incomplete: str) -> list[Offer]:
    """Offer runs if a part of an id was typed; otherwise the shell offers files."""
    return any_run(incomplete) if incomplete else []


def graph_of_file(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the graphs that the text of FILE shows."""
    # On an incomplete line, the words before an option without a value are in `ctx.args`.
    words = map(str, filter(None, (ctx.params.get("file"), ctx.params.get("what"), *ctx.args)))
    file = next((path for path in map(Path, words) if path.is_file()), None)
    return [] if file is None else _plain(_quietly(lambda: list(_graphs(file)), []), incomplete)


def stored_graph(incomplete: str) -> list[str]:
    """Offer the graphs of the store."""
    return _plain(dict.fromkeys(row.name for row in _asked(lambda store: store.graphs().result())), incomplete)


def _runs(incomplete: str, fits: Callable[[RunRow], bool]) -> list[Offer]:
    found = [run for run in _asked(lambda store: store.runs(limit=MOST).result()) if fits(run)]
    return [
        (run.id, f"{run.graph} {run.status}" if _PLAIN.fullmatch(run.graph) else run.status)
        for run in found
        if run.id.startswith(incomplete) and _PLAIN.fullmatch(run.id)
    ]


def _plain(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete) and _PLAIN.fullmatch(name)]


def _graphs(file: Path) -> Iterator[str]:
    text = read_text(file)
    if file.suffix == ".ipynb":
        for cell in json.loads(text)["cells"]:
            found = _GRAPH_CELL.match("".join(cell["source"]))
            if cell["cell_type"] == "code" and found:
                yield found[1]
        return
    from nbflow.notation import read_flow

    for graph in read_flow(text):
        yield graph.name or file.stem


def _asked(question: Callable[[Store], list[Any]]) -> list[Any]:
    """Return the rows of a store; an empty list if there is no store, or its server is slow."""
    from nbflow.settings import settings

    answer: list[Any] = []

    def ask() -> None:
        from nbflow.cli.store_location import opened

        with opened() as store:
            answer.extend(question(store))

    asking = Thread(target=lambda: _quietly(ask, None), daemon=True)
    asking.start()
    asking.join(WAIT_S if _quietly(lambda: settings().database_url, None) else None)
    return [*answer]


def _quietly(act: Callable[[], Found], otherwise: Found) -> Found:
    logging.disable()
    try:
        return act()
    except Exception:  # noqa: BLE001 - the command reports the error when it runs; a completion prints nothing
        return otherwise
