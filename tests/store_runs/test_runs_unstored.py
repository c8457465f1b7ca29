"""Values that no store can keep: what a resumed run does about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nbflow.engine import Run
from nbflow.errors import NodeError, StoreError
from nbflow.session import Session
from nbflow.state import Unstored


class Connection:
    """Has no stored form, and compares by what it holds."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class Setting:
    """Sessions on one store, as one process after the other has them; `calls` counts what ran in all."""

    def __init__(self, tools: dict[str, Callable[..., Any]], text: str) -> None:
        self.tools, self.text = tools, text
        self.broken = True

    def session(self) -> Session:
        session = Session()
        for name, function in self.tools.items():
            session.registry.register(name, function)
        session.graph("g", self.text)
        return session

    def failed(self, state: dict[str, Any], **options: Any) -> Run:
        async def main() -> Run:
            session = self.session()
            run = session.start("g", state, **options)
            await run.wait()
            session.history.close()
            return run

        return asyncio.run(main())

    def resumed(self, run_id: str) -> tuple[Run, list[str]]:
        async def main() -> tuple[Run, list[str]]:
            session = self.session()
            run = await session.resume(run_id)
            session.history.close()
            return run, session.history.take_notices()

        return asyncio.run(main())


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def setting(calls: list[str]) -> Setting:
    def connect(n: int) -> dict[str, Any]:
        calls.append("connect")
        return {"connection": Connection(n), "pool": [Connection(n)], "note": f"opened {len(calls)}"}

    def query(connection: Connection) -> dict[str, Any]:
        calls.append("query")
        return {"rows": connection.number}

    def check(rows: int) -> None:
        calls.append("check")
        if setting.broken:
            raise ValueError("not yet")

    def report(rows: int) -> dict[str, Any]:
        return {"report": rows}

    tools = {"connect": connect, "query": query, "check": check, "report": report, "again": query}
    setting = Setting(tools, "connect -> query if len(pool) == 1\nconnect -> report\nquery -> check -> report")
    return setting


def test_it_does_not_end_durability_and_the_run_says_which_key_of_which_node_and_why(setting: Setting) -> None:
    run = setting.failed({"n": 7})
    assert isinstance(run.error, NodeError)
    setting.broken = False
    resumed, _ = setting.resumed(run.id)
    assert resumed.state["report"] == 7
    assert isinstance(resumed.state["connection"], Unstored)
    assert "Connection" in resumed.state["connection"].why


def test_a_firing_does_not_run_again_where_nothing_still_to_run_reads_the_key(
    setting: Setting, calls: list[str]
) -> None:
    run = setting.failed({"n": 7})
    setting.broken = False
    setting.resumed(run.id)
    assert calls == ["connect", "query", "check", "check"]


def test_a_firing_runs_again_where_its_key_is_still_read_and_its_other_keys_stay_as_stored(
    setting: Setting, calls: list[str]
) -> None:
    setting.text = "connect -> query if len(pool) == 1\nconnect -> report\nquery -> check -> again -> report"
    run = setting.failed({"n": 7})
    setting.broken = False
    resumed, notices = setting.resumed(run.id)
    assert resumed.state["report"] == 7
    assert calls == ["connect", "query", "check", "connect", "check", "query"]
    assert resumed.state["note"] == "opened 1"
    assert any("'connect' ran again" in line for line in notices)


def test_in_a_living_kernel_the_values_in_memory_are_used(setting: Setting, calls: list[str]) -> None:
    setting.text = "connect -> query -> check -> again -> report"

    async def main() -> Run:
        session = setting.session()
        run = session.start("g", {"n": 7})
        await run.wait()
        setting.broken = False
        resumed = await session.resume()
        session.history.close()
        return resumed

    assert asyncio.run(main()).state["report"] == 7
    assert calls == ["connect", "query", "check", "check", "query"]


def test_in_sync_it_is_an_error_that_names_them_unless_it_is_allowed(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = setting.failed({"n": 7}, durability="sync")
    assert isinstance(refused.error, StoreError)
    assert "'connection' of node 'connect'" in str(refused.error)
    setting.broken = False
    monkeypatch.setenv("NBFLOW_ALLOW_UNSTORED", "true")
    assert setting.failed({"n": 7}, durability="sync").state["report"] == 7


def test_items_of_a_map_that_could_not_be_stored_are_made_again(calls: list[str]) -> None:
    def open_(x: int) -> Connection:
        calls.append(f"open {x}")
        return Connection(x)

    def check(n: int) -> None:
        if setting.broken:
            raise ValueError("not yet")

    def total(m: list[Connection]) -> dict[str, Any]:
        return {"total": sum(connection.number for connection in m)}

    setting = Setting({"open": open_, "check": check, "total": total}, "m -> check -> total\nm = open [map=xs]")
    run = setting.failed({"n": 1, "xs": [1, 2]})
    setting.broken = False
    resumed, _ = setting.resumed(run.id)
    assert resumed.state["total"] == 3
    assert sorted(calls) == ["open 1", "open 1", "open 2", "open 2"]


def test_a_missing_value_of_the_initial_state_that_is_still_read_is_refused_by_name() -> None:
    def check(n: int) -> None:
        if setting.broken:
            raise ValueError("not yet")

    def use(connection: Connection) -> None:
        return None

    setting = Setting({"check": check, "use": use}, "check -> use")
    run = setting.failed({"n": 1, "connection": Connection(3)})
    setting.broken = False
    with pytest.raises(StoreError, match="a value of the run's initial state was not stored"):
        setting.resumed(run.id)
