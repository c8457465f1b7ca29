"""A function that is changed in place is called by its present signature, as its present kind, under a new version."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from running import engine_of, graph, run

from nbflow import Run, ToolRegistry


def before(x: int) -> dict[str, int]:
    return {"y": x}


def after(x: int, by: int = 10, *, more: int = 100) -> dict[str, int]:
    return {"y": x + by + more}


def become(function: Any, other: Any) -> None:
    """Change a function in place, as `%autoreload` does."""
    for name in ("__code__", "__defaults__", "__kwdefaults__", "__annotations__", "__dict__"):
        setattr(function, name, getattr(other, name))


def fresh() -> Any:
    def work(x: int) -> dict[str, int]:
        return {"y": x}

    return work


def run_twice(function: Any, change: Callable[[], Any], **state: Any) -> Run:
    """Run a tool, change it, and run it again in the same run."""

    async def main() -> Run:
        engine = engine_of()
        engine.registry.register("work", function)
        engine.registry.register("change", change)
        started = engine.start(graph("a = work\nb = work\na -> change -> b"), state)
        await started
        return started

    return asyncio.run(main())


def versions(run: Run) -> dict[str | None, int]:
    return {e.node: e.data["version"] for e in run.events if e.kind == "node_start" and e.node in ("a", "b")}


def test_a_changed_function_is_called_by_its_present_signature_in_this_run_too() -> None:
    work = fresh()

    found = run_twice(work, lambda: become(work, after), x=1, by=2)

    assert found.state["y"] == 103
    assert versions(found) == {"a": 1, "b": 2}


def set_defaults(function: Any) -> None:
    function.__defaults__ = (5,)


def set_keyword_defaults(function: Any) -> None:
    function.__kwdefaults__ = {"more": 5}


def edit_keyword_defaults(function: Any) -> None:
    function.__kwdefaults__["more"] = 5


@pytest.mark.parametrize("change", [set_defaults, set_keyword_defaults, edit_keyword_defaults])
def test_changed_defaults_make_a_new_version_with_another_source_hash(change: Callable[[Any], None]) -> None:
    def work(x: int = 1, *, more: int = 2) -> dict[str, int]:
        return {"y": x + more}

    registry = ToolRegistry()
    known = registry.register("work", work)
    had = known.source_hash
    change(work)
    now = registry.get("work")

    assert (known.version, now.version, now.source) == (1, 2, known.source)
    assert now.source_hash != had
    assert 5 in [param.default for param in now.params]


def test_a_function_set_back_to_what_its_source_says_has_the_hash_of_before() -> None:
    def work(x: int = 1) -> int:
        return x

    registry = ToolRegistry()
    had = registry.register("work", work).source_hash
    work.__defaults__ = (2,)
    assert registry.get("work").source_hash != had
    work.__defaults__ = (1,)

    assert registry.get("work").source_hash == had


def test_an_unchanged_function_retains_its_spec_for_any_closure() -> None:
    count = 0

    async def work() -> int:
        nonlocal count
        count += 1
        return count

    registry = ToolRegistry()
    spec = registry.register("work", work)
    asyncio.run(work())

    assert registry.get("work") is spec


async def awaits(x: int) -> dict[str, int]:
    await asyncio.sleep(0)
    return {"y": x + 1}


def streams(x: int) -> Iterator[Any]:
    yield "one "
    yield {"y": x + 2}


async def streams_async(x: int) -> AsyncIterator[Any]:
    yield "one "
    yield {"y": x + 3}


@pytest.mark.parametrize(("other", "expected"), [(awaits, 2), (streams, 3), (streams_async, 4), (before, 1)])
@pytest.mark.parametrize("first", [before, awaits, streams, streams_async])
def test_a_changed_function_runs_as_its_present_kind(first: Any, other: Any, expected: int) -> None:
    work = fresh()
    become(work, first)

    assert run_twice(work, lambda: become(work, other), x=1).state["y"] == expected


class Holder:
    def __init__(self, by: int = 0) -> None:
        self.by = by

    def method(self, x: int) -> dict[str, int]:
        return {"y": x}

    def __call__(self, x: int) -> dict[str, int]:
        return {"y": x}


def method_after(self: Holder, x: int, add: int = 10) -> dict[str, int]:
    return {"y": x + add}


@pytest.fixture
def holder() -> Iterator[type[Holder]]:
    kept = {function: (function.__code__, function.__defaults__) for function in (Holder.method, Holder.__call__)}
    yield Holder
    for function, (code, defaults) in kept.items():
        function.__code__, function.__defaults__ = code, defaults


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_the_function_behind_a_method_is_watched(holder: type[Holder]) -> None:
    found = run_twice(holder().method, lambda: become(holder.method, method_after), x=1, add=2)
    assert (found.state["y"], versions(found)) == (3, {"a": 1, "b": 2})


def test_the_function_behind_call_is_watched(holder: type[Holder]) -> None:
    found = run_twice(holder(), lambda: become(holder.__call__, method_after), x=1, add=2)
    assert (found.state["y"], versions(found)) == (3, {"a": 1, "b": 2})


def test_an_object_that_gets_another_class_is_another_tool() -> None:
    class Other(Holder):
        def __call__(self, x: int, add: int = 10) -> dict[str, int]:  # type: ignore[override]
            return {"y": x + add}

    tool = Holder()

    found = run_twice(tool, lambda: setattr(tool, "__class__", Other), x=1, add=2)
    assert (found.state["y"], versions(found)) == (3, {"a": 1, "b": 2})


def test_the_function_behind_a_partial_and_a_wrapper_is_watched() -> None:
    for wrap in (functools.partial, decorated, functools.cache, lambda f: functools.partial(decorated(f))):
        work = fresh()
        found = run_twice(wrap(work), lambda work=work: become(work, after), x=1, by=2, more=3)
        assert (found.state["y"], versions(found)) == (6, {"a": 1, "b": 2}), wrap


def test_a_function_put_into_a_wrappers_closure_is_the_one_that_is_called() -> None:
    tool = decorated(fresh())

    def change() -> None:
        tool.__closure__[0].cell_contents = after

    found = run_twice(tool, change, x=1, by=2, more=3)
    assert (found.state["y"], versions(found)) == (6, {"a": 1, "b": 2})


def test_what_a_partial_binds_may_be_edited() -> None:
    tool = functools.partial(after, by=1)

    found = run_twice(tool, lambda: tool.keywords.update(more=0), x=1)
    assert (found.state["y"], versions(found)) == (2, {"a": 1, "b": 2})


def test_a_signature_that_is_set_counts_from_then_on() -> None:
    def work(**kwargs: Any) -> dict[str, Any]:
        return {"y": sorted(kwargs)}

    def like(x: int, z: int = 0) -> None: ...

    import inspect

    found = run_twice(work, lambda: setattr(work, "__signature__", inspect.signature(like)), x=1, z=2)
    assert (found.state["y"], versions(found)) == (["x", "z"], {"a": 1, "b": 2})


def test_an_annotation_that_is_edited_makes_state_a_key() -> None:
    def work(state: Any) -> dict[str, Any]:
        return {"y": state if isinstance(state, str) else sorted(state)}

    found = run_twice(work, lambda: work.__annotations__.update(state=str), state="Ohio")

    assert found.state["y"] == "Ohio"
    assert found.at(next(e.seq for e in found.events if e.kind == "node_complete")).state["y"] == ["state"]


def test_a_function_changed_while_its_node_waits_is_called_as_it_is_then() -> None:
    async def main() -> Any:
        work = fresh()
        engine = engine_of()
        engine.registry.register("work", work)
        started = engine.start(graph("work"), {"x": 1, "by": 2})
        started.pause()
        await asyncio.sleep(0)
        become(work, after)
        started.unpause()
        return (await started).state["y"]

    assert asyncio.run(main()) == 103


def test_a_change_that_cannot_be_called_by_name_fails_the_node_with_a_reason() -> None:
    def positional(x: int, /) -> int:
        return x

    work = fresh()
    become(work, positional)

    with pytest.raises(Exception, match="'x' is positional-only, and arguments are given by name"):
        run("work", work, x=1)
