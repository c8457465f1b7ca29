"""Pictures of a node are part of the log: a stored run and a resumed one have them."""

from __future__ import annotations

import asyncio

import pytest

from nbflow.engine import Run
from nbflow.session import Session
from nbflow.store.archive import StoredRun
from nbflow.view import inspect


def test_a_stored_and_a_resumed_run_show_the_pictures_of_their_nodes() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    made, calls = Session(), []

    @made.tool
    def draws() -> None:
        plt.figure(figsize=(2, 1))

    @made.tool
    def fails_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("no")

    made.graph("g", "draws -> fails_once")

    async def main() -> tuple[Run, StoredRun, Run]:
        failed = made.start("g", {})
        await failed.wait()
        archived = await asyncio.to_thread(made.history.read, failed.id)
        resumed = await made.reopen(failed.id)
        await resumed.wait()
        return failed, StoredRun(made.engine.plan(made.graphs["g"]), archived), resumed

    shown = [inspect(run.events[:], run.graph, "draws")["pictures"] for run in asyncio.run(main())]
    assert [(one["width"], one["height"]) for one in shown[0]] == [(200, 100)]
    assert shown[0] == shown[1] == shown[2]
