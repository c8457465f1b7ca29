"""Reports on stored runs: `nbflow runs`, `nbflow show RUN`, `nbflow db`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from commands import Command, json_of, nbflow_in, on_terminal


def test_runs_are_listed_newest_first(nbflow: Command, ids: list[str]) -> None:
    lines = nbflow("runs").stdout.splitlines()

    assert lines[0].split() == ["run", "graph", "status", "started", "duration", "nodes", "error", "notebook"]
    assert lines[1].split()[:3] == [ids[1], "door", "failed"]
    assert lines[1].rstrip().endswith("needs_open: OSError: the door is shut")
    assert lines[2].split()[:3] == [ids[0], "sums", "completed"]


def test_runs_as_json_are_an_array(nbflow: Command, ids: list[str]) -> None:
    failed, completed = json_of(nbflow("runs", "--json"))

    assert (failed["run_id"], failed["status"], failed["nodes"]) == (ids[1], "failed", 1)
    assert failed["error"] == {"node": "needs_open", "type": "OSError", "message": "the door is shut"}
    assert (completed["graph"], completed["origin"], completed["durability"]) == ("sums", "sums.flow", "sync")
    assert completed["notebook"] is None
    assert datetime.fromisoformat(completed["started"]) < datetime.fromisoformat(completed["ended"])


@pytest.mark.slow
def test_runs_are_picked_by_graph_status_age_and_number(nbflow: Command, ids: list[str]) -> None:
    def listed(*arguments: str) -> list[str]:
        return [row["run_id"] for row in json_of(nbflow("runs", "--json", *arguments))]

    assert listed("--graph", "sums") == ids[:1]
    assert listed("--status", "failed") == ids[1:]
    assert listed("--since", "1h") == ids[::-1]
    assert listed("--since", "2999-01-01") == []
    assert listed("--limit", "1") == ids[1:]


def test_on_a_terminal_a_long_error_gives_way(folder: Path, ids: list[str]) -> None:
    with sqlite3.connect(folder / ".nbflow" / "nbflow.db") as store:
        store.execute(
            "UPDATE nbflow_executions SET error = ? WHERE error IS NOT NULL", ('"\\u001b[2Jlong ' + "x" * 200 + '"',)
        )

    shown, code = on_terminal(folder, "runs")

    assert code == 0
    assert "\x1b[2J" not in shown
    assert ids[0] in shown
    assert ids[1] in shown
    assert "…" in shown
    assert len(shown.split("\r\n")) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "--since", "soon"], "is neither a span of time nor a date"),
        (["runs", "--status", "broken"], "broken"),
        (["runs", "--limit", "0"], "limit"),
        (["run", "sums.flow", "--durability", "maybe"], "maybe"),
        (["db", "prune"], "choose the runs to delete"),
        (["db", "prune", "--older-than", "30"], "is no span of time"),
    ],
)
def test_what_is_not_understood_is_a_mistake_of_usage(nbflow: Command, arguments: list[str], message: str) -> None:
    done = nbflow(*arguments)

    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["runs"], ["resume"], ["show", "4f2a"], ["db", "info"], ["db", "upgrade"]])
def test_looking_makes_no_store(folder: Path, nbflow: Command, arguments: list[str]) -> None:
    done = nbflow(*arguments)

    assert done.returncode == 1
    assert "there is no store in .nbflow here" in done.stderr
    assert not (folder / ".nbflow").exists()


def test_a_database_that_is_not_there_is_not_made(folder: Path) -> None:
    done = nbflow_in(folder, NBFLOW_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/typo.db")("runs")

    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no store" in done.stderr
    assert not (folder / "typo.db").exists()


def test_show_prints_the_attempts_of_a_run(nbflow: Command, ids: list[str]) -> None:
    lines = nbflow("show", ids[1][:6]).stdout.splitlines()

    assert lines[0].startswith("door: failed in ")
    assert "  counted: True" in lines
    assert lines[-1].split()[:3] == ["needs_open", "1", "failed"]


@pytest.mark.slow
def test_show_draws_a_run(folder: Path, nbflow: Command, ids: list[str]) -> None:
    done = nbflow("show", ids[1], "--svg", "run.svg")

    assert done.returncode == 0, done.stderr
    assert "OSError: the door is shut" in "".join(ElementTree.parse(folder / "run.svg").getroot().itertext())


def test_info_shows_the_contents_of_the_store(folder: Path, nbflow: Command, ids: list[str]) -> None:
    told = json_of(nbflow("db", "info", "--json"))

    assert told["place"] == str(folder / ".nbflow" / "nbflow.db")
    assert told["rows"]["executions"] == len(ids)
    assert told["rows"]["log"] > 10
    assert told["size"] > 10_000
    assert ["executions", "2", "rows"] in map(str.split, nbflow("db", "info").stdout.splitlines())


@pytest.mark.slow
def test_prune_reports_and_then_deletes_the_runs_that_its_options_select(nbflow: Command, ids: list[str]) -> None:
    told = json_of(nbflow("db", "prune", "--keep-last", "1", "--dry-run", "--json"))
    kept = json_of(nbflow("db", "prune", "--keep-last", "1", "--older-than", "1h", "--json"))
    gone = nbflow("db", "prune", "--keep-last", "1")

    assert (told["runs"], told["dry_run"]) == (1, True)
    assert (kept["runs"], kept["dry_run"]) == (0, False)
    assert gone.stdout.startswith("1 run, ")
    assert gone.stdout.endswith(" deleted\n")
    assert [row["run_id"] for row in json_of(nbflow("runs", "--json"))] == ids[1:]


@pytest.mark.slow
def test_upgrade_names_the_version(nbflow: Command, ids: list[str]) -> None:
    told = json_of(nbflow("db", "upgrade", "--json"))

    assert told["from"] == told["to"]
    assert f"has version {told['to']}, the newest" in nbflow("db", "upgrade").stdout


@pytest.mark.slow
def test_upgrade_names_both_versions(folder: Path) -> None:
    (folder / "new.db").touch()
    there = nbflow_in(folder, NBFLOW_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/new.db")

    told = json_of(there("db", "upgrade", "--json"))

    assert told == {"place": str(folder / "new.db"), "from": None, "to": told["to"]}
    assert json_of(there("db", "upgrade", "--json"))["from"] == told["to"]


@pytest.mark.slow
def test_a_store_of_a_newer_version_is_refused_with_what_reads_it(
    folder: Path, nbflow: Command, ids: list[str]
) -> None:
    with sqlite3.connect(folder / ".nbflow" / "nbflow.db") as store:
        store.execute("UPDATE nbflow_version SET version_num = '99_9.9.9'")

    done = nbflow("db", "upgrade")

    assert (done.returncode, done.stdout) == (1, "")
    assert "has version 99, which needs nbflow 9.9.9 or newer" in done.stderr


OWN = """
from nbflow import session

@session.predicate
def large(total):
    return total > 100

@session.reducer
def longest(held, one):
    return max(held, one, key=len)

def grows(total):
    return {"total": total * 3, "words": "x" * total}
"""


@pytest.fixture
def own(folder: Path, nbflow: Command) -> Callable[[str], str]:
    """Give what keeps a run with tools and functions of a module, and then takes the module away."""

    def keep(text: str) -> str:
        (folder / "own.flow").write_text(text)
        (folder / "owntools.py").write_text(OWN)
        done = nbflow("run", "own.flow", "--tools", "owntools", "--durability", "sync", "--set", "total=5", "--json")
        (folder / "owntools.py").rename(folder / "moved.py")
        run_id: str = json_of(done)["run_id"]
        return run_id

    return keep


LOOP = "graph own\ngrows -> END if large(total) else grows\n"


@pytest.mark.slow
def test_a_run_is_shown_without_its_tools_and_predicates(nbflow: Command, own: Callable[[str], str]) -> None:
    run_id = own(LOOP)

    shown, listed = nbflow("show", run_id), nbflow("runs")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "total: 135" in shown.stdout
    assert shown.stdout.count("grows  1        completed") == 3
    assert listed.stdout.splitlines()[1].split()[:3] == [run_id, "own", "completed"]


@pytest.mark.slow
def test_a_run_with_a_registered_reducer_names_it_and_is_shown_with_its_module(
    folder: Path, nbflow: Command, own: Callable[[str], str]
) -> None:
    run_id = own(f"{LOOP}reduce words with longest\n")

    bare = nbflow("show", run_id)
    (folder / "moved.py").rename(folder / "owntools.py")
    shown = nbflow("show", run_id, "--tools", "owntools")

    assert bare.returncode == 1
    assert "key 'words' names unknown reducer 'longest'" in bare.stderr
    assert "--tools MODULE" in bare.stderr
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "total: 135" in shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["runs"], ["db", "info"], ["resume"], ["run", "sums.flow"], ["serve", "sums.flow"]]
)
def test_a_database_url_that_is_not_understood_is_refused_by_every_command(folder: Path, arguments: list[str]) -> None:
    done = nbflow_in(folder, NBFLOW_DATABASE_URL="postgres://me:secret@localhost/x")(*arguments)

    assert done.returncode == 1
    assert "NBFLOW_DATABASE_URL: the URL of the store, 'postgres://me:***@localhost/x', is not" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_in_memory_cannot_be_looked_into_by_a_command(folder: Path) -> None:
    done = nbflow_in(folder, NBFLOW_DATABASE_URL="sqlite+aiosqlite://")("runs")

    assert (done.returncode, done.stdout) == (1, "")
    assert "names a store in memory" in done.stderr
