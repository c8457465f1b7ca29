"""A server takes over the dead runs of the file that it serves, and not those of another file with the same name."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nbflow.program.origin import origin_of
from nbflow.server.cluster.recovery import _adopt
from nbflow.server.options import options
from nbflow.server.service import Service
from nbflow.session import Session


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all sessions store their runs in one database."""
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
    monkeypatch.setenv("NBFLOW_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/shared.db")


def session_of(folder: Path | None) -> Session:
    """Return the session of a project's `flows.ipynb`, or of an unknown file."""
    session = Session()
    if folder is not None:
        session.history.origin = origin_of(folder / "flows.ipynb", folder)
    session.graph("asking", 'ask = ask(question="Ship it?", choices=["yes", "no"])')
    return session


async def left(folder: Path | None) -> str:
    """Leave a waiting run behind, as a process does when it ends; return its id."""
    session = session_of(folder)
    run = session.start("asking")
    await session.until_stored(run)
    while not run.asking:
        await run.changed()
    session.history.close()
    return run.id


async def taken(folder: Path | None) -> list[str]:
    """Return the runs that the server of a project takes over."""
    session = session_of(folder)
    await _adopt(Service(session, options()), set())
    found = list(session.live)
    for run in session.live.values():
        run.cancel()
        await run.wait()
    session.history.close()
    return found


def test_a_run_is_taken_over_by_a_server_of_the_same_file(tmp_path: Path) -> None:
    async def main() -> None:
        run_id = await left(tmp_path / "shop")

        assert await taken(tmp_path / "shop") == [run_id]

    asyncio.run(main())


def test_a_run_is_not_taken_over_by_a_server_of_a_file_of_the_same_name(tmp_path: Path) -> None:
    async def main() -> None:
        await left(tmp_path / "shop")

        assert await taken(tmp_path / "shop" / ".." / "bank") == []

    asyncio.run(main())


def test_no_server_takes_over_a_run_of_an_unknown_file(tmp_path: Path) -> None:
    async def main() -> None:
        await left(None)

        assert await taken(None) == []

    asyncio.run(main())


def test_a_file_has_the_same_identity_from_every_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")

    assert origin_of(Path("flows.ipynb"), Path.cwd()) == origin_of(Path("../shop/flows.ipynb"), tmp_path)
