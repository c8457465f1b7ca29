"""Reading the notation, and evaluating conditions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from figures import Figures, micro
from timing import awaitable, interleave

from nbflow.conditions import compile_condition
from nbflow.errors import GraphError, NotationError
from nbflow.notation import read_graph

MEGABYTE = 1_000_000  # the largest text that the parser accepts
HOSTILE = {
    "one name": "a" * MEGABYTE,
    "brackets": "a -> b if " + "(" * (MEGABYTE - 10),
    "one line of arrows": ("a -> " * (MEGABYTE // 5))[:MEGABYTE],
    "quotes": "'\\" * (MEGABYTE // 2),
    "wrong lines": "a - b\n" * (MEGABYTE // 6),
    "lists": "a = b(x=" + "[" * (MEGABYTE - 8),
    "all to all": " & ".join(f"a{i}" for i in range(50_000)) + " -> " + " & ".join(f"b{i}" for i in range(50_000)),
    "one condition": "a -> b if " + "not " * (MEGABYTE // 4 - 4) + "x",
    "sums": "a -> b if 1" + "+1" * (MEGABYTE // 2 - 8) + " > 0",
    "json": "[" * MEGABYTE,
    "json objects": '{"a":' * (MEGABYTE // 5),
}


def test_ten_thousand_lines(figures: Figures) -> None:
    text = "\n".join(f"n{i} -> n{i + 1}" for i in range(10_000))
    split = awaitable(lambda: [line.split() for line in text.splitlines()])
    found = asyncio.run(interleave(5, awaitable(lambda: read_graph(text)), split))
    note = f"splitting the lines into words {micro(found.median(1))}"
    figures.at_most("10000 lines of edges", found.median(), 0.5, note, unit="s")
    assert len(read_graph(text).edges) == 10_000


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(name: str, figures: Figures) -> None:
    assert MEGABYTE - 50 < len(HOSTILE[name]) <= MEGABYTE or name == "all to all"

    def read() -> None:
        with suppress(NotationError, GraphError):
            read_graph(HOSTILE[name])

    found = asyncio.run(interleave(1, awaitable(read)))
    figures.at_most(f"1 MB of {name}", found.median(), 2, unit="s")


CONDITIONS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "n < 10": lambda state: state["n"] < 10,
    "score > 0.8 and not user.done": lambda state: state["score"] > 0.8 and not state["user"]["done"],
    "'bug' in labels and len(labels) < 5": lambda state: "bug" in state["labels"] and len(state["labels"]) < 5,
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_conditions(text: str, figures: Figures) -> None:
    state: dict[str, Any] = {"n": 3, "score": 0.9, "user": {"done": False}, "labels": ["bug", "ui"]}
    condition, bare = compile_condition(text), CONDITIONS[text]
    ways = [awaitable(lambda call=call: [call(state) for _ in range(1_000)]) for call in (condition.evaluate, bare)]
    found = asyncio.run(interleave(50, *ways))
    note = f"as Python {micro(found.median(1) / 1_000)}; it records what was read as well"
    figures.add(f"condition {text}", micro(found.median() / 1_000), note)
    assert condition.evaluate(state)[0]
