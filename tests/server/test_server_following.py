"""A watched run of another process is read only when it has changed, and folded outside the event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from served import CELLS, Served, environment_of, notebook, serving
from test_server_elsewhere import failed, kept_runs, process, resumed, until

from nbflow.server.event_stream import POLL_S, folded, newer, readings

__all__ = ["kept_runs"]  # for every test of this module as well


def test_a_run_of_another_process_is_read_again_only_after_a_change(tmp_path: Path) -> None:
    async def main() -> None:
        run = await failed(here)
        other = await resumed(there, run.id)
        await other.until_stored(len(other.events))
        known = await here.read(run.id)
        assert await newer(here, known) is None

        other.answer("yes")
        await other.wait()
        await other.until_stored(len(other.events))

        found = await newer(here, known)
        assert found is not None
        assert (found.status, len(found.events)) == ("completed", len(other.events))
        assert await newer(here, found) is None

    with process(tmp_path) as here, process(tmp_path) as there:
        asyncio.run(main())


def test_a_watcher_gets_each_state_of_a_run_of_another_process_once(tmp_path: Path) -> None:
    async def watched(run_id: str) -> list[tuple[str, int]]:
        return [(run.status, len(run.events)) async for run in readings(here, run_id)]

    async def main() -> None:
        run = await failed(here)
        other = await resumed(there, run.id)
        await other.until_stored(len(other.events))
        watching = asyncio.ensure_future(watched(run.id))
        await asyncio.sleep(4 * POLL_S)
        other.answer("yes")
        await other.wait()

        given = await watching
        assert (given[0][0], given[-1][0]) == ("waiting", "completed")
        assert len(set(given)) == len(given)

    with process(tmp_path) as here, process(tmp_path) as there:
        asyncio.run(main())


def test_the_events_that_were_read_are_folded_outside_the_loop(tmp_path: Path) -> None:
    async def main() -> None:
        run = await failed(here)
        await run.until_stored(len(run.events))
        read, others = await there.read(run.id), asyncio.Event()
        asyncio.get_running_loop().call_soon(others.set)

        view = await folded(read)

        assert others.is_set()
        assert view.seq == len(run.events)

    with process(tmp_path) as here, process(tmp_path) as there:
        asyncio.run(main())


FRAGILE = "%%flow_tool\ndef mended(mark: str):\n    if not Path(mark).exists():\n        raise ValueError('not yet')\n"


@pytest.mark.slow
def test_a_page_follows_a_run_that_has_ended_and_that_another_process_resumes(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with serving(notebook(tmp_path, [*CELLS[:-1], FRAGILE, "%%flow_graph fragile\nmended"])) as server:
        run_id = server.run("fragile", mark=str(mark))
        with server.socket(f"/ws/view/{run_id}") as page:
            page.send('{"type": "ready"}')
            first = until(page, shows("failed"))["seq"]
            resume(server, run_id)
            until(page, lambda message: shows("failed")(message) and message["seq"] > first)
            mark.touch()
            resume(server, run_id)  # the page now has its state from the store

            until(page, shows("completed"))


def shows(status: str) -> Any:
    return lambda message: message["type"] == "snapshot" and message["run"]["status"] == status


def resume(server: Served, run_id: str) -> None:
    asked = [sys.executable, "-m", "nbflow", "resume", run_id]
    subprocess.run(asked, cwd=server.folder, env=environment_of(), check=False)
