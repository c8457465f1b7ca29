"""Static pictures are strict XML for any text, show the state of the run, and refer to no other resource."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_samples import ASKING, ERROR, PAIR, PULL, REVIEW, Story, graph, wide

from nbflow.errors import GraphError
from nbflow.graph import GraphDefinition
from nbflow.graph.validation import id_fault
from nbflow.view import GraphPicture, RunView, scene, static_html, static_svg, summary
from nbflow.view.render.picture import STYLE
from nbflow.view.render.png import static_png

HOSTILE = [
    "<img src=x onerror=alert(1)>", '"quoted" & \'more\'', "]]>", "<![CDATA[x", "&amp;&#0;", "\u202eabc", "\u200b",
    "e\u0301" * 30, "\u05e9\u05dc\u05d5\u05dd", "\U0001f600" * 40, "\u6f22\u5b57", "javascript:alert(1)",
    "</svg><script>alert(1)</script>",
]  # fmt: skip
NAMES = st.text(min_size=1, max_size=40).filter(lambda text: id_fault(text) is None)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def texts(svg: str) -> list[str]:
    return ["".join(found.itertext()) for found in parsed(svg).iter("{http://www.w3.org/2000/svg}text")]


def tags_of(html: str) -> list[tuple[str, dict[str, str | None]]]:
    found: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(html)
    return found


def finished(definition: GraphDefinition, story: Story) -> dict[str, Any]:
    view = RunView(definition)
    view.apply(story.events)
    return view.snapshot(story.now)


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.text(max_size=60), st.text(max_size=60))
def test_a_picture_of_any_text_is_strict_xml(names: list[str], title: str, message: str) -> None:
    definition = graph(title, names, pairwise(names))
    story = Story()("execution_start")("node_start", names[0])
    story("node_error", names[0], error={"type": message or "E", "message": message})
    story("execution_error", error={"type": "E", "message": message, "node": names[0]})

    svg = static_svg(definition, finished(definition, story), title=title)

    parsed(svg)
    svg.encode()
    parsed(scene(definition)["svg"])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text(hostile: str) -> None:
    name = hostile.replace("/", "|").replace("[", "(").replace("]", ")")
    definition = graph(hostile, [name, "b"], [(name, "b", {"condition": f"x == {hostile!r}"})])
    story = Story()("execution_start").ran(name).left(name, "b", f"x == {hostile!r}", x=hostile)

    svg = static_svg(definition, finished(definition, story), title=hostile)

    tags = {element.tag.partition("}")[2] for element in parsed(svg).iter()}
    assert tags <= {"svg", "g", "rect", "path", "polygon", "text", "tspan", "title", "style", "circle"}
    assert not any(attribute.startswith("on") for element in parsed(svg).iter() for attribute in element.attrib)


@pytest.mark.parametrize("definition", [PAIR, PULL, ASKING, wide(60, 6), wide(500, 20)], ids=lambda g: g.name)
def test_a_picture_asks_for_nothing_from_outside(definition: GraphDefinition) -> None:
    svg = static_svg(definition)

    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"url\(|@import|href|<script|<image", svg)


@pytest.mark.parametrize(("count", "mode"), [(2, "cards"), (24, "cards"), (25, "chips"), (400, "chips"), (401, "list")])
def test_the_scene_follows_the_contract_of_the_page(count: int, mode: str) -> None:
    definition = wide(count, 12)
    made = scene(definition, run_id="7f3a")

    root = parsed(made["svg"])
    drawn = [element.get("data-n") for element in root.iter() if element.get("data-n") is not None]
    edges = [element.get("data-e") for element in root.iter("{http://www.w3.org/2000/svg}g") if element.get("data-e")]

    assert made["mode"] == mode
    assert sorted(drawn) == sorted(made["order"]) == sorted(made["kinds"])
    assert mode == "list" or set(edges) == set(RunView(definition).snapshot(0.0)["edges"])


def test_every_card_has_the_parts_the_page_changes() -> None:
    root = parsed(scene(PULL)["svg"])
    for card in (g for g in root.iter() if g.get("data-n")):
        parts = {cls for part in card.iter() for cls in part.get("class", "").split()}
        assert parts >= {"nf-hit", "nf-shape", "nf-ic", "nf-name", "nf-meta", "nf-badge"}
        shape = next(part for part in card if part.get("class") == "nf-shape")
        assert all(float(shape.get(name, "x")) is not None for name in ("x", "y", "width", "height"))
    parts = {cls for part in root.iter() for cls in part.get("class", "").split()}
    assert parts >= {"nf-back", "nf-side", "nf-ptrack", "nf-pfill", "nf-pfail", "nf-barr", "nf-cap", "nf-captext"}
    assert "nf-elabel" in parts


def test_kinds_of_nodes_are_shown() -> None:
    kinds = scene(PULL)["kinds"]

    told = [kinds[node] for node in ("lint", "security_scan", "review_files", "approve_fix")]

    assert told == ["tool", "subgraph", "map", "ask"]


def test_a_run_cannot_move_the_scene() -> None:
    assert scene(PULL)["svg"] == scene(PULL)["svg"]


def test_a_picture_says_what_the_run_came_to() -> None:
    story = Story()("execution_start")
    for failed in (2, 1):
        story.ran("run_tests", 10.0).took("run_tests", "fix_tests", "failed > 0", failed=failed)
        story.ran("fix_tests", 12.0).took("fix_tests", "run_tests")
    story.ran("run_tests", 10.0).left("run_tests", "fix_tests", "failed > 0", failed=0)
    story("execution_complete", result={})

    said = texts(static_svg(PULL, finished(PULL, story)))

    assert "review_prCompleted54 s · 2 of 12 nodes, 10 skipped" in said
    assert {"yes \u00d72", "loop 2 of 5", "failed (0) > 0 → no", "\u00d73", "12 s"} <= set(said)


def test_a_failed_run_says_where_and_what() -> None:
    story = Story()("execution_start")("node_start", "a")("node_error", "a", error=ERROR)
    story("execution_error", error={**ERROR, "node": "a"})

    said = texts(static_svg(PAIR, finished(PAIR, story), title="pair"))

    assert any("a: KeyError: 'severity'" in text for text in said)


def test_runs_alike_give_the_same_picture_where_that_is_asked_for() -> None:
    def told(seconds: float) -> str:
        story = Story()("execution_start").ran("a", seconds).took("a", "b")("node_start", "b", seconds, attempt=1)
        snapshot = finished(PAIR, story)
        return static_svg(PAIR, snapshot, deterministic=True) + summary(snapshot, "pair", deterministic=True)

    assert told(1.0) == told(77.0)


def test_both_themes_are_in_one_picture_unless_dark_is_asked_for() -> None:
    both, dark = static_svg(PAIR), static_svg(PAIR, dark=True)

    assert "prefers-color-scheme:dark" in both
    assert "<style" not in dark
    assert 'fill="#111316"' in dark


def test_summaries_are_one_line() -> None:
    story = Story()("execution_start")
    for _ in range(3):
        story.ran("detect_issues")
    story.ran("suggest_improvements")("execution_complete", result={})
    snapshot = finished(REVIEW, story)

    assert summary(snapshot, "code_review", deterministic=True) == (
        "code_review: completed, 5 nodes (3 skipped), 3 firings of detect_issues"
    )
    assert summary(snapshot, "code_review").startswith("code_review: completed in 4.0 s, ")


def test_html_holds_the_picture_as_data_and_details_as_text() -> None:
    svg = static_svg(PAIR)
    html = static_html(svg, 'a "title" <b>', "<script>x</script>")

    data = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)

    assert data is not None
    assert base64.b64decode(data[1]).decode() == svg
    assert ("img", 'a "title" <b>') in [(tag, attributes.get("alt")) for tag, attributes in tags_of(html)]
    assert {tag for tag, _ in tags_of(html)} == {"style", "div", "img", "details", "summary", "pre"}
    assert f"<style>{STYLE}</style>" in html


def test_a_graph_picture_gives_text_and_html() -> None:
    bundle = GraphPicture(REVIEW)._repr_mimebundle_()

    assert bundle["text/plain"] == REVIEW.to_text()
    assert '<div class="nbflow-graph"><img alt="Workflow graph code_review"' in bundle["text/html"]


def test_a_png_is_drawn_without_dot_or_browser() -> None:
    pytest.importorskip("pygraphviz")
    odd = graph("odd", ["<b>&", "b"], [("<b>&", "b"), ("b", "END", {"condition": "x"})])

    for definition in (PULL, odd):
        assert static_png(definition).startswith(b"\x89PNG\r\n")


def test_a_png_of_too_large_a_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="401 nodes are too many"):
        static_png(wide(401, 9))


def test_importing_the_view_loads_no_graphviz() -> None:
    heavy = "('graphviz', 'pygraphviz', 'IPython', 'ipywidgets', 'networkx', 'lark', 'asyncio', 'numpy')"
    code = f"import sys, nbflow.view; print([m for m in {heavy} if m in sys.modules])"

    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
