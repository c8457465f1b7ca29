"""The response time of the view for a person, in a real JupyterLab and a real browser: a run, a node, a moment."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

from figures import Figures
from following import COUNT_FRAMES, OBSERVE, SETUP, Open
from machine import MS, load

ROUNDS = 15
# The time at which the first node of the newest view was in the page, and painted.
PAINTED = """() => {
  const old = new Set(document.querySelectorAll('.nf-root'));
  window.painted = new Promise((done) => {
    const look = () => {
      const view = [...document.querySelectorAll('.nf-root')].find((el) => !old.has(el) && el.querySelector('.nf-node'));
      if (view) requestAnimationFrame(() => setTimeout(() => done((performance.timeOrigin + performance.now()) / 1000)));
      else requestAnimationFrame(look);
    };
    look();
  });
}"""
# The time from a click until the inspector shows the kernel's data of the node.
CLICKED = """() => {
  window.filled = [];
  let began = null;
  document.addEventListener('pointerdown', () => { began = performance.now(); }, true);
  new MutationObserver(() => {
    const box = document.querySelector('.nf-insp:not([hidden]) .nf-box');
    if (began === null || !box || box.textContent === window.had) return;
    window.had = box.textContent;
    window.filled.push(performance.now() - began);
    began = null;
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def p50_p95(times: list[float]) -> tuple[float, float]:
    found = statistics.quantiles(times, n=100, method="inclusive")
    return found[49], found[94]


def test_a_view_is_painted_soon_after_its_run_started(notebook: Open, figures: Figures) -> None:
    book = notebook("%load_ext nbflow", SETUP, "lanes('g', 3, 4, 0.2)", "run = %flow_run g", "print(run.started_at)")
    for index in range(4):
        book.run(index)
    taken = []
    for _ in range(ROUNDS):
        book.page.evaluate(PAINTED)
        book.run(3)
        painted = book.page.evaluate("() => window.painted")
        book.run(4)
        taken.append((painted - float(book.text(4))) * MS)
    middle, worst = p50_p95(taken)
    figures.at_most(
        "a run's start to its view painted, p50", middle, 300, f"p95 {worst:.0f} ms; 12 nodes, {load()}", unit="ms"
    )


def test_a_click_fills_the_inspector(notebook: Open, figures: Figures) -> None:
    define = "@tool\nasync def tell(k=0):\n    return {f'key{k}': k}\n"
    nodes = "[{'node_id': f'n{k}', 'tool': 'tell', 'params': {'k': k}} for k in range(12)]"
    edges = "[{'from_node': f'n{k}', 'to_node': f'n{k + 1}'} for k in range(11)]"
    define += f"graph('g', {{'nodes': {nodes}, 'edges': {edges}}})"
    book = notebook("%load_ext nbflow", SETUP, define, "run = %flow_run g")
    for index in range(4):
        book.run(index)
    book.node("n11", "completed")
    book.page.evaluate(CLICKED)
    for k in [0, 1, 2] * 8:  # nodes that the inspector does not cover
        book.node(f"n{k}").click()
        book.page.wait_for_timeout(150)
    middle, worst = p50_p95(book.page.evaluate("() => window.filled")[2:])
    figures.at_most("click to filled inspector, p50", middle, 50, f"p95 {worst:.0f} ms; {load()}", unit="ms")


def test_the_slider_follows_the_hand_through_10_000_events(notebook: Open, figures: Figures) -> None:
    book = notebook(
        "%load_ext nbflow", SETUP, "fan('g', 20, seconds=6, rate=90)", "run = %flow_run g", "print(len(run.events))"
    )
    for index in range(5):
        book.run(index)
    assert int(book.text(4)) > 9_000
    book.page.locator(".nf-track").scroll_into_view_if_needed()
    book.page.evaluate(OBSERVE)
    shown = _drag(book)
    frames = book.page.evaluate("() => window.seen.frames")
    seconds = frames[-1] - frames[0]
    longest = max(later - at for at, later in pairwise(frames))
    note = f"{len(set(shown))} moments shown, longest frame {longest * MS:.0f} ms, {load()}"
    figures.at_least("slider dragged over 10 000 events: frames per second", len(frames) / seconds, 30, note, unit="/s")
    assert len(set(shown)) > 10


def _drag(book: Any, steps: int = 120) -> list[str]:
    """Drag the slider from its end to its start, and return its text after each move."""
    box = book.page.locator(".nf-track").bounding_box()
    middle = box["y"] + box["height"] / 2
    book.page.mouse.move(box["x"] + box["width"] - 2, middle)
    book.page.wait_for_timeout(3_000)  # the page requests the past when the pointer comes near
    book.page.evaluate(COUNT_FRAMES)
    book.page.mouse.down()
    shown = []
    for step in range(steps):
        book.page.mouse.move(box["x"] + box["width"] * (1 - step / steps), middle)
        shown.append(book.page.locator(".nf-track").get_attribute("aria-valuenow"))
    book.page.mouse.up()
    return shown
