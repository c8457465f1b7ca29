"""The README's promises: its cells, its Python and its notation work when pasted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from execute_notebooks import ENVIRONMENT
from markdown_page import blocks, section
from nbclient import NotebookClient

from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks_under(heading: str, language: str) -> list[str]:
    """Return the texts of the fenced blocks of one language under a heading of the README."""
    return [block.text for block in blocks(section(README, heading), language)]


def test_the_five_cells_of_the_first_notebook_run_and_publish() -> None:
    cells = [
        nbformat.v4.new_code_cell(text.rstrip()) for text in blocks_under("A first notebook, in five cells", "python")
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)

    NotebookClient(notebook, timeout=300).execute()

    assert len(cells) == 5
    assert notebook.cells[-1].outputs[0]["data"]["text/plain"].startswith("(True,")


def test_the_notation_on_one_screen_reads() -> None:
    (text,) = blocks_under("The notation on one screen", "text")

    graph = GraphDefinition.from_text(text)

    assert graph.entry_node == "fetch"
    assert graph.reducers == {"findings": "extend"}
    assert [edge.to_node for edge in graph.edges if edge.type == "error"] == ["publish"]


def test_the_python_of_the_readme_runs() -> None:
    (text,) = blocks_under("In Python, and from a terminal", "python")

    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("completed {'n': 192}\n", "")


def test_the_tool_of_the_readme_asks_and_gets_the_answer() -> None:
    (text,) = blocks_under("Ask a person", "python")
    names: dict[str, Any] = {}
    exec(text, names)

    async def main() -> dict[str, Any]:
        registry = ToolRegistry()
        registry.register("approve", names["approve"])
        run = WorkflowEngine(registry).start(GraphDefinition.from_text("approve"), {"findings": [1, 2]})
        while not run.asking:
            await asyncio.sleep(0)
        assert run.asking[0].told["question"] == "Publish 2 findings?"
        run.answer("draft")
        return (await run).state

    assert asyncio.run(main())["verdict"] == "draft"


@pytest.mark.slow
def test_the_command_of_the_readme_reviews_a_file() -> None:
    command = next(text for text in blocks_under("Try it", "bash") if "nbflow run" in text).split()
    command = [sys.executable, "-m", "nbflow", *command[1:]]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "code_review: completed" in done.stdout


@pytest.mark.slow
def test_the_notebooks_give_what_they_are_committed_with() -> None:
    """Every output of every cell is compared, of run cells too."""
    environment = {**os.environ, **ENVIRONMENT}
    notebooks = sorted(map(str, (ROOT / "notebooks").glob("*.ipynb")))
    if not notebooks:
        pytest.fail("no notebooks")

    command = [sys.executable, "-m", "pytest", "-p", "nbval", "--nbval", "--nbval-cell-timeout=600", *notebooks]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-5000:]
