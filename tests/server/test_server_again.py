"""A request that is repeated with its key starts the run that could not be stored before, and answers once it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbflow import Run
from nbflow.errors import StoreError
from nbflow.server.options import options
from nbflow.server.service import Service
from nbflow.session import Session


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Yield a service whose store cannot be opened while a file occupies the path of its folder."""
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
    session = Session()
    session.history.folder = tmp_path
    (tmp_path / ".nbflow").touch()
    session.registry.register("noted", (tmp_path / "noted").touch)
    session.graph("note", "noted")
    yield Service(session, options())
    session.history.close()


def test_a_repeated_key_starts_and_stores_a_run_that_could_not_be_stored(service: Service, tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(StoreError):
            await service.start("note", {}, key="once")
        (tmp_path / ".nbflow").unlink()

        run = await service.start("note", {}, key="once")

        assert isinstance(run, Run)
        await run
        assert (await service.start("note", {}, key="once")) is run
        assert (await asyncio.wrap_future(service.session.history.open().head(run.id))).row.status == "completed"

    asyncio.run(main())


def test_a_key_repeated_before_its_run_is_stored_waits_and_gets_the_same_error(service: Service) -> None:
    async def main() -> None:
        told = await asyncio.gather(*(service.start("note", {}, key="once") for _ in range(3)), return_exceptions=True)

        assert [type(each) for each in told] == [StoreError] * 3
        assert service.session.live == {}

    asyncio.run(main())
