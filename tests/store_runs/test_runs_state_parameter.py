"""Stored runs of tools with a parameter `state`: it is the whole state or a key, and a stored run knows which."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pydantic
import pytest

from nbflow.engine import Run
from nbflow.errors import NbflowError
from nbflow.session import Session


class Trip(pydantic.BaseModel):
    x: int
    state: str = ""


def session(text: str) -> Session:
    made = Session()

    @made.tool
    async def whole(state: dict[str, Any]) -> dict[str, Any]:
        return {"x": state["x"], "state": state["state"], "keys": sorted(state)}

    @made.tool
    async def key(state: str = "Iowa", x: int = 0) -> dict[str, Any]:
        return {"state": state, "seen": state}

    @made.tool
    async def model(state: Trip) -> dict[str, Any]:
        return {"state": state.state, "trip": f"{state.state} {state.x}"}

    made.graph("g", text)
    return made


async def _ended(made: Session, **state: Any) -> Run:
    run = made.start("g", state)
    await run.wait()
    return run


def both(text: str, **state: Any) -> tuple[Any, Any]:
    """Return a run, and the same as another session reads it from the store."""

    async def main() -> tuple[Any, Any]:
        run = await _ended(session(text), **state)
        return run, await asyncio.to_thread(session(text).read, run.id)

    return asyncio.run(main())


@pytest.mark.parametrize("tool", ["whole", "key", "model"])
def test_a_stored_run_has_the_inputs_and_outputs_of_the_run(tool: str) -> None:
    run, stored = both(tool, x=1, state="Ohio")

    expected: Any = {"x": 1, "state": "Ohio"}
    expected = expected | {"x": 1} if tool == "key" else {"state": expected}
    assert run.logs[0].input == stored.logs[0].input == expected
    assert run.logs[0].output == stored.logs[0].output
    assert run.logs[0].output["state"] == "Ohio"
    assert run.state == stored.state


def test_a_default_a_param_and_a_maps_item_of_that_name_are_stored_unchanged() -> None:
    text = (
        "default = key\nparam = key(state='Utah')\nwide = whole(state={'x': 1, 'state': 'Guam'})\n"
        "mapped = key [map=states, into=out]\ndefault -> param -> wide -> mapped"
    )
    run, stored = both(text, states=["Ohio"])

    assert [row.input for row in run.logs] == [row.input for row in stored.logs]
    assert [row.input["state"] for row in stored.logs if "state" in row.input] == [
        "Utah", {"x": 1, "state": "Guam"}, "Ohio"
    ]  # fmt: skip


@pytest.mark.parametrize("tool", ["whole", "key", "model"])
def test_a_cached_output_hands_a_key_named_state_back_as_the_run_did(tool: str) -> None:
    def ran() -> Any:
        return asyncio.run(_ended(session(f"{tool} [cache=true]"), x=1, state="Ohio"))

    first, second = ran(), ran()

    assert (first.logs[0].cached, second.logs[0].cached) == (False, True)
    assert first.logs[0].output == second.logs[0].output
    ends = [next(e for e in run.events if e.kind == "node_complete") for run in (first, second)]
    assert ends[0].data["unchanged"] == ends[1].data["unchanged"]
    assert "state" in ends[0].data["unchanged"]


def test_a_tool_that_was_changed_in_place_is_reported_on_resume() -> None:
    async def main() -> tuple[list[str], Any]:
        made = Session()

        def work(x: int = 0) -> int:
            return 1 // x

        made.tool(work)
        made.graph("g", "work")
        run = await _ended(made)
        made.take_notices()
        work.__defaults__ = (1,)
        resumed = await made.resume(run.id)
        return made.take_notices(), resumed

    notices, resumed = asyncio.run(main())

    assert notices == ["tool 'work' has changed since the run last used it"]
    assert resumed.state["work"] == 1
    assert [e.data["version"] for e in resumed.events if e.kind == "node_start"] == [1, 2]


def test_the_cache_knows_a_function_that_was_changed_in_place() -> None:
    calls = []

    def work(x: int, by: int = 1) -> int:
        calls.append(by)
        return x + by

    made = Session()
    made.tool(work)
    made.graph("g", "work [cache=true]")
    results = []
    for by in (1, 2, 1):
        work.__defaults__ = (by,)
        results.append(asyncio.run(_ended(made, x=1)).state["work"])

    assert results == [2, 3, 2]


def test_a_secret_in_the_whole_state_is_shown_and_stored_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBFLOW_SECRET_KEYS", "token")
    canary = "canary-7f3a"

    class Unfit(pydantic.BaseModel):
        token: int

    made = Session()

    @made.tool
    async def fits(state: Trip) -> dict[str, Any]:
        return {"y": state.x}

    async def unfit(state: Any) -> None: ...

    unfit.__annotations__["state"] = Unfit
    made.tool(unfit)
    made.graph("g", "fits -> unfit")
    run = asyncio.run(_ended(made, x=1, token=canary))

    assert isinstance(run.error, NbflowError)
    assert canary not in str(run.error) + repr(run.error.__cause__)
    assert all(canary.encode() not in path.read_bytes() for path in tmp_path.iterdir())
