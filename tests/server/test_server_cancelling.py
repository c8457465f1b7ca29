"""The server that owns a run can cancel it from every thread."""

from __future__ import annotations

import asyncio

import pytest

from nbflow.errors import RunNotFoundError, RunStateError
from nbflow.server.options import options
from nbflow.server.service import Service
from nbflow.session import Session


def test_the_response_to_a_cancellation_means_that_the_servers_run_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NBFLOW_DURABILITY", "off")
    session = Session()
    session.registry.register("stuck", asyncio.Event().wait)
    session.graph("sticks", "stuck")

    async def main() -> None:
        service, run = Service(session, options()), session.start("sticks")
        await asyncio.sleep(0)

        stopped = await service.cancel(run.id)

        assert (stopped, stopped.status) == (run, "cancelled")
        await run.wait()
        with pytest.raises(RunStateError, match="has ended with status cancelled"):
            await service.cancel(run.id)
        with pytest.raises(RunNotFoundError):
            await service.cancel("ffffffffffff")

    asyncio.run(main())
