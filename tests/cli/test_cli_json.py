"""`--json`: one object on standard output in every case, and nothing else."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from commands import KEPT, Command, begun, json_of, killed

from nbflow import GraphDefinition
from nbflow.notation import read_flow

NOISY = """
import os
import subprocess
import sys
import threading

print("said by the module")

def loud(total):
    print("said by the tool")
    os.write(1, b"written to the descriptor\\n")
    subprocess.run([sys.executable, "-c", "print('said by a child')"], check=True)
    thread = threading.Thread(target=print, args=["said by a thread"])
    thread.start()
    thread.join()
    return {"total": total + 1}
"""

VALUES = """
import datetime, decimal, enum, pathlib, uuid
from dataclasses import dataclass
import numpy

class Colour(enum.Enum):
    RED = "red"

@dataclass
class Point:
    x: int
    colour: Colour

class Thing:
    def __str__(self):
        return "a thing"

class Broken:
    def __str__(self):
        raise RuntimeError("not today")

ring = [1]
ring.append(ring)

def values():
    return {
        "plain": {"a": [1, 2.5, None, True, "text"]},
        "time": datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC),
        "span": datetime.timedelta(minutes=90),
        "set": {7},
        "tuple": (1, 2),
        "bytes": b"\\xffA",
        "decimal": decimal.Decimal("1.50"),
        "path": pathlib.Path("a/b"),
        "uuid": uuid.UUID(int=1),
        "enum": Colour.RED,
        "point": Point(1, Colour.RED),
        "nan": [float("nan"), float("inf"), -float("inf")],
        "big": 2**70,
        "surrogate": "\\ud800",
        "emoji": "\\U0001f600",
        "keys": {1: "one", "1": "text", (1, 2): "pair"},
        "int64": numpy.int64(3),
        "array": numpy.array([[1.5, numpy.nan]]),
        "class": Thing,
        "thing": [Thing()],
        "ring": ring,
        "broken": Broken(),
        "escape": "\\x1b[2J",
    }
"""

EXPECTED: dict[str, Any] = {
    "plain": {"a": [1, 2.5, None, True, "text"]},
    "time": {"type": "datetime", "value": "2026-01-31T12:00:00+00:00"},
    "span": {"type": "timedelta", "value": "PT1H30M", "seconds": 5400.0},
    "set": {"type": "set", "class": "builtins.set", "items": [7]},
    "tuple": [1, 2],
    "bytes": {"type": "bytes", "size": 2, "data": "/0E="},
    "decimal": {"type": "decimal", "value": "1.50"},
    "path": {"type": "path", "value": "a/b"},
    "uuid": {"type": "uuid", "value": "00000000-0000-0000-0000-000000000001"},
    "enum": {"type": "enum", "class": "values.Colour", "name": "RED", "value": "red"},
    "point": {
        "type": "dataclass",
        "class": "values.Point",
        "fields": {"x": 1, "colour": {"type": "enum", "class": "values.Colour", "name": "RED", "value": "red"}},
    },
    "nan": [{"type": "float", "value": name} for name in ("NaN", "Infinity", "-Infinity")],
    "big": {"type": "int", "value": "1180591620717411303424"},
    "surrogate": "\ud800",
    "emoji": "\U0001f600",
    "keys": {"type": "dict", "items": [[1, "one"], ["1", "text"], [[1, 2], "pair"]]},
    "int64": 3,
    "array": {
        "type": "ndarray",
        "class": "numpy.ndarray",
        "dtype": "float64",
        "shape": [1, 2],
        "values": [[1.5, {"type": "float", "value": "NaN"}]],
    },
    "class": {"type": "class", "name": "values.Thing"},
    "thing": [{"type": "instance", "class": "values.Thing", "text": "a thing"}],
    "ring": [1, {"type": "cycle", "levels": 1}],
    "broken": {"type": "instance", "class": "values.Broken", "text": None, "error": "RuntimeError: not today"},
    "escape": "\x1b[2J",
}


def test_the_object_describes_the_run_and_is_alone(folder: Path, nbflow: Command) -> None:
    (folder / "noisy.py").write_text(NOISY)
    (folder / "noisy.flow").write_text("graph noisy\nloud")

    done = nbflow("run", "noisy.flow", "--tools", "noisy", "--set", "total=1", "--json")

    told = json_of(done)
    assert done.returncode == 0
    assert list(told) == ["run_id", "status", "state", "logs", "execution_time", "error"]
    assert (told["status"], told["state"], told["error"]) == ("completed", {"total": 2}, None)
    assert told["execution_time"] > 0
    (row,) = told["logs"]
    assert (row["node_id"], row["status"], row["input"], row["output"]) == (
        "loud", "completed", {"total": 1}, {"total": 2},
    )  # fmt: skip
    for said in ("by the module", "by the tool", "to the descriptor", "by a child", "by a thread"):
        assert said in done.stderr


def test_cells_of_a_notebook_print_beside_it(folder: Path, nbflow: Command) -> None:
    cells = ["%load_ext nbflow", "print('said by a cell')\n!echo said by a shell", "%%flow_graph nothing\npass"]
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), folder / "n.ipynb"
    )

    done = nbflow("run", "n.ipynb", "--json")

    assert json_of(done)["status"] == "completed"
    assert "said by a cell" in done.stderr
    assert "said by a shell" in done.stderr


def test_a_failure_is_in_the_object_and_in_the_exit_code(folder: Path, nbflow: Command) -> None:
    (folder / "bad.flow").write_text("graph bad\nplus -> breaks")

    done = nbflow("run", "bad.flow", "--tools", "mytools", "--set", "total=2", "--json")

    told = json_of(done)
    assert done.returncode == 1
    assert (told["status"], told["error"]) == ("failed", "node 'breaks' failed: KeyError: 'no such key'")
    assert told["state"] == {"total": 3}
    assert [(row["node_id"], row["status"], row["error"]) for row in told["logs"]] == [
        ("plus", "completed", None),
        ("breaks", "failed", "KeyError: 'no such key'"),
    ]
    assert done.stderr.endswith("nbflow: node 'breaks' failed: KeyError: 'no such key'\n")


def test_what_never_ran_has_no_object(nbflow: Command) -> None:
    done = nbflow("run", "sums.flow", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    assert "node 'plus' names unknown tool 'plus'" in done.stderr


@pytest.mark.parametrize("key", ["state", "logs"])
def test_values_that_json_has_no_form_for_say_what_they_are(folder: Path, nbflow: Command, key: str) -> None:
    (folder / "values.py").write_text(VALUES)
    (folder / "values.flow").write_text("graph all\nvalues")

    told = json_of(nbflow("run", "values.flow", "--tools", "values", "--json"))

    assert (told["state"] if key == "state" else told["logs"][0]["output"]) == EXPECTED


def test_what_is_read_only_once_is_left_unread(folder: Path, nbflow: Command) -> None:
    (folder / "once.py").write_text(
        "def begin():\n    return {'letters': iter('abc')}\ndef end(letters):\n    return {'text': ''.join(letters)}\n"
    )
    (folder / "once.flow").write_text("graph once\nbegin -> end\nend -> begin if text == '' [max=1]")

    told = json_of(nbflow("run", "once.flow", "--tools", "once", "--json"))

    assert told["state"]["text"] == "abc"
    assert told["state"]["letters"]["type"] == "instance"


@pytest.mark.slow
def test_a_value_that_cannot_be_stored_ends_a_sync_run_unless_allowed(folder: Path, nbflow: Command) -> None:
    (folder / "things.py").write_text("def thing():\n    return {'open_file': open(__file__), 'n': 1}\n")
    (folder / "things.flow").write_text("graph things\nthing")
    arguments = ["run", "things.flow", "--tools", "things", "--durability", "sync", "--json"]

    refused, allowed = nbflow(*arguments), nbflow(*arguments, "--allow-unstored")

    assert refused.returncode == 1
    assert "'open_file' of node 'thing'" in json_of(refused)["error"]
    assert (allowed.returncode, json_of(allowed)["state"]["n"]) == (0, 1)
    assert (
        "'open_file' of node 'thing' (event 2) was not stored" in allowed.stderr or "was not stored" in allowed.stderr
    )


def test_each_notice_is_a_line(folder: Path, nbflow: Command) -> None:
    done = nbflow("run", "sums.flow", *KEPT, "--set", "total=60", "--json")

    assert json_of(done)["status"] == "completed"
    assert f"runs are stored in {folder / '.nbflow' / 'nbflow.db'}" in done.stderr.splitlines()


@pytest.mark.slow
def test_show_gives_a_graph_as_run_takes_it_and_a_run_as_run_gives_it(folder: Path, nbflow: Command) -> None:
    ran = json_of(nbflow("run", "sums.flow", *KEPT, "--set", "total=60", "--json"))

    graph = json_of(nbflow("show", "sums.flow", "--tools", "mytools", "--json"))
    run = json_of(nbflow("show", ran["run_id"], "--json"))

    assert GraphDefinition.model_validate(graph) == read_flow((folder / "sums.flow").read_text())[0]
    assert {key: run[key] for key in ("run_id", "status", "state", "error")} == {
        key: ran[key] for key in ("run_id", "status", "state", "error")
    }
    assert [row["node_id"] for row in run["logs"]] == ["plus", "double"]


def test_serve_gives_its_address_and_token_once_it_takes_requests(folder: Path) -> None:
    process = begun(folder, "serve", "sums.flow", "--tools", "mytools", "--port", "0", "--json")
    assert process.stdout is not None

    told = json.loads(process.stdout.readline())

    assert told["url"] == f"{told['address']}?token={told['token']}"
    assert told["address"].startswith("http://127.0.0.1:")
    process.terminate()
    assert process.communicate()[0] == ""


@pytest.mark.slow
def test_serve_continues_after_a_reload_and_its_address_opens_the_page_for_any_token(folder: Path) -> None:
    token = "a+b/c=d&e#f%20"
    arguments = ["serve", "sums.flow", "--tools", "mytools", "--port", "0", "--reload", "--json", "--token", token]
    process = begun(folder, *arguments)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    page = httpx.get(told["url"], follow_redirects=True)
    (folder / "sums.flow").write_text((folder / "sums.flow").read_text().replace("100", "200"))
    bearer, text = {"Authorization": f"Bearer {token}"}, ""
    for _ in range(600):
        with suppress(httpx.TransportError):  # of the worker that goes
            text = httpx.get(f"{told['address']}graphs/sums", headers=bearer, timeout=300).text
        if "200" in text or process.poll() is not None:
            break
        time.sleep(0.05)

    assert process.poll() is None
    assert (told["token"], page.status_code) == (token, 200)
    process.terminate()
    assert process.communicate()[0] == ""
    assert process.returncode == 0


@pytest.mark.slow
def test_the_time_between_two_sittings_does_not_count(folder: Path, nbflow: Command) -> None:
    began = time.time()
    killed(folder, "run", "hold.flow", *KEPT, "--set", "total=20")
    left = time.time()
    time.sleep(1)
    paused = time.time() - left
    killed(folder, "resume", "--tools", "mytools")
    most = time.time() - began - paused
    run_id = json_of(nbflow("runs", "--json"))[0]["run_id"]
    process = begun(folder, "serve", "sums.flow", "--tools", "mytools", "--port", "0", "--json")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    bearer = {"Authorization": f"Bearer {told['token']}"}

    shown = json_of(nbflow("show", run_id, "--json"))
    served = httpx.get(f"{told['address']}executions/result/{run_id}", headers=bearer).json()

    process.terminate()
    process.communicate()
    assert (shown["status"], served["status"]) == ("running", "running")
    assert 0 < shown["execution_time"] == served["execution_time"] <= most
