"""A run whose tool ends every process that it runs in leaves a trace of each."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest

from nbflow import Run
from nbflow.events import Kind
from nbflow.session import Session


def die_in(call: str, durability: str) -> str:
    """Start or resume, in a new process, the run that ends this process; return its output until then."""
    code = f"""
        import asyncio, os
        from nbflow.session import Session

        session = Session()

        @session.tool
        async def be_stored() -> None:
            (run,) = session.live.values()
            print(run.id, flush=True)
            await session.until_stored(run)

        @session.tool
        def die() -> None:
            os._exit(3)

        session.graph("g", "be_stored -> die")

        async def main():
            await ({call})

        asyncio.run(main())
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False,
        env={**os.environ, "NBFLOW_DURABILITY": durability},
    )  # fmt: skip
    assert ended.returncode == 3, ended.stderr
    return ended.stdout.strip()


def sittings(run_id: str) -> int:
    """Return how many processes the store knows to have run it."""
    session = Session()
    events = session.history.read(run_id).events
    session.history.close()
    return sum(event.kind in (Kind.EXECUTION_START, Kind.EXECUTION_RESUMED) for event in events)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_each_process_that_a_resumed_run_ends_is_reported(durability: str) -> None:
    run_id = die_in("session.start('g', {})", durability)

    for _ in range(3):
        before = sittings(run_id)  # none where it died before anything but its being there was kept
        die_in(f"await session.reopen({run_id!r})", durability)
        assert sittings(run_id) == before + 1


def test_a_run_that_ends_after_its_store_was_closed_is_not_said_to_be_lost(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Run:
        made = Session()

        @made.tool
        async def waits() -> None:
            await asyncio.sleep(60)

        made.graph("g", "pass -> waits")
        run = made.start("g")
        await run.until_stored(2)
        await asyncio.to_thread(made.history.close)
        run.cancel()
        await run.wait()
        await asyncio.sleep(0.1)
        return run

    run = asyncio.run(main())

    assert [record.getMessage() for record in caplog.records if "cannot be resumed" in record.getMessage()] == []
    assert Session().read(run.id).status == "running"  # as the store has it
