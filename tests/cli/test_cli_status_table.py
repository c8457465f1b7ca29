"""A live run on a terminal: a row for each node, and bars where the total is known."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from nbflow import progress
from nbflow.cli.status_table import BAR, standing
from nbflow.session import Session
from nbflow.view.recorded_run import empty_view


def shown(width: int) -> list[str]:
    """Return the lines of a run in which 3 of 4 items of a map ended, one of them badly, and a tool told its progress."""
    made = Session()
    going = asyncio.Event()

    @made.tool
    async def check(file: str) -> str:
        if file == "b":
            raise ValueError("no such file")
        if file == "d":
            await going.wait()
        return file

    @made.tool
    async def train() -> None:
        progress(0.35, "epoch 7 of [bold]20[/bold]")
        await going.wait()

    made.graph("g", "check = check [map=files, as=file, on_error=collect]\ncheck -> pass\ntrain -> pass")

    async def main() -> str:
        run = made.start("g", {"files": list("abcd")})
        for _ in range(50):
            await asyncio.sleep(0)
        view = empty_view(run)
        view.apply(run.events[:])
        told = view.snapshot(run.started_at + run.execution_time)
        console = Console(width=width, file=io.StringIO(), force_terminal=False)
        console.print(standing(told, run.name, run.started_at, seconds=12.3))
        run.cancel()
        await run.wait()
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    return [line.rstrip() for line in asyncio.run(main()).splitlines()]


@pytest.fixture(autouse=True)
def _unkept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_DURABILITY", "off")


def test_maps_and_progress_have_bars_and_the_run_its_time() -> None:
    title, check, last, train = shown(100)

    assert title == "g  12 s"
    assert check.split() == ["◐", "check", "running", "━" * (BAR * 3 // 4), "3/4", "·", "1", "failed"]
    assert train.endswith("35 % · epoch 7 of [bold]20[/bold]")
    assert last.split()[:3] == ["○", "pass", "pending"]


def test_a_narrow_terminal_costs_words_and_no_line() -> None:
    lines = shown(50)

    assert len(lines) == 4
    assert "━" * 7 in lines[3]
    assert lines[3].endswith("…")
