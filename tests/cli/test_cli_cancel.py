"""Runs stopped from another process than their own: one that lives, and one that died."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from commands import KEPT, Command, holding, json_of, killed, nbflow_in, on_terminal
from surroundings import database

import nbflow.cli.runs
from nbflow.errors import NbflowError
from nbflow.program.origin import origin_of
from nbflow.server.cluster.recovery import _adopt
from nbflow.server.options import options
from nbflow.server.service import Service
from nbflow.session import Session
from nbflow.store.rows import RunRow

pytestmark = pytest.mark.slow

SERVER = os.environ.get("NBFLOW_TEST_POSTGRES_URL")
DEAF = "from nbflow.store import leases\nleases.BEAT_S = 600\ndef unused(): ...\n"
"""A module that keeps its process from hearing what is asked of it."""
HOLD = ["run", "hold.flow", *KEPT, "--set", "total=20"]


@pytest.fixture(params=["file", "postgres"])
def where(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Give what names the store in the environment."""
    with ExitStack() as stack:
        if request.param == "postgres":
            if not SERVER:
                pytest.skip("NBFLOW_TEST_POSTGRES_URL names no server")
            yield {"NBFLOW_DATABASE_URL": stack.enter_context(database(SERVER))}
        else:
            yield {}


@contextmanager
def session_in(folder: Path, where: dict[str, str]) -> Iterator[Session]:
    """Give a session of this process on the store."""
    session = Session()
    session.history.folder = folder
    with pytest.MonkeyPatch.context() as patch:
        for name, value in where.items():
            patch.setenv(name, value)
        session.history.origin = origin_of(folder / "hold.flow", folder)
        yield session
        session.history.close()


def only_run(folder: Path, where: dict[str, str]) -> RunRow:
    with session_in(folder, where) as session:
        (row,) = session.runs()
    return row


def test_a_run_of_another_process_ends_there_and_says_by_what(folder: Path, where: dict[str, str]) -> None:
    nbflow = nbflow_in(folder, **where)
    process = holding(folder, *HOLD, **where)
    run_id = only_run(folder, where).id

    done = nbflow("cancel", run_id[:6], "--json")

    _, err = process.communicate()
    told = json_of(done)
    assert (done.returncode, told["run_id"], told["status"]) == (0, run_id, "cancelled")
    assert (told["error"], told["owner"], told["nodes"]) == ("by nbflow cancel", None, 1)
    assert process.returncode == 130
    assert "nbflow: run of hold was cancelled by nbflow cancel" in err
    with session_in(folder, where) as session:
        kinds = [event.kind.value for event in session.read(run_id).events]
    assert kinds[-2:] == ["node_cancelled", "execution_cancelled"]


def test_a_run_that_was_cancelled_so_can_be_resumed(folder: Path, where: dict[str, str]) -> None:
    nbflow = nbflow_in(folder, **where)
    process = holding(folder, *HOLD, **where)
    nbflow("cancel", only_run(folder, where).id)
    process.communicate()
    process = holding(folder, "resume", "--tools", "mytools", "--json", **where)
    time.sleep(2.5)  # in which the heartbeat would hear of it, were it still asked for

    (folder / "open").touch()
    process.kill()
    process.communicate()
    again = json_of(nbflow("resume", "--tools", "mytools", "--json"))

    assert (again["status"], again["state"]) == ("completed", {"counted": True, "total": 42})


def test_a_run_whose_process_died_ends_at_once_and_no_server_adopts_it(folder: Path, where: dict[str, str]) -> None:
    nbflow = nbflow_in(folder, **where)
    killed(folder, *HOLD, **where)
    run_id = only_run(folder, where).id

    done = nbflow("cancel", run_id)

    assert (done.returncode, done.stdout) == (0, f"run {run_id} of hold is cancelled\n"), done.stderr
    row = only_run(folder, where)
    assert (row.status, row.error, row.owner) == ("cancelled", '"by nbflow cancel"', None)
    assert adopted(folder, where) == []
    (folder / "open").touch()
    assert json_of(nbflow("resume", "--tools", "mytools", "--json"))["state"] == {"counted": True, "total": 42}
    assert (folder / "counted").read_text() == "x"


def adopted(folder: Path, where: dict[str, str]) -> list[str]:
    """Return the runs that a server in the folder would go on with."""
    with session_in(folder, where) as session:
        return asyncio.run(_adopted(session))


async def _adopted(session: Session) -> list[str]:
    session.graph("hold", "counted -> holds -> double")
    session.registry.register("counted", lambda: None)
    session.registry.register("holds", lambda total: None)
    session.registry.register("double", lambda total: None)

    await _adopt(Service(session, options()), set())
    for run in session.live.values():
        run.cancel()
        await run.wait()
    return list(session.live)


def test_a_run_whose_process_died_before_it_heard_of_it_ends_where_a_server_would_adopt_it(
    folder: Path, where: dict[str, str]
) -> None:
    (folder / "deaf.py").write_text(DEAF)
    process = holding(folder, *HOLD, "--tools", "deaf", **where)
    with session_in(folder, where) as session:
        asked = asyncio.run(Service(session, options()).cancel(only_run(folder, where).id))
    assert (asked.status, asked.result) == ("running", None)
    assert f"was not ended by process {process.pid} on" in waited_in_vain(folder, where, asked.id)
    process.kill()
    process.communicate()

    assert adopted(folder, where) == []

    row = only_run(folder, where)
    assert (row.status, row.error) == ("cancelled", '"by nbflow cancel"')


def waited_in_vain(folder: Path, where: dict[str, str], run_id: str) -> str:
    """Return what the command says in the end of a process that does not hear."""
    with session_in(folder, where) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(nbflow.cli.runs, "WAIT_S", 0.2)
        with pytest.raises(NbflowError) as refused:
            nbflow.cli.runs._ended(session.history.open(), run_id)
    return str(refused.value)


def test_what_has_ended_or_is_not_there_is_an_error(nbflow: Command) -> None:
    run_id = json_of(nbflow("run", "sums.flow", *KEPT, "--set", "total=60", "--json"))["run_id"]

    ended, unknown = nbflow("cancel", run_id), nbflow("cancel", "ffff")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"nbflow: run {run_id} has ended with status completed\n"
    assert unknown.returncode == 1
    assert "no run 'ffff' is known here; nbflow runs lists them" in unknown.stderr


def test_on_a_terminal_it_says_whom_it_waits_for(folder: Path, nbflow: Command) -> None:
    process = holding(folder, *HOLD)

    shown, code = on_terminal(folder, "cancel", only_run(folder, {}).id)

    process.communicate()
    assert code == 0, shown
    assert f"process {process.pid} on" in shown
    assert "of hold is cancelled" in shown
