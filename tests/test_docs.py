"""The pages in docs/: their examples can be parsed, their links have targets, and their lists are complete."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_page import Block, anchors, blocks, headings, links, section
from test_layers import LAYERS

from nbflow.graph import EdgeDefinition, GraphDefinition, NodeDefinition
from nbflow.notation import parse_run_line, read_flow
from nbflow.notebook.run_magics import RunMagics

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
OF_NODES = ("node_id", "tool", "graph", "params")
"""Fields of a node that are not options: a declaration writes them outside the bracket."""


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def examples(info: str) -> list[object]:
    """Return the fenced blocks of all pages with an info string, as parameters named by page and line."""
    found = [(path, block) for path in DOCS for block in blocks(path.read_text("utf-8"), info)]
    return [pytest.param(block, id=f"{path.name}:{block.line}") for path, block in found]


def read_run_lines(text: str) -> None:
    for line in text.splitlines():
        magic, _, rest = line.partition(" ")
        assert magic in ("%flow_run", "%flow_resume", "%flow_answer")
        parse_run_line(rest)


def read_json(text: str) -> None:
    data = json.loads(text)
    if "nodes" in data:
        GraphDefinition.model_validate(data)


def compile_python(text: str) -> None:
    compile(text, "<page>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", examples("flow"))
def test_each_example_of_the_notation_defines_valid_graphs(block: Block) -> None:
    assert read_flow(block.text)


@pytest.mark.parametrize(
    ("info", "read"), [("flow_run", read_run_lines), ("json", read_json), ("python", compile_python)]
)
def test_each_run_line_json_and_python_example_can_be_parsed(info: str, read: Callable[[str], None]) -> None:
    found = [block for path in DOCS for block in blocks(path.read_text("utf-8"), info)]

    for block in found:
        read(block.text)

    assert found


def test_a_block_of_a_page_is_a_checked_example_or_plain_text_or_a_drawing() -> None:
    known = {"flow", "flow_run", "json", "python", "text", "mermaid"}
    infos = {info for path in DOCS for info in re.findall(r"^```(\w*)\n.*?^```$", path.read_text("utf-8"), re.M | re.S)}
    assert infos <= known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for link in links(path.read_text("utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        target, _, fragment = unquote(link).partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{path.name} links to {link}"
        assert file.is_relative_to(ROOT), f"{path.name} links out of the repository: {link}"
        if fragment:
            assert fragment in anchors(file.read_text("utf-8")), f"{path.name} links to {link}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_page_starts_with_a_paragraph_that_names_its_readers(path: Path) -> None:
    title, blank, first = path.read_text("utf-8").split("\n")[:3]

    assert title.startswith("# ")
    assert blank == ""
    assert re.match(r"This page is for ", first)


def test_the_page_of_the_notation_has_each_option_of_nodes_edges_and_graphs() -> None:
    written = {part: options_under(f"{part} options") for part in ("Node", "Edge", "Graph")}

    fields = {field.alias or name for name, field in NodeDefinition.model_fields.items()}
    assert written["Node"] == fields - {*OF_NODES}
    assert {"max_iterations" if option == "max" else option for option in written["Edge"]} == (
        set(EdgeDefinition.model_fields) - {"from_node", "to_node", "type", "condition"}
    )
    keys = {"reduce": "reducers", "entry": "entry_node"}
    assert {keys.get(option, option) for option in written["Graph"]} == (
        set(GraphDefinition.model_fields) - {"name", "nodes", "edges"}
    )


def options_under(heading: str) -> set[str]:
    """Return the options that a section of the notation's page has a heading for, each with an example of it."""
    text = section(page("notation.md"), heading)
    parts = re.split(r"^#### `(\w+)`$", text, flags=re.M)[1:]
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        assert any(name in block.text for block in blocks(body, "flow")), f"{name} has no example"
    return set(parts[::2])


def test_the_page_of_the_notation_has_each_option_of_the_run_line() -> None:
    described = set(re.findall(r"^\| `(--[a-z-]+)", section(page("notation.md"), "The run line"), re.M))

    actions = RunMagics.flow_run.parser._actions  # type: ignore[attr-defined]  # a magic has the parser of its line
    assert described == {name for action in actions for name in action.option_strings if name.startswith("--")}


def test_the_page_of_the_architecture_has_each_part_in_its_layer() -> None:
    text = section(page("architecture.md"), "The parts and their layers")
    layers = re.split(r"^### Layer \d+: .*$", text, flags=re.M)[1:]

    cells = [re.findall(r"^\| (`.*?) \|", layer, re.M) for layer in layers]
    assert [{name for cell in rows for name in re.findall(r"`(\w+)`", cell)} for rows in cells] == LAYERS


def test_each_rule_that_code_and_tests_cite_is_a_heading() -> None:
    there = set(re.findall(r"^### Rule (\d+a?):", page("semantics.md"), re.M))
    sources = [path for folder in ("nbflow", "tests") for path in (ROOT / folder).rglob("*.py")]
    cited = {rule for path in sources for rule in re.findall(r"SEMANTICS rules? (\d+a?)\b", path.read_text("utf-8"))}

    assert cited
    assert cited <= there


def test_the_terms_of_the_glossary_are_in_alphabetical_order_and_each_is_there_once() -> None:
    terms = [term.lower() for term in headings(page("glossary.md"))[1:]]

    assert terms == sorted(set(terms))
