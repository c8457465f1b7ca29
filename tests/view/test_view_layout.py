"""Every way of laying out gives a picture with nothing on top of anything else."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shutil
from collections.abc import Callable

import pytest
from view_samples import ASKING, PAIR, PULL, REVIEW, graph, wide

from nbflow.graph import END, GraphDefinition
from nbflow.view.layout import layout as layouts
from nbflow.view.layout.layered import layered
from nbflow.view.layout.layout import Layout, LayoutError, by_dot, by_pygraphviz, layout
from nbflow.view.layout.sizes import fitted, name_of, sizes, text_width
from nbflow.view.outline import outline

ODD = graph("odd", ["alone", "self"], [("self", "self", {"condition": "again"})])
NESTED = graph(
    "nested",
    "abcdef",
    [("a", "b"), ("b", "c"), ("c", "b", {"condition": "x"}), ("c", "d"), ("d", "a", {"condition": "y"}), ("d", "e"),
     ("e", "f"), ("f", "f", {"condition": "z"}), ("f", "d")],
)  # fmt: skip
GRAPHS = [PAIR, REVIEW, PULL, ASKING, ODD, NESTED, wide(24, 5), wide(60, 6), wide(150, 12)]
MISSING = {
    by_dot: None if shutil.which("dot") else "there is no `dot` on PATH",
    by_pygraphviz: None if importlib.util.find_spec("pygraphviz") else "pygraphviz is not installed",
}
ENGINES = [
    pytest.param(engine, marks=pytest.mark.skipif(why is not None, reason=why or ""), id=engine.__name__)
    for engine, why in MISSING.items()
]


def assert_sound(definition: GraphDefinition, placed: Layout) -> None:
    drawn = [*(node.node_id for node in definition.nodes), *([END] if outline(definition).ends else [])]
    assert set(placed.nodes) == set(drawn)
    assert set(placed.edges) == {line.key for line in outline(definition).lines}
    for box in placed.nodes.values():
        assert placed.x <= box.x
        assert box.right <= placed.x + placed.width + 0.1
        assert placed.y <= box.y
        assert box.bottom <= placed.y + placed.height + 0.1
    for one, other in itertools.combinations(placed.nodes.values(), 2):
        apart = one.right <= other.x or other.right <= one.x or one.bottom <= other.y or other.bottom <= one.y
        assert apart, (one, other)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("definition", GRAPHS, ids=lambda g: g.name)
def test_graphviz_in_each_form_places_everything_apart(
    engine: Callable[[str], bytes], definition: GraphDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts, "ENGINES", (engine,))
    monkeypatch.setattr("nbflow.view.layout.layered.layered", None)

    assert_sound(definition, layout(outline(definition)))


@pytest.mark.parametrize("definition", GRAPHS, ids=lambda g: g.name)
def test_our_own_layout_places_everything_apart(definition: GraphDefinition) -> None:
    shape = outline(definition)

    assert_sound(definition, layered(shape, sizes(shape)))


def test_without_graphviz_our_own_layout_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> bytes:
        raise LayoutError("not here")

    monkeypatch.setattr(layouts, "ENGINES", (absent, absent))

    assert_sound(REVIEW, layout(outline(REVIEW)))


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"bb": "0,0,1,1", "objects": []}', b"\xff"])
def test_an_answer_that_cannot_be_read_leads_to_the_next_form(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> bytes:
        return answer

    monkeypatch.setattr(layouts, "ENGINES", (broken,))
    monkeypatch.setattr(layouts, "_CACHE", type(layouts._CACHE)())

    assert_sound(REVIEW, layout(outline(REVIEW)))


def test_a_missing_dot_program_is_reported() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nonexistent")
        with pytest.raises(LayoutError, match="PATH"):
            by_dot("digraph {}")


def test_the_same_graph_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counting(source: str) -> bytes:
        calls.append(source)
        return by_pygraphviz(source)

    monkeypatch.setattr(layouts, "ENGINES", (counting,))
    layout(outline(ASKING))
    layout(outline(ASKING))

    assert len(calls) == 1


def test_no_text_of_the_users_reaches_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ['"; a -> b', "<img onerror=alert(1)>"]
    hostile = graph("<x>", names, [(*names, {"condition": "zzz"})])
    seen = []

    def looking(source: str) -> bytes:
        seen.append(source)
        return by_pygraphviz(source)

    monkeypatch.setattr(layouts, "ENGINES", (looking,))
    layout(outline(hostile))

    assert not any(word in seen[0] for word in ("img", "zzz", "a -> b", "alert"))


def test_large_graphs_are_refused() -> None:
    with pytest.raises(ValueError, match="401 nodes"):
        layout(outline(wide(401, 9)))


def test_the_second_node_of_a_loop_of_two_is_below_the_first() -> None:
    placed = layout(outline(REVIEW))

    head, inner = placed.nodes["detect_issues"], placed.nodes["apply_fixes"]

    assert (inner.x, inner.w) == (head.x, head.w)
    assert inner.y - head.bottom == 36.0


def test_ways_that_close_a_loop_cross_no_card() -> None:
    for definition in (ASKING, NESTED, PULL):
        shape = outline(definition)
        placed = layout(shape)
        for line in (line for line in shape.lines if line.back and line.source != line.target):
            numbers = [float(part) for part in re.findall(r"-?[0-9.]+", placed.edges[line.key].d)]
            points = list(zip(numbers[::2], numbers[1::2], strict=True))
            for (x1, y1), (x2, y2) in itertools.pairwise(points):
                x, y = (x1 + x2) / 2, (y1 + y2) / 2
                assert not any(b.x < x < b.right and b.y < y < b.bottom for b in placed.nodes.values()), line


def test_names_are_cut_in_the_middle() -> None:
    assert name_of("a_very_long_name_for_a_node_indeed", "cards") == "a_very_long…ode_indeed"
    assert name_of("short", "cards") == "short"


def test_wide_letters_count_double_and_marks_nothing() -> None:
    assert text_width("\u6f22", 10.0) == 2 * text_width("n", 10.0)
    assert text_width("e\u0301\u200d", 10.0) == text_width("e", 10.0)


def test_a_fitted_text_is_no_wider_than_its_room() -> None:
    cut = fitted("ConnectionRefusedError", 11.0, 60.0)

    assert text_width(cut, 11.0) <= 60.0
    assert cut.endswith("…")
