"""What cannot be cached, and what is found in a store that nobody can trust."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from cached_runs import CALLED, calls, from_cache, run

from nbflow.session import Session

Open = Callable[..., Session]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give the file that counts the calls."""
    return tmp_path / "calls"


def notices(session: Session) -> list[str]:
    """Return what the session has to say, less where its runs are stored."""
    return [line for line in session.history.take_notices() if not line.startswith("runs are stored")]


def test_an_output_that_cannot_be_stored_is_computed_each_time_and_that_is_said_once(opened: Open, log: Path) -> None:
    session = opened(CALLED + "def work(log):\n    called(log)\n    return {'out': (i for i in range(3))}")

    for _ in range(2):
        done = run(session, log=str(log))

    assert from_cache(done) == {"work": False}
    assert calls(log) == 2
    (line,) = notices(session)
    assert line.startswith("the output of tool 'work' is not cached: it is a generator")


def test_an_input_that_cannot_be_known_is_no_input_to_cache_by(opened: Open, log: Path) -> None:
    session = opened(CALLED + "def work(rows, log):\n    called(log)\n    return sum(rows)")

    for _ in range(2):
        done = run(session, rows=iter([1, 2]), log=str(log))

    assert done.state["work"] == 3
    assert calls(log) == 2
    assert notices(session) == [
        "the output of tool 'work' is not cached: rows is of builtins.list_iterator, whose state cannot be known; "
        "create it inside the function that uses it, or pass plain values"
    ]


def test_a_tool_that_uses_what_cannot_be_known_is_not_cached(opened: Open, log: Path) -> None:
    session = opened(
        CALLED + "import threading\nE = threading.local()\ndef work(log):\n    called(log)\n    return str(E)[:1]"
    )

    for _ in range(2):
        run(session, log=str(log))

    assert calls(log) == 2
    (line,) = notices(session)
    assert line.startswith("the output of tool 'work' is not cached: work → E is of _thread._local, whose state")


def test_a_tool_that_changes_what_it_reads_is_not_cached(opened: Open) -> None:
    session = opened("SEEN = []\ndef work(n):\n    SEEN.append(n)\n    return len(SEEN)")

    states = [run(session, n=1).state["work"] for _ in range(3)]

    assert states == [1, 2, 3]
    assert notices(session) == ["the output of tool 'work' is not cached: what the tool uses changed while it ran"]


def test_an_output_made_while_a_helper_was_redefined_is_kept_for_neither(opened: Open, tmp_path: Path) -> None:
    session = opened(
        "import asyncio\nfrom pathlib import Path\ndef helper(): return 1\nasync def work(gate):\n"
        "    while not Path(gate).exists(): await asyncio.sleep(0.001)\n    return helper()"
    )
    gate = tmp_path / "gate"

    async def main() -> None:
        started = session.start("g", {"gate": str(gate)})
        while not started.logs:
            await started.changed()
        exec("def helper(): return 2", session.registry.get("work").function.__globals__)
        gate.touch()
        await started

    asyncio.run(main())

    assert notices(session) == ["the output of tool 'work' is not cached: what the tool uses changed while it ran"]
    assert from_cache(run(session, gate=str(gate))) == {"work": False}


def test_a_class_that_is_not_known_here_is_no_dict_in_a_cached_run(opened: Open) -> None:
    source = (
        "from dataclasses import dataclass\n@dataclass\nclass Order:\n    n: int\n"
        "def work(n){hint}: return {{'order': Order(n)}}\ndef show(order): return {{'total': order.n}}\n"
    )
    graph = "work [cache=true]\nwork -> show"
    first = opened(source.format(hint=""), graph)
    run(first, n=1)
    first.history.close()

    strange = opened(source.format(hint=""), graph)
    done = run(strange, n=1)

    assert done.state["total"] == 1
    assert from_cache(done)["work"] is False
    assert "a cached output of tool 'work' is not used, and the tool runs again: " in notices(strange)[0]


def test_a_class_in_an_annotation_comes_back_as_what_it_was(opened: Open) -> None:
    source = (
        "from dataclasses import dataclass\n@dataclass\nclass Order:\n    n: int\n"
        "def work(n): return {'order': Order(n)}\ndef show(order: Order): return {'total': order.n}\n"
    )
    for _ in range(2):
        session = opened(source, "work [cache=true]\nwork -> show")
        done = run(session, n=1)
        session.history.close()

    assert from_cache(done)["work"] is True
    assert done.state["total"] == 1


# -- a store that nobody can trust --------------------------------------------------------------------------------

HOSTILE = {
    "no JSON": "no JSON",
    "a list": "[]",
    "a key of no kind": '{"x": 1}',
    "a key that was not given": '{"gnothing": null}',
    "a state that was not given": '{"sn": null}',
    "an unknown tag": '{"vout": {"$": "evil", "v": 1}}',
    "a pickle": '{"vout": {"$": "pickle", "v": "gASVEAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOULg=="}}',
    "a part that was not stored": '{"vout": {"$": "unstored", "why": "w"}}',
    "a blob that is not there": f'{{"vout": {{"$": "blob", "hash": "{"0" * 64}"}}}}',
    "far too deep": '{"vout": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "empty": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_altered_output_is_passed_over_with_a_notice_and_written_anew(
    text: str, opened: Open, log: Path, tmp_path: Path
) -> None:
    session = opened(CALLED + "def work(n, log):\n    called(log)\n    return {'out': n}")
    run(session, n=1, log=str(log))
    with sqlite3.connect(tmp_path / "runs.db") as database:
        assert database.execute("UPDATE nbflow_cache SET output = ?", (text,)).rowcount == 1
    database.close()

    altered, healed = (run(session, n=1, log=str(log)) for _ in range(2))

    assert [from_cache(done)["work"] for done in (altered, healed)] == [False, True]
    assert altered.state["out"] == healed.state["out"] == 1
    assert calls(log) == 2
    (line,) = notices(session)
    assert line.startswith("a cached output of tool 'work' is not used, and the tool runs again: ")


def test_an_altered_value_is_passed_over_too(opened: Open, log: Path, tmp_path: Path) -> None:
    session = opened(CALLED + "def work(n, log):\n    called(log)\n    return {'out': 'long' * 1000}")
    run(session, n=1, log=str(log))
    with sqlite3.connect(tmp_path / "runs.db") as database:
        database.execute("UPDATE nbflow_values SET data = ?", (b'"short"',))
    database.close()

    done = run(session, n=1, log=str(log))

    assert from_cache(done)["work"] is False
    assert done.state["out"] == "long" * 1000
    assert "it was altered" in notices(session)[0]


def test_a_store_that_cannot_be_opened_lets_the_tool_run(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "no.db"
    path.write_text("this is no database" * 100)
    monkeypatch.setenv("NBFLOW_DATABASE_URL", f"sqlite+aiosqlite:///{path}")
    session = opened("def work(n): return {'out': n}")

    done = run(session, n=1)

    assert done.state["out"] == 1
    (line,) = notices(session)
    assert line.startswith("the cache cannot be used for tool 'work': ")


def test_no_store_is_opened_where_no_node_asks_for_it(opened: Open, tmp_path: Path) -> None:
    session = opened("def work(n): return {'out': n}", "work")

    run(session, n=1)

    assert not (tmp_path / "runs.db").exists()
