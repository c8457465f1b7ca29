"""The debug setting that names the node that changed a value which it got without a copy (SEMANTICS rules 9 and 25)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from running import finished, run


class Client:
    """A handle: an object of a class that the engine does not know."""

    def __init__(self) -> None:
        self.calls: list[str] = []


def test_a_tool_that_changes_a_handle_in_place_is_named_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spoils(client: Client, other: list[int]) -> None:
        client.calls.append("x")

    def spoils_in_thread(state: dict[str, Any]) -> None:
        state["client"].calls.append("x")

    monkeypatch.setenv("NBFLOW_CHECK_MUTATION", "1")
    for tool in (spoils, spoils_in_thread):
        done = finished(f"s = {tool.__name__}", tool, client=Client(), other=[])
        assert done.logs[0].error == (
            "ToolError: node 's' changed 'client' in place, which was not copied for it: a handle, or a parameter "
            "annotated as read-only; return a new value instead"
        )


def test_a_tool_that_breaks_the_promise_of_its_annotation_is_named_with_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def breaks(table: Mapping[str, int]) -> None:
        table["new"] = 1  # type: ignore[index]  # the promise that it breaks

    monkeypatch.setenv("NBFLOW_CHECK_MUTATION", "1")
    done = finished("breaks", breaks, table={})

    assert (done.logs[0].error or "").startswith("ToolError: node 'breaks' changed 'table' in place")


def test_a_copy_may_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_CHECK_MUTATION", "1")

    async def changes(rows: list[int], odd: Any) -> None:
        rows.append(1)

    assert run("changes", changes, rows=[], odd=lambda: None).state["rows"] == []


def test_without_the_setting_handles_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBFLOW_CHECK_MUTATION", raising=False)

    async def spoils(client: Client) -> None:
        client.calls.append("x")

    assert run("spoils", spoils, client=Client()).state["client"].calls == ["x"]
