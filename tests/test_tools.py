"""The registry: the callables it accepts, its data about a tool, and its errors for unknown tools."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from nbflow import ToolRegistry, tools
from nbflow.errors import ToolError
from nbflow.state import MISSING
from nbflow.tools import ToolParam


@pytest.fixture
def registry() -> ToolRegistry:
    return ToolRegistry()


def summary(code: str, depth: int = 2, *, strict: bool = False, state: Any, **rest: Any) -> None:
    """Sum a source up.

    And more lines.
    """


async def later(x: int) -> int:
    return x


def test_a_function_is_registered_under_a_name_and_found_by_it(registry: ToolRegistry) -> None:
    spec = registry.register("sum", summary, retries=2, timeout=1.5, backoff=0.5, executor="thread")

    assert registry.get("sum") is spec
    assert "sum" in registry
    assert (spec.name, spec.function, spec.version) == ("sum", summary, 1)
    assert (spec.retries, spec.timeout, spec.backoff, spec.executor) == (2, 1.5, 0.5, "thread")


def test_the_decorator_returns_the_function_with_or_without_options(registry: ToolRegistry) -> None:
    assert registry.tool(summary) is summary
    assert registry.tool(name="other", retries=1)(later) is later

    assert registry.get("summary").retries is None
    assert registry.get("other").retries == 1


def test_pass_is_built_in_and_does_nothing(registry: ToolRegistry) -> None:
    assert registry.names()[0] == "pass"
    assert registry.get("pass").function() is None
    assert registry.get("pass").executor == "inline"


def test_registering_again_replaces_the_tool_and_counts_its_versions(registry: ToolRegistry) -> None:
    registry.register("t", summary)
    before = registry.revision
    registry.register("t", later)

    assert registry.get("t").function is later
    assert registry.get("t").version == 2
    assert registry.revision > before


def test_a_spec_has_the_parameters_the_kind_the_doc_and_the_source(registry: ToolRegistry) -> None:
    spec = registry.register("t", summary)

    assert [(p.name, p.required, p.default) for p in spec.params] == [
        ("code", True, MISSING), ("depth", False, 2), ("strict", False, False),
    ]  # fmt: skip
    assert isinstance(spec.params[0], ToolParam)
    assert (spec.takes_state, spec.takes_kwargs, spec.is_async, spec.is_generator) == (True, True, False, False)
    assert spec.first_param() == "code"
    assert spec.doc == "Sum a source up."
    assert spec.source is not None
    assert spec.source.startswith("def summary(")
    assert spec.source_hash is not None
    assert len(spec.source_hash) == 12


def test_a_spec_distinguishes_async_functions_generators_and_objects(registry: ToolRegistry) -> None:
    class Called:
        async def __call__(self) -> None: ...

    async def stream() -> AsyncIterator[str]:
        yield ""

    assert registry.register("a", later).is_async
    assert registry.register("b", functools.partial(later, x=1)).is_async
    assert registry.register("c", Called()).is_async
    assert registry.register("d", stream).is_generator
    assert not registry.register("e", lambda: None).is_async


def test_a_tool_whose_source_python_cannot_find_has_none(registry: ToolRegistry) -> None:
    made: dict[str, Any] = {}
    exec("def made(x): return x", made)

    spec = registry.register("made", made["made"])

    assert (spec.source, spec.source_hash, spec.doc) == (None, None, "")


def test_arguments_come_from_the_item_then_params_then_state_then_defaults(registry: ToolRegistry) -> None:
    def takes(a: int, b: int, c: int, d: int = 4) -> None: ...

    spec = registry.register("t", takes)
    given = spec.arguments({"a": 0, "b": 0, "c": 3}, {"a": 0, "b": 2}, node="n", item=("a", 1))

    assert given == {"a": 1, "b": 2, "c": 3}


def test_state_is_passed_as_a_copy_and_kwargs_get_the_remaining_params(registry: ToolRegistry) -> None:
    spec = registry.register("t", summary)
    state = {"code": "x", "other": 1}
    given = spec.arguments(state, {"depth": 3, "extra": 4}, node="n")

    assert given == {"code": "x", "depth": 3, "state": state, "extra": 4}
    assert given["state"] is not state


def test_the_error_of_a_missing_argument_names_the_sources_and_the_known_keys(registry: ToolRegistry) -> None:
    spec = registry.register("t", later)

    with pytest.raises(ToolError) as caught:
        spec.arguments({"y": 1}, {}, node="n")

    assert str(caught.value) == (
        "node 'n': tool 't' needs 'x', which is neither in the node's params nor in the state; keys there are: y"
    )


def test_an_unknown_tool_is_an_error_that_names_the_most_alike_and_the_known_ones(registry: ToolRegistry) -> None:
    registry.register("summary", summary)

    with pytest.raises(ToolError) as caught:
        registry.get("sumary")

    assert str(caught.value).startswith("unknown tool 'sumary'; did you mean 'summary'?; known tools: pass, summary")


def test_a_removed_tool_is_unknown(registry: ToolRegistry) -> None:
    registry.register("t", later)
    registry.remove("t")
    registry.remove("t")

    assert "t" not in registry


def generator() -> Iterator[int]:
    yield 1


def positional(x: int, /) -> None: ...


@pytest.mark.parametrize(
    ("name", "function", "options", "message"),
    [
        ("t", 5, {}, "tool 't' is int, which cannot be called; register a function"),
        ("", later, {}, "a tool's name is a text that is not empty, got ''"),
        (" ", later, {}, "a tool's name is a text that is not empty, got ' '"),
        (3, later, {}, "a tool's name is a text that is not empty, got 3"),
        ("t", positional, {}, "tool 't': 'x' is positional-only, and arguments are given by name; "
         "wrap it in a function"),
        ("t", min, {}, "tool 't': Python knows no signature of <built-in function min>; wrap it in a function"),
        (
            "t", later, {"executor": "tread"},
            "tool 't': unknown executor 'tread'; did you mean 'thread'?; known executors: auto, inline, thread",
        ),
        ("t", later, {"executor": "process"}, "tool 't': unknown executor 'process'; known executors: auto, inline, thread"),
        ("t", later, {"executor": "dask"}, "tool 't': unknown executor 'dask'; known executors: auto, inline, thread"),
        ("t", later, {"retries": -1}, "tool 't': retries is -1; it counts further attempts, so 0 or more"),
        ("t", later, {"backoff": -0.5}, "tool 't': backoff is -0.5 s; it must be 0 or more"),
        ("t", later, {"timeout": 0}, "tool 't': timeout is 0 s; it must be above 0"),
        ("t", later, {"timeout": float("nan")}, "tool 't': timeout is nan s; it must be above 0"),
    ],
)  # fmt: skip
def test_an_object_that_is_not_a_tool_is_refused(
    registry: ToolRegistry, name: Any, function: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ToolError) as caught:
        registry.register(name, function, **options)

    assert str(caught.value) == message
    assert registry.names() == ToolRegistry().names()


def test_predicates_and_reducers_are_registered_under_their_names(registry: ToolRegistry) -> None:
    def odd(n: int) -> bool:
        return n % 2 == 1

    assert registry.predicate(odd) is odd
    assert registry.reducer(max) is max
    assert dict(registry.predicates) == {"odd": odd}
    assert dict(registry.reducers) == {"max": max}


def test_a_snapshot_restores_the_whole_registry(registry: ToolRegistry) -> None:
    registry.register("kept", later)
    before = registry.snapshot()
    registry.register("kept", summary)
    registry.register("new", later)
    registry.predicate(later)
    registry.reducer(max)

    registry.restore(before)

    assert registry.get("kept").function is later
    assert registry.get("kept").version == 1
    assert "new" not in registry
    assert not registry.predicates
    assert not registry.reducers


class Point:
    """A substitute for the entry point of an installed package."""

    def __init__(self, **functions: Any) -> None:
        self.functions, self.loaded = functions, 0

    def load(self) -> dict[str, Any]:
        self.loaded += 1
        return self.functions


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Point:
    point = Point(installed=later, mine=summary)

    def entry_points(*, group: str) -> list[Any]:
        return [point] if group == "nbflow.tools" else list(importlib.metadata.entry_points(group=group))

    monkeypatch.setattr(tools, "entry_points", entry_points)
    return point


def test_tools_of_packages_load_at_the_first_unknown_name(registry: ToolRegistry, package: Point) -> None:
    registry.register("mine", later)
    assert "mine" in registry
    assert package.loaded == 0

    assert "installed" in registry
    assert "unheard of" not in registry
    assert package.loaded == 1
    assert registry.get("mine").function is later


def test_tools_of_packages_come_back_after_a_snapshot_was_restored(registry: ToolRegistry, package: Point) -> None:
    before = registry.snapshot()
    assert "installed" in registry

    registry.restore(before)

    assert "installed" in registry
