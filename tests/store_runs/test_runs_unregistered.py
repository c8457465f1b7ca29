"""A stored run is read without its tools and predicates: its log has the edges that it took."""

from __future__ import annotations

import asyncio

import pytest

from nbflow.engine import Run
from nbflow.errors import StoreError
from nbflow.session import Session


def ran(text: str, *, broken: bool = False) -> Run:
    """Run a graph whose tool, predicate and reducer are registered in this session alone."""
    made = Session()

    @made.tool
    def grows(n: int) -> dict[str, int]:
        return {"n": n + 1, "most": n}

    @made.registry.predicate
    def large(n: int) -> bool:
        if broken:
            raise ValueError("it cannot tell")
        return n > 3

    @made.registry.reducer
    def larger(held: int, one: int) -> int:
        return max(held, one)

    made.graph("g", text)

    async def main() -> Run:
        run = made.start("g", {"n": 0})
        await run.wait()
        return run

    run = asyncio.run(main())
    made.history.close()
    return run


@pytest.mark.parametrize("broken", [False, True])
def test_a_run_is_read_without_its_tools_and_predicates_at_each_of_its_events(broken: bool) -> None:
    run, other = ran("grows -> END if large(n) else grows", broken=broken), Session()

    stored = other.read(run.id)

    assert (stored.status, stored.state) == (run.status, run.state)
    seqs = range(1, len(run.events) + 1)
    assert [stored.at(seq).state for seq in seqs] == [run.at(seq).state for seq in seqs]
    assert other.show(run.id).snapshot()["run"]["status"] == run.status
    assert [row.id for row in other.runs()] == [run.id]
    other.history.close()


def test_a_run_with_an_unknown_reducer_is_an_error_that_names_it_and_says_what_to_do() -> None:
    run, other = ran("grows -> END if large(n) else grows\nreduce most with larger"), Session()

    with pytest.raises(StoreError, match=r"key 'most' names unknown reducer 'larger'.*\n.*import the module"):
        other.read(run.id)
    assert [row.id for row in other.runs()] == [run.id]
    other.history.close()
