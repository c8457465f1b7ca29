"""A run resumes with objects of the notebook's own classes, or not at all: no tool gets a dict in their place."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nbflow.engine import Run
from nbflow.errors import RunStateError
from nbflow.json_values import plain
from nbflow.session import Session

IMPORTS = """
import attrs, enum
from dataclasses import dataclass
from pydantic import BaseModel
from typing import NamedTuple
"""
CLASSES = {
    "dataclass": "@dataclass\nclass Order:\n    n: int\n",
    "attrs class": "@attrs.define\nclass Order:\n    n: int\n",
    "model": "class Order(BaseModel):\n    n: int\n",
    "named tuple": "class Order(NamedTuple):\n    n: int\n",
    "enum": "class Order(enum.Enum):\n    ONE = 1\n",
}
MAKE = {"enum": "Order.ONE"}
CURE = "run the cell that defines Order, then resume again"


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Return a function that simulates a restarted kernel with one cell; it returns the names of its `__main__`."""

    def restart(source: str) -> dict[str, Any]:
        main = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        exec(IMPORTS + source, main.__dict__)
        return main.__dict__

    return restart


def session_of(text: str, folder: Path | None = None, **tools: Callable[..., Any]) -> Session:
    made = Session()
    for name, tool in {**TOOLS, **tools}.items():
        made.registry.register(name, tool)
    made.graph("g", text)
    made.history.folder = folder
    return made


def failed(text: str, output: dict[str, Any], **tools: Callable[..., Any]) -> str:
    """Run a graph whose node `make` returns an output, and whose node `wait` fails; return the run's id."""
    made = session_of(text, **{"make": lambda: output, "wait": breaks, **tools})

    async def main() -> Run:
        run = made.start("g", {})
        await run.wait()
        return run

    run = asyncio.run(main())
    assert run.result is not None
    assert run.result.error is not None
    made.history.close()
    return run.id


def resume(made: Session, run_id: str, **options: Any) -> Run:
    try:
        return asyncio.run(made.resume(run_id, **options))
    finally:
        made.history.close()


def breaks() -> dict[str, Any]:
    raise ValueError("not yet")


def passes() -> dict[str, Any]:
    return {}


def reads(order: Any) -> dict[str, str]:
    return {"seen": repr(order)}


def whole(state: dict[str, Any]) -> dict[str, Any]:
    return {"seen": repr(state["order"])}


def collects(items: list[Any]) -> dict[str, Any]:
    return {"seen": repr(items)}


TOOLS: dict[str, Callable[..., Any]] = {
    "make": passes, "wait": passes, "passes": passes, "reads": reads, "whole": whole, "collects": collects,
}  # fmt: skip


@pytest.mark.parametrize("sort", CLASSES)
def test_a_resume_stops_before_a_tool_gets_a_substitute_and_succeeds_once_the_cell_has_run(
    sort: str, cell: Callable[[str], dict[str, Any]]
) -> None:
    then = cell(CLASSES[sort])
    made = eval(MAKE.get(sort, "Order(n=1)"), then)
    text = "make -> wait -> reads"
    run_id = failed(text, {"order": made})

    cell("")
    with pytest.raises(RunStateError) as stopped:
        resume(session_of(text), run_id)
    cell(CLASSES[sort])
    run = resume(session_of(text), run_id)

    assert str(stopped.value) == (
        f"run {run_id} cannot resume yet:\nnode 'reads' reads 'order', and {sort} '__main__.Order' is not known here; {CURE}"
    )
    assert run.state["seen"] == repr(made)


PLACES: dict[str, Callable[[Any], Any]] = {
    "list": lambda order: [1, [order]],
    "dict": lambda order: {"deep": {"in": order}},
    "tuple": lambda order: (order,),
    "key": lambda order: {order: 1},
    "set": lambda order: {order},
}


@pytest.mark.parametrize("place", PLACES)
def test_an_object_is_found_at_any_depth_of_a_value(place: str, cell: Callable[[str], dict[str, Any]]) -> None:
    order = cell("@dataclass(frozen=True)\nclass Order:\n    n: int\n")["Order"](1)
    text = "make -> wait -> reads"
    run_id = failed(text, {"order": PLACES[place](order)})

    cell("")
    with pytest.raises(RunStateError, match=r"node 'reads' reads 'order', and dataclass '__main__\.Order'"):
        resume(session_of(text), run_id)


def test_an_object_in_a_cell_of_a_frame_is_found(cell: Callable[[str], dict[str, Any]]) -> None:
    pandas = pytest.importorskip("pandas")
    order = cell(CLASSES["dataclass"])["Order"](1)
    frame = pandas.DataFrame({"a": [1, 2], "order": pandas.Series([None, order], dtype=object)})
    text = "make -> wait -> reads"
    run_id = failed(text, {"order": frame})

    cell("")
    with pytest.raises(RunStateError, match="node 'reads' reads 'order'"):
        resume(session_of(text), run_id)


READERS = {
    "state": ("make -> wait -> whole", "'whole'"),
    "condition": ("make -> wait\nwait -> passes if order != 1 else END", "'wait'"),
    "map": ("many = reads [map=orders, as=order]\nmake -> wait -> many", "'many'"),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_of_the_object_stops_the_resume(reader: str, cell: Callable[[str], dict[str, Any]]) -> None:
    order = cell(CLASSES["dataclass"])["Order"](1)
    text, name = READERS[reader]
    run_id = failed(text, {"order": order, "orders": [order]})

    cell("")
    with pytest.raises(RunStateError, match=f"node {name} reads 'orders?', and dataclass '__main__\\.Order'"):
        resume(session_of(text), run_id)


def test_results_of_a_maps_items_that_ended_are_looked_at(cell: Callable[[str], dict[str, Any]]) -> None:
    order = cell(CLASSES["dataclass"])["Order"](1)
    text = "items = one [map=numbers, as=number, limit=1]\nmake -> items -> collects"

    def one(number: int) -> Any:
        return breaks() if number else order

    run_id = failed(text, {"numbers": [0, 1]}, wait=passes, one=one)

    cell("")
    with pytest.raises(RunStateError, match="node 'collects' reads 'items'"):
        resume(session_of(text, one=lambda number: number), run_id)


def test_an_object_that_nothing_still_to_run_reads_is_no_reason_to_stop(
    cell: Callable[[str], dict[str, Any]],
) -> None:
    order = cell(CLASSES["dataclass"])["Order"](1)
    text = "make -> wait -> passes"
    run_id = failed(text, {"order": order})

    cell("")
    run = resume(session_of(text), run_id)

    assert run.state["order"] == {"n": 1}


def test_what_a_fork_stores_of_a_substitute_is_the_object(cell: Callable[[str], dict[str, Any]]) -> None:
    order = cell(CLASSES["dataclass"])["Order"](1)
    text = "make -> wait -> passes -> reads"
    run_id = failed(text, {"order": order})

    cell("")
    forked = resume(session_of("make -> wait -> passes"), run_id, at="wait", state={"more": 1})
    now = cell(CLASSES["dataclass"])
    stored = Session()
    read = stored.read(forked.id)
    stored.history.close()

    assert read.state["order"] == now["Order"](1)


def test_a_class_whose_fields_changed_stops_the_resume_too(cell: Callable[[str], dict[str, Any]]) -> None:
    order = cell(CLASSES["dataclass"])["Order"](1)
    text = "make -> wait -> reads"
    run_id = failed(text, {"order": order})

    cell("@dataclass\nclass Order:\n    number: int\n")
    with pytest.raises(
        RunStateError, match="define the class with its former fields, or fork the run with a new value of 'order'"
    ):
        resume(session_of(text), run_id)
    run = resume(session_of(text), run_id, at="wait", state={"order": 7})

    assert run.state["seen"] == "7"


def test_the_cell_of_the_notebook_that_defines_the_class_is_named(
    cell: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    order = cell(CLASSES["dataclass"])["Order"](1)
    text = "make -> wait -> reads"
    run_id = failed(text, {"order": order})
    cells = [
        {"cell_type": "markdown", "source": "class Order"},
        {"cell_type": "code", "source": ["%load_ext nbflow\n"], "execution_count": 1},
        {"cell_type": "code", "source": ["@dataclass\n", "class Order:\n", "    n: int"], "execution_count": 7},
    ]
    (tmp_path / "flows.ipynb").write_text(json.dumps({"cells": cells}))

    cell("")
    again = session_of(text, folder=tmp_path)
    again.history.notebook = lambda: "flows.ipynb"
    with pytest.raises(
        RunStateError, match=r"run the cell that defines Order \(In \[7\] of flows.ipynb\), then resume"
    ):
        resume(again, run_id)


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 1}', '{"cells": [1, {"cell_type": "code"}]}', "{"])
def test_a_notebook_that_cannot_be_read_names_no_cell(
    content: str, cell: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    order = cell(CLASSES["dataclass"])["Order"](1)
    text = "make -> wait -> reads"
    run_id = failed(text, {"order": order})
    (tmp_path / "flows.ipynb").write_text(content)

    cell("")
    again = session_of(text, folder=tmp_path)
    again.history.notebook = lambda: "flows.ipynb"
    with pytest.raises(RunStateError, match=CURE):
        resume(again, run_id)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_object_has_the_same_form_in_json_where_its_class_is_not_known(
    kind: str, cell: Callable[[str], dict[str, Any]]
) -> None:
    made = eval(MAKE.get(kind, "Order(n=1)"), cell(CLASSES[kind]))
    run_id = failed("make -> wait", {"order": made})
    known = plain(made)

    cell("")
    read = Session().read(run_id)

    assert plain(read.state["order"]) == known
