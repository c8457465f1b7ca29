"""The debug setting that names who changes a value in place."""

from __future__ import annotations

from typing import Any

import pytest
from running import finished, run


def test_a_tool_that_changes_a_value_in_place_is_named_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spoils(rows: list[int], other: list[int]) -> None:
        rows.append(1)

    def spoils_in_thread(state: dict[str, Any]) -> None:
        state["rows"].append(1)

    monkeypatch.setenv("NBFLOW_CHECK_MUTATION", "1")
    for tool in (spoils, spoils_in_thread):
        done = finished(f"s = {tool.__name__}", tool, rows=[], other=[])
        assert done.logs[0].error == (
            "ToolError: node 's' changed 'rows' in place, which other paths may be reading; return a new value instead"
        )


def test_without_the_setting_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBFLOW_CHECK_MUTATION", raising=False)

    async def spoils(rows: list[int]) -> None:
        rows.append(1)

    assert run("spoils", spoils, rows=[]).state == {"rows": [1]}


def test_the_setting_lets_tools_that_change_nothing_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_CHECK_MUTATION", "1")

    async def good(rows: list[int], odd: Any) -> dict[str, Any]:
        return {"rows": [*rows, 1]}

    assert run("good", good, rows=[], odd=lambda: None).state["rows"] == [1]
