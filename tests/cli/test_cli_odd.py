"""Unusual arguments end in one sentence, and never in a traceback of nbflow."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest
from commands import KEPT, Command, command, environment

DEEP = "[" * 50_000 + "]" * 50_000
TOOL = "%%flow_tool\ndef plus(total=1):\n    return {'total': total + 1}"
GRAPH = "%%flow_graph sums\nplus"


def write_notebook(folder: Path, *cells: str) -> None:
    made: list[Any] = [nbformat.v4.new_code_cell(cell) for cell in ("%load_ext nbflow", *cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / "flows.ipynb")


def in_shell(folder: Path, line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `nbflow` is the command."""
    named = f'nbflow() {{ {" ".join(command())} "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", named], cwd=folder, env=environment(**more), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("cell", ["import sys\nsys.exit(0)", "exit()"])
def test_a_cell_that_ends_the_process_is_an_error_that_names_the_cell(nbflow: Command, folder: Path, cell: str) -> None:
    write_notebook(folder, TOOL, cell, GRAPH)

    done = nbflow("run", "flows.ipynb")

    assert (done.returncode, done.stdout) == (1, "")
    assert "nbflow: flows.ipynb, cell 3: line" in done.stderr
    assert "SystemExit" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell",
    ["quit()", "exit", "raise SystemExit", "raise SystemExit(3)", "%%time\nimport sys\nsys.exit(0)",
     "import sys, asyncio\nawait asyncio.sleep(0)\nsys.exit(0)", "raise BaseException('b')", "raise GeneratorExit",
     "import asyncio\nraise asyncio.CancelledError", "x = '\ud800'", "x = '\0'", "(" * 5000 + ")" * 5000,
     "-" * 100_000 + "1"],
    ids=lambda cell: cell[:20],
)  # fmt: skip
def test_any_error_of_a_cell_names_the_cell(nbflow: Command, folder: Path, cell: str) -> None:
    write_notebook(folder, TOOL, "pass", GRAPH)
    text = (folder / "flows.ipynb").read_text().replace(json.dumps("pass"), json.dumps(cell))
    (folder / "flows.ipynb").write_text(text)

    done = nbflow("run", "flows.ipynb")

    assert (done.returncode, done.stdout) == (1, "")
    assert "flows.ipynb, cell 3: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cell_that_is_a_name_is_python_and_never_a_magic(nbflow: Command, folder: Path) -> None:
    write_notebook(folder, TOOL, GRAPH, "run = 3", "run")

    done = nbflow("run", "flows.ipynb", "--tools", "./mytools.py")  # which is a path

    assert done.returncode == 0, done.stderr
    assert "total: " in done.stdout


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("nbflow show sums.flow > /dev/full", 1, "nbflow: the output cannot be used: No space left on device\n"),
        ("nbflow show sums.flow | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("nbflow show sums.flow >&-", 0, ""),
    ],
)
def test_output_that_cannot_be_written_ends_a_command_without_a_traceback(
    folder: Path, line: str, code: int, told: str
) -> None:
    if "|" in line:  # more than a pipe holds, so that it is written after its reader has gone
        chain = "\n".join(f"n{i} -> n{i + 1}" for i in range(8000))
        (folder / "sums.flow").write_text(
            "graph sums\n" + chain + "\n" + "\n".join(f"n{i} = pass" for i in range(8001))
        )

    done = in_shell(folder, line)

    assert (done.returncode, done.stderr) == (code, told)


@pytest.mark.slow
@pytest.mark.parametrize("stream", [">", "2>"])
@pytest.mark.parametrize("target", ["/dev/full", "&-"])
@pytest.mark.parametrize(
    "line", ["nbflow run sums.flow --tools mytools --set total=60", "nbflow runs --json", "nbflow run none.flow"]
)
def test_a_stream_that_is_full_or_closed_shows_no_traceback(folder: Path, line: str, stream: str, target: str) -> None:
    done = in_shell(folder, f"{line} {stream}{target}", NBFLOW_DURABILITY="async")

    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.slow
def test_a_run_whose_reader_has_gone_is_cancelled_and_stored(folder: Path) -> None:
    (folder / "hold.flow").write_text("graph hold\ncounted -> waits\n")
    done = in_shell(
        folder, "nbflow run hold.flow --tools mytools 2>&1 | true; exit ${PIPESTATUS[0]}", NBFLOW_DURABILITY="sync"
    )
    (listed,) = json.loads(in_shell(folder, "nbflow runs --json").stdout)

    assert done.returncode == 1
    assert listed["status"] == "cancelled"


def test_a_closed_standard_stream_is_not_the_store(folder: Path) -> None:
    """Else the store's file gets the number of the stream, and what a tool's child prints is written into it."""
    (folder / "child.py").write_text("import os\ndef prints():\n    os.system('echo printed'); return {'done': 1}\n")
    (folder / "child.flow").write_text("graph child\nprints")

    in_shell(folder, "nbflow run child.flow --tools child <&- >&- 2>&-", NBFLOW_DURABILITY="sync")

    (listed,) = json.loads(in_shell(folder, "nbflow runs --json").stdout)
    assert listed["status"] == "completed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["runs", "--limit", "9" * 20], ""),
        (["runs", "--limit", "-5"], "greater than or equal to 1"),
        (["runs", "--limit", "9" * 5000], "exceeded maximum size"),
        (["runs", "--since", "999999999w"], ""),
        (["runs", "--since", "9" * 5000], "is neither a span of time nor a date"),
        (["db", "prune", "--keep-last", "9" * 20, "--dry-run"], ""),
        (["resume", "RUN", "--tools", "mytools", "--from", "9" * 20], "is the number of no event"),
        (["resume", "RUN", "--tools", "mytools", "--from", "9" * 5000], "is the number of no event"),
        (["resume", "RUN", "--tools", "mytools", "--from", "plus#²"], "node 'plus#²' never started"),
        (["resume", "RUN", "--tools", "mytools", "--from", "plus#" + "9" * 5000], "never started"),
        (["cancel", ""], "no run '' is known here"),
        (["cancel", "a" * 100_000], "is known here"),
        (["show", "9" * 32], "no run '9999"),
        (["show", "a" * 5000], "File name too long"),
        (["show", ""], "is a folder"),
        (["export", "none.ipynb", "-o", "mytools.py"], "no file 'none.ipynb' here"),
        (["export", "."], "'.' is a folder"),
        (["show", "sums.flow", "--svg", "none/a.svg"], "--svg none/a.svg: cannot be written: No such file"),
        (["show", "sums.flow", "--png", "."], "--png .: cannot be written: Is a directory"),
        (["run", "sums.flow", "--tools", "mytools", "--state", "."], "--state .: is a folder"),
        (
            ["run", "sums.flow", "--tools", "mytools", "--state", "deep.json"],
            "--state deep.json: the JSON is nested too deep",
        ),
        (["run", "deep.json", "--tools", "mytools"], "the JSON is nested too deep"),
        (
            ["run", "sums.flow", "--tools", "mytools", "--set", f"total={DEEP}"],
            "--set total: a value is nested at most",
        ),
        (
            ["run", "sums.flow", "--tools", "mytools", "--set", 'total={"a": [1, null}'],
            "quotes inside the value make it a text",
        ),
        (["run", "sums.flow", "--tools", "mytools", "--set", "total={a: 1}"], "--set total: "),
        (["run", "sums.flow", "--tools", "mytools", "--set", "total=\udcff"], "no text in the terminal's encoding"),
        (["run", "sums.flow", "--tools", "mytools", "--executor", "process"], "No such option: --executor"),
        (["run", "process.flow", "--tools", "mytools"], "executor is one of auto, inline, thread, not 'process'"),
        (["serve", "."], "'.' is a folder"),
        (["serve", "sums.flow", "--tools", "./none.py", "--port", "0"], "there is no such file"),
    ],
    ids=lambda part: " ".join(part)[:40] if isinstance(part, list) else "",
)
def test_odd_arguments_are_honoured_or_refused_in_a_sentence(
    nbflow: Command, folder: Path, ids: list[str], arguments: list[str], told: str
) -> None:
    (folder / "deep.json").write_text(DEEP)
    (folder / "process.flow").write_text("plus [executor=process]")

    done = nbflow(*(ids[0] if part == "RUN" else part for part in arguments))

    assert done.returncode in ((1, 2) if told else (0,)), done.stderr
    assert told in " ".join(done.stderr.replace("│", " ").split())  # without the frame of usage errors
    assert "Traceback" not in done.stderr
    assert "does not expect" not in done.stderr


@pytest.mark.slow
def test_a_list_of_runs_that_is_cut_says_so(nbflow: Command, ids: list[str]) -> None:
    cut, whole = nbflow("runs", "--limit", "1"), nbflow("runs", "--json")

    assert cut.stderr == "1 run listed, the newest; there are more: --limit N\n"
    assert (whole.stderr, len(json.loads(whole.stdout))) == ("", len(ids))


def test_a_notebook_and_a_state_with_byte_order_marks_are_read(nbflow: Command, folder: Path) -> None:
    write_notebook(folder, TOOL, GRAPH)
    path = folder / "flows.ipynb"
    path.write_bytes(path.read_text().encode("utf-16"))
    (folder / "state.json").write_bytes('{"total": 41}'.encode("utf-8-sig"))

    done = nbflow("run", "flows.ipynb", "--state", "state.json", *KEPT[2:])

    assert done.returncode == 0, done.stderr
    assert "  total: 42" in done.stdout.splitlines()
