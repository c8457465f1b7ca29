"""The call of a tool: its thread or loop, its arguments, and the use of its value."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import pytest
from running import engine_of, graph, run

from nbflow.errors import NodeError, ToolError


def test_an_async_tool_runs_on_the_loop_and_a_sync_one_in_a_thread() -> None:
    async def on_loop() -> dict[str, Any]:
        return {"loop": threading.current_thread().name}

    def in_thread() -> dict[str, Any]:
        return {"thread": threading.current_thread().name}

    state = run("on_loop -> in_thread", on_loop, in_thread).state

    assert state["loop"] == threading.current_thread().name
    assert state["thread"] == "nbflow-tool"


def test_a_node_may_choose_the_other_executor() -> None:
    async def tells() -> str:
        return threading.current_thread().name

    def tells_too() -> str:
        return threading.current_thread().name

    state = run("a = tells [executor=thread]\nb = tells_too [executor=inline]\na -> b", tells, tells_too).state

    assert state["a"] == "nbflow-tool"
    assert state["b"] == threading.current_thread().name


def test_the_loop_is_free_while_a_sync_tool_runs() -> None:
    loop_went_on = threading.Event()

    def waits_for_the_loop() -> bool:
        return loop_went_on.wait(300)

    async def main() -> Any:
        started = engine_of(waits_for_the_loop).start(graph("a = waits_for_the_loop"))
        await asyncio.sleep(0.01)
        loop_went_on.set()
        return (await started).state

    assert asyncio.run(main()) == {"a": True}


def test_params_come_before_the_state_and_the_state_before_defaults() -> None:
    async def takes(a: int = 1, b: int = 2, c: int = 3) -> list[int]:
        return [a, b, c]

    assert run("t = takes(a=10)", takes, a=20, b=20).state["t"] == [10, 20, 3]


def test_state_is_a_copy_that_a_tool_may_change() -> None:
    async def spoils(state: dict[str, Any]) -> None:
        state["a"] = "spoilt"

    assert run("spoils", spoils, a=1).state == {"a": 1}


def test_kwargs_get_the_params_that_no_parameter_is_named_for() -> None:
    async def takes(a: int, **rest: Any) -> dict[str, Any]:
        return {"rest": rest}

    assert run("t = takes(a=1, b=2)", takes, c=3).state["rest"] == {"b": 2}


def test_a_missing_argument_names_the_tool_the_parameter_and_the_keys_there_are() -> None:
    async def needs(code: str) -> None: ...

    with pytest.raises(NodeError) as caught:
        run("needs", needs, cod="x", other=1)

    assert isinstance(caught.value.__cause__, ToolError)
    assert str(caught.value.__cause__) == (
        "node 'needs': tool 'needs' needs 'code', which is neither in the node's params nor in the state; "
        "did you mean 'cod'?; keys there are: cod, other"
    )


def test_a_dict_is_the_update_none_is_none_and_anything_else_goes_to_the_nodes_id() -> None:
    async def updates() -> dict[str, int]:
        return {"x": 1}

    async def nothing() -> None: ...

    async def value() -> list[int]:
        return [1]

    assert run("updates -> nothing -> v\nv = value", updates, nothing, value).state == {"x": 1, "v": [1]}


def test_a_dict_with_keys_that_are_no_strings_fails_the_node() -> None:
    async def odd() -> dict[int, int]:
        return {1: 2}

    with pytest.raises(NodeError, match="node 'odd' returned a dict with the key 1; keys of the state are strings"):
        run("odd", odd)


def test_a_subclass_of_dict_is_read_as_the_dict_that_it_is_and_none_of_its_code_runs() -> None:
    class Odd(dict[str, Any]):
        def __iter__(self) -> Any:
            raise RuntimeError("no keys today")

        items = keys = values = __iter__

    async def odd(x: int) -> Odd:
        return Odd(y=x)

    assert run("odd", odd, x=1).state == {"x": 1, "y": 1}


def test_a_sync_function_that_gives_something_to_await_is_awaited_on_the_loop() -> None:
    async def inner() -> str:
        return threading.current_thread().name

    def gives() -> Awaitable[str]:
        return inner()

    assert run("gives", gives).state["gives"] == threading.current_thread().name


def test_a_callable_object_can_be_a_tool() -> None:
    class Doubles:
        async def __call__(self, n: int) -> dict[str, int]:
            await asyncio.sleep(0)
            return {"n": 2 * n}

    async def main() -> Any:
        engine = engine_of()
        engine.registry.register("doubles", Doubles())
        return (await engine.execute(graph("doubles"), {"n": 4})).state

    assert asyncio.run(main()) == {"n": 8}
