"""Completion in a shell, requested as bash does: by the function that nbflow gives it."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from commands import environment

from nbflow.session import Session

BASH = shutil.which("bash")
PROGRAM = Path(sys.executable).with_name("nbflow")

pytestmark = pytest.mark.skipif(BASH is None or not PROGRAM.exists(), reason="there is no bash here, or no nbflow")


@pytest.fixture(scope="module")
def script() -> str:
    """Give what bash is told once."""
    done = subprocess.run(
        [PROGRAM, "--show-completion", "bash"],
        env=environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def completed(script: str, folder: Path, line: str, **more: str) -> list[str]:
    """Return what bash offers at the end of a line."""
    words = line.split(" ")
    ask = (
        f"{script}\nCOMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}\n"
        f'_nbflow_completion {shlex.quote(str(PROGRAM))}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    assert BASH is not None
    done = subprocess.run(
        [BASH, "-c", ask], cwd=folder, env=environment(**more), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def with_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, str]]:
    """Give a folder whose store has a run that completed, one that failed and one whose process died."""
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
    made = Session()
    made.history.folder = tmp_path
    ids = {}

    async def main() -> None:
        made.registry.register("breaks", lambda: {}["no such key"])
        for name, text in {"fine": "pass", "broken": "breaks"}.items():
            made.graph(name, text)
            run = made.start(name)
            await run.wait()
            ids[name] = run.id
        made.graph("odd; name", "pass")
        run = made.start("odd; name")
        await run.wait()
        ids["odd"] = run.id

    asyncio.run(main())
    made.history.close()
    change(tmp_path, ids["odd"])
    return tmp_path, ids


def change(folder: Path, run_id: str) -> None:
    """Make a run one whose process died."""
    with sqlite3.connect(folder / ".nbflow" / "nbflow.db") as store:
        store.execute("UPDATE nbflow_executions SET status = 'running', ended = NULL WHERE id = ?", (run_id,))
    store.close()


@pytest.mark.slow
def test_runs_are_completed_where_they_fit(script: str, with_runs: tuple[Path, dict[str, str]]) -> None:
    folder, ids = with_runs

    assert completed(script, folder, "nbflow cancel ") == [ids["odd"]]
    assert completed(script, folder, "nbflow resume ") == [ids["odd"], ids["broken"]]
    assert completed(script, folder, f"nbflow show {ids['fine'][:6]}") == [ids["fine"]]
    assert completed(script, folder, "nbflow show ") == []  # which leaves it to bash, to offer files


def test_only_plain_words_are_given_to_a_shell(script: str, with_runs: tuple[Path, dict[str, str]]) -> None:
    folder, _ = with_runs

    assert completed(script, folder, "nbflow runs --graph ") == ["broken", "fine"]
    assert completed(script, folder, "nbflow runs --status c") == ["completed", "cancelled"]


def test_graphs_of_a_file_are_completed_and_nothing_of_it_runs(script: str, tmp_path: Path) -> None:
    cells = ["open('ran', 'w')", "%%flow_graph daily\na", "\n%%flow_graph weekly # all\nb", "x = '%%flow_graph no'"]
    made = [*map(nbformat.v4.new_code_cell, cells), nbformat.v4.new_markdown_cell("%%flow_graph text")]
    nbformat.write(nbformat.v4.new_notebook(cells=made), tmp_path / "flows.ipynb")
    (tmp_path / "two.flow").write_text("graph one\na\ngraph two\nb\n")
    (tmp_path / "bad.flow").write_text("-> ->")

    assert completed(script, tmp_path, "nbflow run flows.ipynb --graph ") == ["daily", "weekly"]
    assert completed(script, tmp_path, "nbflow run two.flow --graph t") == ["two"]
    assert completed(script, tmp_path, "nbflow run bad.flow --graph ") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.flow", "flows.ipynb", "two.flow"]


@pytest.mark.slow
def test_without_a_store_nothing_is_offered_and_none_is_made(script: str, tmp_path: Path) -> None:
    assert completed(script, tmp_path, "nbflow cancel ") == []
    assert completed(script, tmp_path, "nbflow cancel ", NBFLOW_DATABASE_URL="nonsense") == []
    assert list(tmp_path.iterdir()) == []


def test_commands_and_options_are_completed(script: str, tmp_path: Path) -> None:
    assert completed(script, tmp_path, "nbflow e") == ["export"]
    assert "--json" in completed(script, tmp_path, "nbflow cancel --")
