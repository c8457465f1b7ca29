"""The README's examples: its cells, its Python and its notation work when pasted."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
import yaml
from execute_notebooks import ENVIRONMENT
from markdown_page import blocks, section
from nbclient import NotebookClient

from nbflow import GraphDefinition

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks_under(heading: str, language: str) -> list[str]:
    """Return the texts of the fenced blocks of one language under a heading of the README."""
    return [block.text for block in blocks(section(README, heading), language)]


def test_the_five_cells_of_the_first_notebook_run_and_serve_the_graph() -> None:
    cells = [
        nbformat.v4.new_code_cell(text.rstrip()) for text in blocks_under("A first notebook, in five cells", "python")
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)

    NotebookClient(notebook, timeout=300).execute()

    assert len(cells) == 5
    assert notebook.cells[-1].outputs[0]["data"]["text/plain"].startswith("(True,")


def test_the_notation_on_one_screen_can_be_parsed() -> None:
    (text,) = blocks_under("The notation on one screen", "text")

    graph = GraphDefinition.from_text(text)

    assert graph.entry_node == "fetch"
    assert graph.reducers == {"findings": "extend"}
    assert [edge.to_node for edge in graph.edges if edge.type == "error"] == ["publish"]


def test_the_python_of_the_readme_runs() -> None:
    (text,) = blocks_under("In Python, and from a terminal", "python")

    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("completed {'n': 192}\n", "")


def executed(cells: list[str], *, kernel_folder: Path) -> list[Any]:
    """Run cells in a new kernel; return the last output of each as text."""
    made = [nbformat.v4.new_code_cell(text.rstrip()) for text in cells]
    NotebookClient(nbformat.v4.new_notebook(cells=made), timeout=300, resources=in_folder(kernel_folder)).execute()
    return [cell.outputs[-1].get("data", {}).get("text/plain") if cell.outputs else None for cell in made]


def in_folder(folder: Path) -> dict[str, Any]:
    return {"metadata": {"path": str(folder)}}


def first_cells() -> list[str]:
    return blocks_under("A first notebook, in five cells", "python")


ASKS = "while not run.asking: await __import__('asyncio').sleep(0.01)"


def test_the_tool_of_the_readme_asks_a_question_and_receives_the_answer(tmp_path: Path) -> None:
    (tool,) = blocks_under("Ask a person", "python")
    start = "run = %flow_run approval findings=[1,2] --background"
    cells = ["%load_ext nbflow", tool, "%%flow_graph approval\napprove", start, ASKS, "run.asking[0].told['question']"]

    shown = executed([*cells, "%flow_answer draft", "(await run).state['verdict']"], kernel_folder=tmp_path)

    assert (shown[5], shown[7]) == ("'Publish 2 findings?'", "'draft'")


def test_the_magics_that_resume_and_fork_work(tmp_path: Path) -> None:
    (block,) = blocks_under("Nothing is lost", "python")
    resume, fork, history = [line.partition("#")[0].strip() for line in block.splitlines()]
    broken = "%%flow_tool\ndef publish(score: float) -> dict:\n    raise ValueError(score)"
    failing = (
        "try:\n    get_ipython().run_line_magic('flow_run', 'daily pages=4')\nexcept Exception as error: print(error)"
    )
    forked = f"fork = get_ipython().run_line_magic('flow_resume', {fork.partition(' ')[2]!r}.replace('1a2b', again.id))"

    shown = executed(
        [
            *first_cells(), broken, failing, first_cells()[1], f"again = {resume}", "str(again.status)", forked,
            "fork.state['bonus'] >= 0.5", history,
        ],
        kernel_folder=tmp_path,
    )  # fmt: skip

    assert (shown[9], shown[11]) == ("'completed'", "True")
    assert "daily" in shown[12]


def test_the_options_in_the_text_can_be_parsed() -> None:
    written = [*re.findall(r"`\[(\w+=\w+)\]`", README), *re.findall(r"`(join=\w+)`", README)]

    assert {"cache=true", "join=first"} <= set(written)
    for option in written:
        assert GraphDefinition.from_text(f"a [{option}]\nb -> a").nodes


def test_a_question_of_the_readme_is_a_node() -> None:
    (written,) = re.findall(r"`(approve = ask\(.*?\))`", README)

    assert GraphDefinition.from_text(f"{written}\napprove -> END").nodes[0].tool == "ask"


def test_the_lines_of_the_setup_name_existing_extras_and_files() -> None:
    extras = {name for names in re.findall(r"'\.\[([\w,]+)\]'", README) for name in names.split(",")}
    named = set(re.findall(r"\bnotebooks/[\w./-]+|nbflow/[\w/]+\.py|nbflow/server/deploy", README))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert {"review", "lab", "frames", "server", "test"} <= extras <= project["optional-dependencies"].keys()
    assert {"notebooks/code_review.ipynb", "nbflow/session/session.py", "nbflow/server/deploy"} <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_files_of_a_deployment_are_at_the_paths_of_the_readme() -> None:
    (block,) = blocks_under("Serve", "bash")[2:]

    assert block.startswith("cd nbflow/server/deploy && cp .env.example .env ")
    assert {".env.example", "compose.yaml"} <= {path.name for path in (ROOT / "nbflow/server/deploy").iterdir()}


def test_the_scraper_requests_a_host_that_the_text_allows() -> None:
    (text,) = blocks_under("Serve", "yaml")

    (job,) = yaml.safe_load(text)["scrape_configs"]

    (target,) = job["static_configs"][0]["targets"]
    assert f"NBFLOW_ALLOWED_HOSTS={target.partition(':')[0]}" in README
    assert "credentials_file" in job["authorization"]


def test_every_block_of_the_readme_has_a_test() -> None:
    """A new block needs a test: this file has most of them, tests/server and `.ci/run` have the others."""
    found: Counter[tuple[str, str]] = Counter()
    for part in README.split("\n## ")[1:]:
        for language in re.findall(r"^```(\w*)\n.*?^```$", part, re.DOTALL | re.MULTILINE):
            found[part.partition("\n")[0], language] += 1

    assert found == {
        ("Try it", "bash"): 3,
        ("A first notebook, in five cells", "python"): 5,
        ("Ask a person", "python"): 1,
        ("Nothing is lost", "python"): 1,
        ("The notation on one screen", "text"): 1,
        ("In Python, and from a terminal", "python"): 1,
        ("In Python, and from a terminal", "bash"): 1,
        ("Serve", "bash"): 3,
        ("Serve", "yaml"): 1,
        ("Tests", "bash"): 1,
    }


MODULE = "from nbflow import tool\n\n@tool\ndef double(n: int) -> dict:\n    return {'n': n * 2}\n"
BROKEN = "def publish(score: float) -> dict:\n    raise ValueError('not yet')"
SLOW = "async def fetch(pages: int) -> dict:\n    import asyncio\n    await asyncio.sleep(600)\n    return {'rows': []}"


class Terminal:
    """A shell with a new home, in a folder with the five cells in flows.ipynb."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin_ = str(Path(sys.executable).parent)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NBFLOW_")}
        self.environment = {**kept, "HOME": str(folder), "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}

    def write(self, tools: str = "") -> None:
        """Write the notebook; `tools` replace those of its second cell."""
        cells = first_cells()[:3]
        cells[2:2] = [f"%%flow_tool\n{tools}"] if tools else []
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbformat.write(made, self.folder / "flows.ipynb")

    def start(self, command: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        script = ["bash", "-c", f"{command}\nexit $?"]  # a second command, so that bash stays the parent
        return subprocess.Popen(
            script, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, command: str, code: int = 0) -> str:
        with self.start(command) as process:
            out, said = process.communicate(timeout=120)
        assert process.returncode == code, f"{command}: {said}"
        return out


@pytest.mark.slow
def test_the_commands_of_the_readme_run_in_a_terminal(tmp_path: Path) -> None:
    (block,) = blocks_under("In Python, and from a terminal", "bash")
    commands = [line.partition(" #")[0].strip() for line in block.splitlines()]
    run, run_json, as_json, resume, fork, cancel, runs, prune, show, export, completion = commands
    terminal = Terminal(tmp_path)
    graph = {"name": "g", "nodes": [{"node_id": "double", "tool": "double"}], "edges": []}
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    (tmp_path / "state.json").write_text('{"n": 2}')
    (tmp_path / "module.py").write_text(MODULE)

    terminal.write()
    terminal.run(run)
    terminal.run(run_json)
    assert json.loads(terminal.run(as_json))["status"] == "completed"
    terminal.write(BROKEN)
    terminal.run(run, code=1)
    assert json.loads(terminal.run(f"{runs} --json"))[0]["status"] == "failed"
    terminal.write()
    terminal.run(resume)
    done = json.loads(terminal.run("nbflow runs --status completed --graph daily --json"))[0]["run_id"]
    terminal.run(fork.replace("4f2a", done))
    terminal.write(SLOW)
    with terminal.start(run) as process:
        while not (going := json.loads(terminal.run("nbflow runs --status running --json"))):
            assert process.poll() is None
        terminal.run(cancel.replace("4f2a", going[0]["run_id"]))
        process.communicate(timeout=120)
    terminal.write()
    terminal.run(prune)
    terminal.run(show)
    assert "<svg" in (tmp_path / "daily.svg").read_text(encoding="utf-8")
    terminal.run(export)
    terminal.run(f"{sys.executable} -c 'import flows'")
    terminal.run(completion)
    assert any("nbflow" in path.read_text() for path in tmp_path.glob(".bash*") if path.is_file())


@pytest.mark.slow
def test_the_readmes_server_starts_and_answers(tmp_path: Path) -> None:
    block = blocks_under("Serve", "bash")[0]
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".nbflow"))
    terminal = Terminal(tmp_path)
    with terminal.start(block.replace("code_review.ipynb ", "code_review.ipynb --port 0 --json ")) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        with urllib.request.urlopen(f"{told['address'].rstrip('/')}/health") as answer:
            assert answer.status == 200
        for child in psutil.Process(process.pid).children():
            child.terminate()
        process.communicate(timeout=120)

    assert len(told["token"]) >= 24


@pytest.mark.slow
def test_the_command_of_the_readme_reviews_a_file() -> None:
    command = next(text for text in blocks_under("Try it", "bash") if "nbflow run" in text).split()
    command = [sys.executable, "-m", "nbflow", *command[1:]]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "code_review: completed" in done.stdout


@pytest.mark.slow
def test_the_notebooks_produce_their_committed_outputs() -> None:
    """The test compares every output of every cell, including run cells."""
    environment = {**os.environ, **ENVIRONMENT}
    notebooks = sorted(map(str, (ROOT / "notebooks").glob("*.ipynb")))
    if not notebooks:
        pytest.fail("no notebooks")

    command = [sys.executable, "-m", "pytest", "-p", "nbval", "--nbval", "--nbval-cell-timeout=600", *notebooks]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-5000:]
