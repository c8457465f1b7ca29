"""Nodes that may run before a node starts for the first time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import lines

from nbflow.graph.traversal import before, walk

NAMES = "abcdefg"
Edges = list[tuple[str, str]]


def ways(edges: Edges) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    into = {name: [source for source, target in edges if target == name] for name in NAMES}
    out = {name: [target for source, target in edges if source == name] for name in NAMES}
    return into, out


def bit(name: str) -> int:
    return 1 << NAMES.index(name)


def names(bits: int) -> set[str]:
    return {name for name in NAMES if bits & bit(name)}


def expected(entries: set[str], edges: Edges, node: str) -> set[str]:
    """Return those that lead to a node, and that a way from an entry reaches which does not pass that node."""
    into, out = ways(edges)
    begun = walk([entry for entry in entries if entry != node], out, without=node)
    return walk(into[node], into) & begun - {node}


@given(
    st.sets(st.sampled_from(NAMES), min_size=1, max_size=2),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=16, unique=True),
)
def test_before_a_node_is_what_leads_to_it_on_a_way_that_does_not_pass_it(entries: set[str], edges: Edges) -> None:
    into, out = ways(edges)

    found = before(entries, into, out, bit)

    assert {name: names(bits) for name, bits in found.items()} == {
        name: expected(entries, edges, name) for name in walk(entries, out)
    }


def test_a_long_chain_takes_one_look_at_each_node() -> None:
    chain = [str(index) for index in range(5_000)]
    into = {name: [str(int(name) - 1)] if name != "0" else [] for name in chain}
    out = {name: [str(int(name) + 1)] if name != chain[-1] else [] for name in chain}
    asked: list[str] = []

    def own(name: str) -> int:
        asked.append(name)
        return 1

    before(["0"], into, out, own)

    assert sorted(asked) == sorted(chain)


@pytest.mark.parametrize("back", [lambda at: at - 1, lambda _: 0], ids=["to the one before", "to the first"])
def test_in_a_circle_of_four_times_the_nodes_it_takes_at_most_six_times_the_steps(back: Callable[[int], int]) -> None:
    def looked_at(count: int) -> Callable[[], object]:
        edges = [(str(at), str(at + 1)) for at in range(count - 1)]
        edges += [(str(at), str(back(at))) for at in range(1, count)]
        into: dict[str, list[str]] = {str(at): [] for at in range(count)}
        out: dict[str, list[str]] = {str(at): [] for at in range(count)}
        for source, target in edges:
            into[target].append(source)
            out[source].append(target)
        return lambda: before(["0"], into, out, lambda name: 1)

    assert lines(looked_at(800)) < 6 * lines(looked_at(200))
