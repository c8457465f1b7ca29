"""Params of a stored graph are restored exactly, and those of plain JSON are stored as JSON."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nbflow import GraphDefinition
from nbflow.errors import StoreError
from nbflow.session import Session
from nbflow.store.stored_graph import graph_of, text_of


class Colour(enum.Enum):
    RED = "red"


def graph(value: Any) -> GraphDefinition:
    return GraphDefinition.model_validate(
        {"name": "g", "nodes": [{"node_id": "t", "tool": "t", "params": {"v": value}}]}
    )


@pytest.mark.parametrize("value", [
    dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, tzinfo=dt.UTC), dt.timedelta(1), Decimal("1.50"), {1, 2}, b"\xff",
    complex(1, 2), {1: "a", "1": "b"}, {True: 1, "True": 2}, {"deep": [{"x": frozenset({1})}]}, float("inf"),
    Path("a/b"), {"$value": 1}, {"$value": {"$": "set", "v": [1]}}, [dt.date(2026, 1, 31), None],
], ids=repr)  # fmt: skip
def test_a_param_that_json_cannot_represent_is_restored_exactly(value: Any) -> None:
    back = graph_of(text_of(graph(value))).nodes[0].params["v"]

    assert repr(back) == repr(value)


@pytest.mark.parametrize("value", [1, "a", None, 1.5, [1, {"a": "\u03bc"}], 2**70, (1, 2), {"$": 1}], ids=repr)
def test_a_param_of_plain_json_is_stored_as_before(value: Any) -> None:
    definition = graph(value)

    assert text_of(definition) == definition.model_dump_json(exclude_unset=True, by_alias=True)
    assert "$value" not in text_of(definition)


def test_a_param_without_a_form_is_refused_by_the_store() -> None:
    with pytest.raises(StoreError, match="a param of graph 'g' has no stored form"):
        text_of(graph([object()]))
    assert "red" in text_of(graph(Colour.RED))


def test_a_damaged_param_is_named() -> None:
    text = text_of(graph({1})).replace('"set"', '"never"')

    with pytest.raises(StoreError, match="the stored param 'v' of node 't' cannot be read"):
        graph_of(text)


def test_a_run_whose_graph_is_only_stored_resumes_with_its_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBFLOW_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'runs.db'}")

    async def main(*, fails: bool, run_id: str | None = None) -> Any:
        session = Session()

        @session.tool
        async def t(v: Any) -> dict[str, Any]:
            if fails:
                raise OSError("no")
            return {"got": v}

        if run_id is None:
            session.graph("g", graph({1: dt.date(2026, 1, 31), "1": "b"}))
            run = session.start("g", durability="sync")
        else:
            run = await session.reopen(run_id)
        await run.wait()
        session.history.close()
        return run

    failed = asyncio.run(main(fails=True))
    resumed = asyncio.run(main(fails=False, run_id=failed.id))

    assert resumed.state == {"got": {1: dt.date(2026, 1, 31), "1": "b"}}
