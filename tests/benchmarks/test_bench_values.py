"""The cost of the copies that tools get and return (SEMANTICS rule 9).

Only public names are used, so that the module runs on an older checkout too, named by PYTHONPATH. A cost is the time of a
run less that of the same run over a number, with the log in memory and the garbage collector on.
"""

from __future__ import annotations

import asyncio
import copy
import tracemalloc
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from figures import Figures, micro, ratio
from peers import tasks
from timing import AsyncWay, awaitable, interleave

from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine

pytestmark = pytest.mark.timeout(3600)  # copies of milliseconds for each of ten thousand items take minutes

ROUNDS = 7
READERS, ITEMS, FRAMES, LOOPS = 1_000, 10_000, 100, 1_000
NESTED = {f"key{i}": {"id": i, "name": f"item {i}", "tags": ["a", "b"]} for i in range(1_000)}
FLAT = {f"key{i}": i for i in range(1_000)}


async def number(table: int) -> None: ...


async def reads(table: dict[str, Any]) -> None: ...


async def promises(table: Mapping[str, Any]) -> None: ...


async def counts(item: int, table: int) -> int:
    return item


async def looks(item: int, table: dict[str, Any]) -> int:
    return item


async def looks_only(item: int, table: Mapping[str, Any]) -> int:
    return item


async def step(x: int, by: int) -> dict[str, int]:
    return {"x": x + by}


async def whole(state: dict[str, Any]) -> dict[str, int]:
    return {"x": state["x"] + state["by"]}


TOOLS: list[Callable[..., Any]] = [number, reads, promises, counts, looks, looks_only, step, whole]


def running(text: str, state: Mapping[str, Any], *tools: Callable[..., Any]) -> AsyncWay:
    """Return a function that runs a graph."""
    registry = ToolRegistry()
    for tool in [*TOOLS, *tools]:
        registry.register(tool.__name__, tool)
    engine, graph = WorkflowEngine(registry), GraphDefinition.from_text(text)
    return lambda: engine.execute(graph, state)


def fan(tool: str) -> str:
    names = [f"n{i}" for i in range(READERS)]
    return "\n".join([f"{name} = {tool}" for name in names] + [f"pass -> {' & '.join(names)}"])


def chain(tool: str, count: int) -> str:
    names = [f"n{i}" for i in range(count)]
    return "\n".join(
        [*(f"{name} = {tool}" for name in names), *(f"{one} -> {after}" for one, after in pairwise(names))]
    )


def timed(*ways: AsyncWay, rounds: int = ROUNDS) -> list[float]:
    """Return the median time (s) of each function."""
    found = asyncio.run(interleave(rounds, *ways, collecting=True))
    return [found.median(index) for index in range(len(ways))]


def peak(way: AsyncWay) -> float:
    """Return the peak memory (MB) of Python during a call of the function."""

    async def main() -> float:
        tracemalloc.start()
        try:
            await way()
            return tracemalloc.get_traced_memory()[1] / 1e6
        finally:
            tracemalloc.stop()

    return asyncio.run(main())


def test_parallel_readers(figures: Figures) -> None:
    deep = awaitable(lambda: [copy.deepcopy(NESTED) for _ in range(10)])
    nothing, nested, flat, mapping, copied = timed(
        running(fan("number"), {"table": 1}),
        running(fan("reads"), {"table": NESTED}),
        running(fan("reads"), {"table": FLAT}),
        running(fan("promises"), {"table": NESTED}),
        deep,
    )
    whole = copied / 10
    add_readers(figures, f"fan-out of {READERS:,}", READERS, nothing, nested, flat, mapping, whole)


def test_items_of_a_map(figures: Figures) -> None:
    def mapped(tool: str, table: Any, count: int = ITEMS) -> AsyncWay:
        return running(f"m = {tool} [map=items, as=item]", {"items": list(range(count)), "table": table})

    deep = awaitable(lambda: [copy.deepcopy(NESTED) for _ in range(10)])
    nothing, nested, flat, mapping, copied = timed(
        mapped("counts", 1), mapped("looks", NESTED), mapped("looks", FLAT), mapped("looks_only", NESTED), deep
    )
    add_readers(figures, f"map of {ITEMS:,}", ITEMS, nothing, nested, flat, mapping, copied / 10)
    few, many = (peak(mapped("looks", NESTED, count)) - peak(mapped("counts", 1, count)) for count in (500, 2_000))
    figures.add("map: memory of the nested dict, peak", f"{many:.1f} MB", f"of 2,000 items; {few:.1f} MB of 500")


def add_readers(
    figures: Figures, what: str, count: int, nothing: float, nested: float, flat: float, mapping: float, deep: float
) -> None:
    """Add a row for each kind of value, and one for `copy.deepcopy` of the nested dict."""
    note = f"{micro(nothing / count)} a reader of a number; deepcopy {micro(deep)}"
    for kind, took, most in (
        ("nested dict", nested, 0.15),
        ("flat dict", flat, 0.03),
        ("nested as Mapping", mapping, 0.01),
    ):
        each = (took - nothing) / count
        figures.at_most(f"{what}: {kind} / deepcopy", each / deep, most, f"{micro(each)} more; {note}")


def test_a_frame_through_a_chain(figures: Figures) -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    columns = {f"c{i}": numpy.arange(1_000_000, dtype=float) + i for i in range(9)}
    frame = pandas.DataFrame(columns)

    async def same(frame: Any) -> dict[str, Any]:
        return {"frame": frame}

    async def changed(frame: Any) -> dict[str, Any]:
        frame.iat[0, 0] += 1
        return {"frame": frame}

    async def passes(frame: int) -> dict[str, int]:
        return {"frame": frame}

    def alone() -> None:
        one = frame
        for _ in range(FRAMES):
            one = one.copy(deep=False)
            one.iat[0, 0] += 1

    nothing, unchanged, edited, pandas_alone = timed(
        running(chain("passes", FRAMES), {"frame": 1}, passes),
        running(chain("same", FRAMES), {"frame": frame}, same),
        running(chain("changed", FRAMES), {"frame": frame}, changed),
        awaitable(alone),
    )
    name = f"1 M × 9 frame through {FRAMES} nodes"  # noqa: RUF001 - the sign is meant
    figures.at_most(f"{name}, unchanged", (unchanged - nothing) / FRAMES * 1e3, 0.3, "a node", unit="ms")
    note = f"a node; the same by pandas alone {micro(pandas_alone / FRAMES)}"
    figures.add(f"{name}, one cell changed", micro((edited - nothing) / FRAMES), note)


def test_a_new_array_is_returned(figures: Figures) -> None:
    numpy = pytest.importorskip("numpy")

    async def makes() -> dict[str, Any]:
        return {"array": numpy.ones(9_000_000)}

    run, alone = timed(running("makes", {}, makes), makes, rounds=15)
    figures.at_most(
        "a new array of 72 MB returned / made alone", run / alone, 1.2, f"{micro(run)}, alone {micro(alone)}"
    )


def test_a_list_of_messages_grows(figures: Figures) -> None:
    async def ticks(n: int) -> dict[str, int]:
        return {"n": n + 1}

    async def says(n: int, messages: list[dict[str, str]]) -> dict[str, Any]:
        messages.append({"role": "user", "content": f"message {n}"})
        return {"n": n + 1, "messages": messages}

    def loop(tool: str, count: int) -> AsyncWay:
        text = f"{tool} -> {tool} if n < {count} [max={count}]"
        return running(text, {"n": 0, "messages": []}, ticks, says)

    nothing, growing = timed(loop("ticks", LOOPS), loop("says", LOOPS))
    note = f"a round more than {micro(nothing / LOOPS)} of a number"
    figures.at_most(f"loop of {LOOPS:,} over a growing list", (growing - nothing) / LOOPS * 1e3, 0.3, note, unit="ms")
    half, full = (peak(loop("says", count)) for count in (LOOPS // 2, LOOPS))
    figures.at_most(
        "loop over a growing list: memory, twice as many rounds", full / half, 2.5, f"{full:.1f} MB at most"
    )


def test_named_parameters_and_state(figures: Figures) -> None:
    keys = {"x": 0, "by": 1} | {f"more{i}": i for i in range(9)}
    named, state, bare = timed(
        running(chain("step", LOOPS), {"x": 0, "by": 1}), running(chain("whole", LOOPS), keys), tasks(LOOPS), rounds=21
    )
    for what, took in (("named int parameters", named), ("`state` of 11 keys", state)):
        figures.add(
            f"chain of {LOOPS:,}: {what}", f"{micro(took / LOOPS)} a node", f"{ratio(took / bare)} a task a node"
        )
