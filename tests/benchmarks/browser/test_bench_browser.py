"""The delay from a change in the kernel to the page, in a real JupyterLab and a real browser."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest
from figures import Figures
from following import LAP, SETUP, Delays, Open, bare_delays, changes, delays, follow, opened, progress_delays
from machine import MS, load


def words(found: Delays) -> str:
    return f"p50 {found.percentile(50) * MS:.1f}, p95 {found.percentile(95) * MS:.1f} ms"


@pytest.mark.parametrize(
    ("lanes", "rate", "targets"),
    [(1, 10, {50: 8.0, 95: 25.0}), (1, 30, {95: 40.0}), (10, 12, {50: 12.0, 95: 30.0}), (10, 30, {95: 40.0})],
)
def test_changes_are_seen(notebook: Open, figures: Figures, lanes: int, rate: int, targets: dict[int, float]) -> None:
    book = opened(notebook, f"lanes('g', {lanes}, 100, {lanes / rate})", "g", wait=1 / rate)
    follow(book)
    found, bare = delays(book), bare_delays(book)
    for percent, target in targets.items():
        what = f"{100 * lanes} nodes, {rate} changes/s: kernel to DOM, p{percent}"
        note = f"{words(found)}; a bare Label {words(bare)}; {load()}"
        figures.at_most(what, found.percentile(percent) * MS, target, note, unit="ms")
    assert len(found.found) > 50


@pytest.mark.parametrize("nodes", [100, 1_000])
def test_frames_continue_during_a_storm_of_events(notebook: Open, figures: Figures, nodes: int) -> None:
    book = opened(notebook, f"fan('g', {nodes}, seconds=8, rate={5_000 // nodes})", "g")
    follow(book, frames=True)
    seen = book.page.evaluate("() => window.seen")
    first, last = seen["texts"][0], seen["texts"][-1]
    progress = [at for _, kind, at in changes(book) if kind == "progress" and first < at < last]
    per_second = [count / (last - first) for count in (len(progress), len(seen["texts"]))]
    frames = [at for at in seen["frames"] if first < at < last]
    longest = max(later - at for at, later in pairwise(frames))
    note = f"{per_second[1]:.0f} texts/s written, longest frame {longest * MS:.0f} ms, {load()}"
    what = f"{nodes:,} nodes, {per_second[0]:.0f} changes/s: frames per second"
    figures.at_least(what, len(frames) / (last - first), 30, note, unit="/s")
    found = progress_delays(book)
    figures.at_most(
        f"{nodes:,} nodes, the same: kernel to DOM, p95", found.percentile(95) * MS, 150, words(found), unit="ms"
    )
    assert last - first > 4


def test_an_open_view_costs_a_run_little(notebook: Open, figures: Figures) -> None:
    nodes, times, rounds = 1_000, 100, 5
    bare = f"from nbflow import session\nrun = await session.run('g')\n{LAP}"
    book = notebook("%load_ext nbflow", SETUP, f"ring('g', {nodes}, {times})", bare, f"run = %flow_run g\n{LAP}")
    for index in range(3):
        book.run(index)
    laps: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        for index in (3, 4):
            book.run(index)
        without, with_view = (float(book.text(index).split()[-1]) for index in (3, 4))
        laps.append((with_view, without))
    ratios = sorted(with_view / without for with_view, without in laps[1:])
    note = f"from {ratios[0]:.2f} to {ratios[-1]:.2f}; {laps[-1][1]:.2f} s without; {load()}"
    what = f"{nodes * times:,} firings of {nodes:,} nodes in a page: with a view / without"
    figures.at_most(what, statistics.median(ratios), 1.3, note)
