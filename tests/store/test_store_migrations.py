"""A store of an older version is brought to the newest one where it is opened, and one of a newer version is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from stores import WAIT_S, at_once, finished, process, result_of, seqs

from nbflow.errors import StoreError
from nbflow.session import Session
from nbflow.store import Store, migrations
from nbflow.store.schema import SCHEMA, VERSION_TABLE, Base

Open = Callable[[str], Store]

FOURTH = """
import sqlalchemy as sa
from alembic import op

revision = "4_9.9.9"
down_revision = "3_0.1.0"


def upgrade() -> None:
    op.add_column("nbflow_executions", sa.Column("note", sa.Text(), server_default="from version 3"))
    upgrades = op.create_table("nbflow_upgrades", sa.Column("upgraded_to", sa.Text()))
    op.execute(sa.insert(upgrades).values(upgraded_to="version 4"))
    with op.batch_alter_table("nbflow_log", recreate="always") as log:  # SQLite makes it anew, rows and all
        log.add_column(sa.Column("more", sa.Text()))
"""


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give what makes this code the one of a version to come."""

    def take_place() -> None:
        folder = tmp_path / "versions 100%"
        folder.mkdir()
        (folder / "v4_fourth.py").write_text(FOURTH)
        monkeypatch.setattr(migrations, "VERSIONS", [*migrations.VERSIONS, folder])
        monkeypatch.setattr(migrations, "SCHEMA", "4_9.9.9")

    return take_place


def test_the_migrations_make_what_the_models_say(url: str, opened: Open) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return list(compare_metadata(context, Base.metadata))

    assert opened(url)._change(differences).result(WAIT_S) == []


def test_the_newest_migration_is_the_version_of_this_code() -> None:
    folder = migrations.VERSIONS[0]

    assert ScriptDirectory(str(folder.parent), version_locations=[str(folder)]).get_heads() == [SCHEMA]


def test_an_older_store_is_upgraded_when_it_is_opened(url: str, opened: Open, next_version: Callable[[], None]) -> None:
    older = opened(url)
    finished(older, "r1")
    older.close()

    next_version()
    newer = opened(url)

    note = newer._read(lambda c: c.execute(text("SELECT note FROM nbflow_executions")).scalar_one())
    assert note.result(WAIT_S) == "from version 3"
    assert seqs(newer, "r1") == [1]
    finished(newer, "r2")


def test_an_upgrade_that_fails_does_not_change_the_store(
    tmp_path: Path, url: str, opened: Open, next_version: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    older = opened(url)
    finished(older, "r1")
    older.close()

    with monkeypatch.context() as patch:
        next_version()
        script = tmp_path / "versions 100%" / "v4_fourth.py"
        script.write_text(FOURTH + '    raise ValueError("in the midst")\n')
        with pytest.raises(StoreError, match="in the midst"):
            opened(url)
        patch.undo()
    monkeypatch.undo()

    store = opened(url)
    assert seqs(store, "r1") == [1]
    columns = store._read(lambda c: [column["name"] for column in inspect(c).get_columns("nbflow_executions")])
    assert "note" not in columns.result(WAIT_S)


def test_a_newer_store_is_refused_with_the_version_that_it_needs(
    url: str, opened: Open, next_version: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    next_version()
    newer = opened(url)
    finished(newer, "r1")
    newer.close()
    monkeypatch.undo()

    with pytest.raises(StoreError, match=r"has version 4, which needs nbflow 9\.9\.9 or newer.*up to 3; git pull"):
        opened(url)

    monkeypatch.setattr(migrations, "SCHEMA", "4_9.9.9")
    assert seqs(opened(url), "r1") == [1]


def session(runs: list[str], *, broken: bool) -> Session:
    """Return a session with a graph of three nodes, whose names go to `runs` as they run; the second may be broken."""
    made = Session()

    @made.tool
    def first() -> dict[str, Any]:
        runs.append("first")
        return {"big": "x" * 100_000, "n": 1}

    @made.tool
    def second(n: int) -> dict[str, int]:
        runs.append("second")
        if broken:
            raise ValueError("not yet")
        return {"n": n + 1}

    @made.tool
    def third(n: int) -> dict[str, int]:
        runs.append("third")
        return {"n": n * 10}

    made.graph("g", "first -> second -> third")
    return made


def test_a_run_of_an_older_store_resumes_in_the_upgraded_one(
    url: str, next_version: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBFLOW_DATABASE_URL", url)
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
    ran: list[str] = []
    older = session(ran, broken=True)

    async def fail() -> str:
        run = older.start("g")
        await run.wait()
        return run.id

    run_id = asyncio.run(fail())
    older.history.close()
    next_version()
    newer = session(ran, broken=False)
    before = newer.read(run_id)
    run = asyncio.run(newer.resume(run_id))

    assert before.status == "failed"
    assert ran == ["first", "second", "second", "third"]
    assert (run.id, run.status, run.state["n"]) == (run_id, "completed", 20)
    newer.history.close()
    again = session(ran, broken=False)
    assert again.read(run_id).state == run.state
    assert column(again.history.open(), "SELECT note FROM nbflow_executions") == ["from version 3"]
    again.history.close()


def column(store: Store, query: str) -> list[Any]:
    """Return the first column of what a query finds."""
    found: list[Any] = store._change(lambda c: list(c.scalars(text(query)))).result(WAIT_S)
    return found


UPGRADES = """
from pathlib import Path
from nbflow.store import migrations
migrations.VERSIONS.append(Path(args[2]))
migrations.SCHEMA = "4_9.9.9"
print("ready", flush=True)
input()
store = Store.open(args[0])
finished(store, args[1])
store.close()
"""


@pytest.mark.slow
def test_of_processes_that_open_an_older_store_at_once_one_upgrades_it(
    tmp_path: Path, url: str, opened: Open, next_version: Callable[[], None]
) -> None:
    older = opened(url)
    finished(older, "r1")
    older.close()
    next_version()
    folder = tmp_path / "versions 100%"
    slow = FOURTH.replace("None:\n", "None:\n    __import__('time').sleep(0.3)\n")
    (folder / "v4_fourth.py").write_text(slow)
    opening_it = [process(UPGRADES, url, f"by-{n}", folder) for n in range(4)]

    at_once(opening_it)
    for each in opening_it:
        result_of(each)

    store = opened(url)
    assert column(store, "SELECT upgraded_to FROM nbflow_upgrades") == ["version 4"]
    assert column(store, f"SELECT version_num FROM {VERSION_TABLE}") == ["4_9.9.9"]
    assert {run.id for run in store.runs().result(WAIT_S)} == {"r1", "by-0", "by-1", "by-2", "by-3"}
