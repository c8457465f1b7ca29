"""Objects that a resumed run needs, and whose classes are not there: found before a tool gets a substitute of one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbflow.engine.replay import Replay
from nbflow.errors import RunStateError
from nbflow.store.codecs.classes import Substitute, substitutes_in
from nbflow.store.readable import Readable, readable
from nbflow.tools import ToolRegistry

_MOST_CLASSES = 5
"""Classes that one error names."""
_MOST_BYTES = 50_000_000
"""Size of a notebook in which a class is looked for."""


def refuse_substitutes(run_id: str, replay: Replay, registry: ToolRegistry, notebook: Path | None) -> None:
    """Refuse to go on where something still to run may read a substitute.

    Args:
        run_id: The run's.
        replay: The run up to where it goes on.
        registry: Tells what tools read.
        notebook: The file whose cells may define the classes.

    Raises:
        RunStateError: There is one; it names the key, the node, the class, and what to do, such as the cell to run.
    """
    found: dict[str, tuple[Readable, Substitute]] = {}
    for part in readable(replay.scheduler.root, registry):
        for substitute in substitutes_in(part.value):
            found.setdefault(substitute.cls, (part, substitute))
    if not found:
        return
    lines = [_line(*pair, notebook) for pair in list(found.values())[:_MOST_CLASSES]]
    more = [f"and {len(found) - _MOST_CLASSES} more classes"] if len(found) > _MOST_CLASSES else []
    raise RunStateError("\n".join([f"run {run_id} cannot go on yet:", *lines, *more]))


def _line(part: Readable, substitute: Substitute, notebook: Path | None) -> str:
    reader = "its reducer" if part.reader is None else f"node {part.reader!r}"
    return f"{reader} reads {part.key!r}, and {substitute.why}; {_cure(substitute, part.key, notebook)}"


def _cure(substitute: Substitute, key: str, notebook: Path | None) -> str:
    module, _, bare = substitute.cls[:400].rpartition(".")
    if substitute.is_known:
        return f"define it as it was then, or fork the run with a new value of {key!r}"
    if module.partition(".")[0] != "__main__":
        return f"import {module} and call nbflow.register_type({bare}), then resume again"
    return cell_to_run(substitute.cls.removeprefix("__main__.").partition(".")[0][:200], notebook)


def cell_to_run(name: str, *notebooks: Path | None) -> str:
    """Return what to do about a class or tool that is not there: run its cell, found in the first file that has it."""
    where = next(filter(None, (_where(name, each) for each in notebooks if each is not None)), "")
    return f"run the cell that defines {name}{where}, then resume again"


def _where(name: str, notebook: Path) -> str:
    """Return the last cell of a notebook that defines a name, as ` (In [3] of flows.ipynb)`; nothing without one."""
    pattern = re.compile(rf"^((async\s+)?def\s+|class\s+){re.escape(name)}\b|^{re.escape(name)}\s*=", re.MULTILINE)
    found = [label for label, source in _cells(notebook) if pattern.search(source)]
    return f" ({found[-1]} of {notebook.name})" if found else ""


def _cells(notebook: Path) -> Iterator[tuple[str, str]]:
    """Give the code cells of a notebook by what a person knows them by; none where it cannot be read."""
    try:
        if notebook.suffix != ".ipynb" or notebook.stat().st_size > _MOST_BYTES:
            return
        cells: Any = json.loads(notebook.read_text(encoding="utf-8-sig"))["cells"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return
    if not isinstance(cells, list):
        return
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    for number, cell in enumerate(code, 1):
        source, count = cell.get("source"), cell.get("execution_count")
        text = "".join(map(str, source)) if isinstance(source, list) else source
        if isinstance(text, str):
            yield f"In [{count}]" if isinstance(count, int) else f"code cell {number}", text
