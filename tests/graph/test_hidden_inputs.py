"""Lint of cached tools, of parameters with reserved names, and of keys that only the graph around a subgraph reduces."""

from __future__ import annotations

import datetime as dt
import os
import random
import socket
import time
import urllib.request
from collections.abc import Callable
from os import environ, getenv
from pathlib import Path
from random import randint
from time import time as now
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from nbflow import GraphDefinition, ToolRegistry
from nbflow.graph.analysis import lint
from nbflow.graph.hidden_inputs import hidden_inputs


def of(*functions: Callable[..., Any]) -> ToolRegistry:
    registry = ToolRegistry()
    for function in functions:
        registry.register(function.__name__, function)
    return registry


def helper(name: str) -> str:
    return Path(name).read_text()


def environment() -> Any:
    return os.environ["KEY"]


def environment_by_call() -> Any:
    return os.environ.get("KEY")


def imported_environment() -> Any:
    return {**environ}


def by_getenv() -> Any:
    return getenv("KEY")


def evaluates(text: str) -> Any:
    return eval(text)


def executes(text: str) -> None:
    exec(text)


def looks_up(name: str) -> Any:
    return globals()[name]


def opens(path: str) -> str:
    with open(path) as file:  # noqa: PTH123 - as people write it
        return file.read()


def reads_text(path: str) -> str:
    return Path(path).read_text()


def reads_an_argument(path: Path) -> bytes:
    return path.read_bytes()


def reads_a_frame(path: str) -> Any:
    return pd.read_csv(path)


def clock() -> float:
    return time.time()


def imported_clock() -> float:
    return now()


def today() -> Any:
    return dt.datetime.now(dt.UTC)


def rolls() -> float:
    return random.random()


def imported_rolls() -> int:
    return randint(1, 6)


def numpy_rolls() -> Any:
    return np.random.rand(3)


def unseeded() -> Any:
    return np.random.default_rng().random()


def gets(url: str) -> str:
    return httpx.get(url).text


async def gets_later(url: str) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).text


def by_urllib(url: str) -> Any:
    return urllib.request.urlopen(url)


def connects() -> Any:
    return socket.create_connection(("localhost", 1))


def imports_inside(url: str) -> Any:
    import requests as r  # type: ignore[import-untyped]  # it need not be there

    return r.get(url)


def imports_a_name_inside() -> Any:
    from os import getenv as read

    return read("KEY")


def nested(names: list[str]) -> Any:
    return [inner() for inner in [lambda: opens("x")]]


def calls_helper(name: str) -> str:
    return helper(name).upper()


UNSEEN: dict[Callable[..., Any], tuple[str, str]] = {
    environment: ("the environment", "os.environ"),
    environment_by_call: ("the environment", "os.environ.get"),
    imported_environment: ("the environment", "environ"),
    by_getenv: ("the environment", "getenv()"),
    evaluates: ("code that is made at run time", "eval()"),
    executes: ("code that is made at run time", "exec()"),
    looks_up: ("names that are looked up at run time", "globals()"),
    opens: ("files", "open()"),
    reads_text: ("files", "Path(path).read_text()"),
    reads_an_argument: ("files", "path.read_bytes()"),
    reads_a_frame: ("files", "pd.read_csv()"),
    clock: ("the time", "time.time()"),
    imported_clock: ("the time", "now()"),
    today: ("the time", "dt.datetime.now()"),
    rolls: ("random numbers", "random.random()"),
    imported_rolls: ("random numbers", "randint()"),
    numpy_rolls: ("random numbers", "np.random.rand()"),
    unseeded: ("random numbers", "np.random.default_rng()"),
    gets: ("the network", "httpx.get()"),
    gets_later: ("the network", "httpx.AsyncClient()"),
    by_urllib: ("the network", "urllib.request.urlopen()"),
    connects: ("the network", "socket.create_connection()"),
    imports_inside: ("the network", "r.get()"),
    imports_a_name_inside: ("the environment", "read()"),
    nested: ("files", "open() in opens"),
    calls_helper: ("files", "Path(name).read_text() in helper"),
}


@pytest.mark.parametrize("function", UNSEEN, ids=lambda function: str(function.__name__))
def test_what_a_cached_tool_reads_besides_its_arguments_is_named(function: Callable[..., Any]) -> None:
    registry, name = of(function), function.__name__

    cached = lint(GraphDefinition.from_text(f"{name} [cache=true]"), registry, {})

    what, written = UNSEEN[function]
    assert [(each.what, each.place) for each in hidden_inputs(registry.get(name))] == [(what, written)]
    assert len(cached) == 1
    assert cached[0].startswith(
        f"node {name!r} has cache=true, and the cache does not see what its tool {name!r} reads"
    )
    assert f"{what} ({written})" in cached[0]
    assert lint(GraphDefinition.from_text(name), registry, {}) == []


def pure(rows: list[int], seed: int = 0) -> Any:
    """Compute from the arguments alone."""
    text = f"{seed}".upper()
    made = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=seed)
    path = Path("a") / "b"
    rng = np.random.default_rng(seed)
    time.sleep(0)
    opened = {"open": text}
    try:
        return [rng.random(), random.Random(seed).random(), made, path, opened.get("open"), sorted(rows)]
    except httpx.HTTPError:
        return None


def shadows(open: Callable[[str], Any], eval: Callable[[str], Any]) -> Any:  # noqa: A002 - what it is about
    return open("x"), eval("y")


@pytest.mark.parametrize("function", [pure, shadows])
def test_what_a_cache_sees_is_not_named(function: Callable[..., Any]) -> None:
    assert hidden_inputs(of(function).get(function.__name__)) == []


def counts(len: int, max: int = 3) -> Any:  # noqa: A002 - what it is about
    return {"n": len}


def flags(true: bool) -> Any:
    return {"n": 1}


def plain(text: str, error: Any = None, state: Any = None) -> Any:
    return {"n": 1}


def test_parameters_with_reserved_names_are_named() -> None:
    registry = of(counts, flags, plain)
    registry.predicate(pure)

    def told(text: str) -> list[str]:
        return lint(GraphDefinition.from_text(text), registry, {})

    assert [line.partition(": ")[0] for line in told("counts")] == ["node 'counts'", "node 'counts'"]
    assert (
        "of tool 'counts' the parameter 'len' shadows a reserved name: conditions call the built-in function"
        in told("counts")[0]
    )
    assert "a condition reads 'true' as a constant, and the key only as state['true']" in told("flags")[0]
    assert "the param 'pure' shadows a reserved name: conditions call the predicate 'pure'" in told("plain(pure=1)")[0]
    assert "refuse names with two underscores" in told('plain("__x"=1)')[0]
    assert "the map's item 'null' shadows" in told("plain [map=xs, as=null]")[0]
    failing = told("pass -> plain on error\nplain = plain(text='', error=1)")
    assert "the error edge that leads here writes the key 'error', and the param hides it" in failing[0]
    assert told("plain") == []
    assert told("plain(error=1)") == []


def adds(x: int = 0) -> dict[str, Any]:
    return {"found": [x], "other": 1}


def test_a_key_that_only_the_graph_around_a_subgraph_reduces_is_named() -> None:
    registry = of(adds)
    inner = GraphDefinition.from_text("adds -> again\nagain = adds", name="inner")
    outer = "sub = graph inner\nreduce found with extend"

    warnings = lint(GraphDefinition.from_text(outer), registry, {"inner": inner})

    assert warnings == [
        "node 'sub': inside of graph 'inner' the key 'found' has no reducer: a later write there replaces the one before, "
        "two side by side are a conflict, and the last value is one update of 'extend' here; write 'reduce found with "
        "extend' in 'inner' too to hand up each update"
    ]
    both = GraphDefinition.from_text("adds -> again\nagain = adds\nreduce found with extend", name="inner")
    assert lint(GraphDefinition.from_text(outer), registry, {"inner": both}) == []
    assert (
        lint(GraphDefinition.from_text("sub = graph inner\nreduce elsewhere with add"), registry, {"inner": inner})
        == []
    )
    mapped = "sub = graph inner [map=xs, as=x]\nreduce found with extend"
    assert lint(GraphDefinition.from_text(mapped), registry, {"inner": inner}) == []


def test_such_a_key_is_named_where_a_graph_deeper_inside_writes_it() -> None:
    registry = of(adds)
    graphs = {
        "inner": GraphDefinition.from_text("deep = graph deep", name="inner"),
        "deep": GraphDefinition.from_text("adds"),
    }

    (warning,) = lint(GraphDefinition.from_text("sub = graph inner\nreduce found with add"), registry, graphs)

    assert "inside of graph 'inner' the key 'found' has no reducer" in warning
