"""The cost of a node whose tool takes two keys and writes one: nbflow compared with asyncio alone and five other engines.

The log stays in memory and the garbage collector is on, as in a user's notebook. `-k chain` runs one family alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import peers
import pytest
from figures import Figures, micro, ratio
from timing import AsyncWay, interleave

from nbflow.live_view.stream import Feed
from nbflow.session import Session
from nbflow.view.recorded_run import empty_view

ROUNDS = 7
N, RUNS, SHORT = 1_000, 100, 10


async def step(x: int, by: int) -> dict[str, int]:
    return {"x": x + by}


async def branch(x: int, by: int) -> dict[str, int]:
    return {"total": x + by}


def chain(count: int) -> str:
    names = [f"n{i}" for i in range(count)]
    return "\n".join([*(f"{name} = step" for name in names), *(f"{one} -> {next_}" for one, next_ in pairwise(names))])


def loop(count: int) -> str:
    return f"a = step\nb = step\na -> b\nb -> a if x < {count} [max={count}]\nmax_iterations {count}"


def fan(count: int) -> str:
    names = [f"n{i}" for i in range(count)]
    nodes = "\n".join(f"{name} = branch" for name in names)
    return f"split = pass\njoin = pass\n{nodes}\nsplit -> {' & '.join(names)} -> join\nreduce total with add"


def nbflow(text: str, key: str) -> Callable[..., AsyncWay]:
    """Return a function that builds the timed functions of a graph in a new session: stored or not, with a view or without."""

    def way_of(durability: Any, *, view: bool) -> AsyncWay:
        session = Session()
        session.registry.register("step", step)
        session.registry.register("branch", branch)
        session.graph("g", text)

        async def way() -> int:
            run = session.start("g", peers.START, durability=durability)
            if not view:
                return int((await run).state[key])
            feed = Feed(run, empty_view(run), send=lambda message: None, describe=lambda tool: "", reopen=None)  # type: ignore[arg-type]
            feed.start()
            feed.handle({"type": "ready"})
            result = await run
            feed.close()
            return int(result.state[key])

        return way

    return way_of


def ours(text: str, key: str = "x") -> dict[str, AsyncWay]:
    way_of = nbflow(text, key)
    return {
        "nbflow": way_of("off", view=False),
        "nbflow, view open": way_of("off", view=True),
        "nbflow, stored `async`": way_of("async", view=False),
        "nbflow, stored `async`, view open": way_of("async", view=True),
    }


def others(**makers: Callable[[], AsyncWay]) -> dict[str, AsyncWay]:
    """Return the timed functions of the installed peers."""
    ways = {}
    for name, make in makers.items():
        try:
            ways[name.replace("_", "-")] = make()
        except pytest.skip.Exception:
            continue
    return ways


def at_once(way: AsyncWay) -> AsyncWay:
    async def many() -> int:
        found: set[int] = set(await asyncio.gather(*(_called(way) for _ in range(RUNS))))
        (result,) = found
        return result

    return many


async def _called(way: AsyncWay) -> Any:
    return await way()


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/runs.db")


def compare(figures: Figures, shape: str, nodes: int, expected: int, ways: dict[str, AsyncWay], base: str) -> None:
    """Time the functions in turn; add a row for each, compared with the base."""

    async def main() -> Any:
        found = [await _called(way) for way in ways.values()]
        assert found == [expected] * len(ways), dict(zip(ways, found, strict=True))
        return await interleave(ROUNDS, *ways.values(), collecting=True)

    rounds, against = asyncio.run(main()), list(ways).index(base)
    for index, name in enumerate(ways):
        each = rounds.median(index) / nodes
        figures.add(f"{shape}: {name}", f"{micro(each)} a node", f"{ratio(rounds.ratio(index, against))} {base}")


@pytest.mark.parametrize("count", [N, 10 * N])
def test_chain(count: int, figures: Figures) -> None:
    bare = {"asyncio, awaited": peers.awaited(count), "asyncio, a task a node": peers.tasks(count)}
    more = others(pocketflow=lambda: peers.pocketflow_chain(count), pydantic_graph=lambda: peers.pydantic_chain(count))
    # The time of these two per node grows with the graph: the long chain would take minutes.
    if count == N:
        more |= others(burr=lambda: peers.burr_chain(count), langgraph=lambda: peers.langgraph_chain(count))
    ways = bare | ours(chain(count)) | more
    compare(figures, f"chain of {count:,}", count, count, ways, "asyncio, a task a node")


def test_loop_with_a_condition(figures: Figures) -> None:
    bare = {"asyncio, awaited": peers.awaited(N), "asyncio, a task a node": peers.tasks(N)}
    more = others(
        pocketflow=lambda: peers.pocketflow_loop(N),
        burr=lambda: peers.burr_loop(N),
        pydantic_graph=lambda: peers.pydantic_loop(N),
        langgraph=lambda: peers.langgraph_loop(N),
    )
    compare(figures, f"loop of {N:,}", N, N, bare | ours(loop(N)) | more, "asyncio, a task a node")


def test_fan_out(figures: Figures) -> None:
    more = others(
        pocketflow=lambda: peers.pocketflow_fan(N),
        pydantic_graph=lambda: peers.pydantic_fan(N),
        langgraph=lambda: peers.langgraph_fan(N),
    )
    ways = {"asyncio.gather": peers.gathered(N)} | ours(fan(N), "total") | more
    compare(figures, f"fan-out of {N:,}", N, N, ways, "asyncio.gather")


def test_many_runs_at_once(figures: Figures) -> None:
    bare = {"asyncio, awaited": peers.awaited(SHORT), "asyncio, a task a node": peers.tasks(SHORT)}
    more = others(
        pocketflow=lambda: peers.pocketflow_chain(SHORT),
        burr=lambda: peers.burr_chain(SHORT),
        pydantic_graph=lambda: peers.pydantic_chain(SHORT),
        langgraph=lambda: peers.langgraph_chain(SHORT),
    )
    ways = {name: at_once(way) for name, way in (bare | ours(chain(SHORT)) | more).items()}
    compare(figures, f"{RUNS} runs of {SHORT}", RUNS * SHORT, SHORT, ways, "asyncio, a task a node")
