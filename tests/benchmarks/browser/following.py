"""Follow a run in a page: the times at which each node's state changes in the kernel and in the page's DOM.

Invariant: both clocks are this machine's. The kernel's time is the one in the run's event log. A mutation observer, which
the browser calls before it paints, reads the page's time.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# `step` waits; `beat` changes its progress while it waits.
SETUP = """
import asyncio, json, time
import nbflow
from nbflow.session import graph, tool

@tool
async def step(wait=0.1, before=0.0):
    await asyncio.sleep(wait + before)

@tool
async def beat(seconds, rate):
    loop = asyncio.get_running_loop()
    began, count = loop.time(), 0
    while (gone := loop.time() - began) < seconds:
        if count < gone * rate:
            count += 1
            nbflow.progress(gone / seconds, f"{count} done")
        else:
            await asyncio.sleep(1 / rate)

def lanes(name, count, long, wait):
    nodes, edges = [], []
    for lane in range(count):
        for at in range(long):
            before = {"before": wait * lane / count} if at == 0 else {}
            nodes.append({"node_id": f"n{lane}x{at}", "tool": "step", "params": {"wait": wait, **before}})
            if at:
                edges.append({"from_node": f"n{lane}x{at - 1}", "to_node": f"n{lane}x{at}"})
    graph(name, {"nodes": nodes, "edges": edges})

def ring(name, count, rounds):
    names = [f"n{i}" for i in range(count)]
    nodes = [{"node_id": "gate", "tool": "step", "params": {"wait": 2.0}}]
    nodes += [{"node_id": n, "tool": "pass"} for n in names]
    edges = [{"from_node": a, "to_node": b} for a, b in zip(["gate", *names], names)]
    edges += [{"from_node": names[-1], "to_node": "n0", "max_iterations": rounds - 1}]
    edges += [{"from_node": names[-1], "to_node": "END", "type": "error"}]
    graph(name, {"nodes": nodes, "edges": edges, "max_iterations": count * rounds})

def fan(name, count, **params):
    nodes = [{"node_id": f"b{i}", "tool": "beat", "params": params} for i in range(count)]
    edges = [{"from_node": "start", "to_node": node["node_id"]} for node in nodes]
    graph(name, {"nodes": [{"node_id": "start", "tool": "pass"}, *nodes], "edges": edges})
"""

TELL = """
print(json.dumps([(event.node, event.kind.removeprefix("node_"), event.time) for event in run.events if event.node]))
"""

# The time at which each node reached each percent of its progress.
TELL_PERCENTS = """
first = {}
for event in run.events:
    if event.kind == "node_progress":
        first.setdefault(f"{event.node} {int(event.data['progress'] * 100)}", event.time)
print(json.dumps(first))
"""

# Seconds from the end of the first node to the end of the run. The view has the time of the first node to open.
LAP = "print(run.events[-1].time - next(e.time for e in run.events if e.kind == 'node_complete'))"

# The same path without a graph: a text that contains the time at which it was set.
BARE = """
import ipywidgets
label = ipywidgets.Label("bare")
display(label)
for _ in range(100):
    await asyncio.sleep({wait})
    label.value = f"bare {{time.time()}}"
"""

# Each change of a node's class, and each change of text within a node, with its time.
OBSERVE = """() => {
  const seen = window.seen = { status: [], texts: [], says: [], frames: [], bare: [] };
  const status = (element) => [...element.classList].find((name) => name.startsWith('is-'))?.slice(3);
  new MutationObserver((records) => {
    const now = (performance.timeOrigin + performance.now()) / 1000;
    for (const { type, target } of records) {
      if (type === 'attributes' && target.dataset?.n) seen.status.push([target.dataset.n, status(target), now]);
      else if (type !== 'attributes' && target.textContent.startsWith('bare ')) {
        seen.bare.push(now - Number(target.textContent.slice(5)));
      } else if (type !== 'attributes' && target.parentElement?.closest('[data-n]')) {
        seen.texts.push(now);
        seen.says.push([target.parentElement.closest('[data-n]').dataset.n, target.textContent, now]);
      }
    }
  }).observe(document.body, { subtree: true, attributeFilter: ['class'], characterData: true, childList: true });
}"""

# A separate script, since a count of the frames makes the browser render more of them.
COUNT_FRAMES = """() => {
  const frame = (at) => {
    window.seen.frames.push((performance.timeOrigin + at) / 1000);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""

Open = Callable[..., Any]
RUN = 4  # the cell of the run
SETTLED = 1.0  # s
_SHOWN = {"start": "running", "complete": "completed"}


@dataclass(frozen=True)
class Delays:
    """Seconds from the changes in the kernel to those in the page."""

    found: Sequence[float]

    def percentile(self, percent: int) -> float:
        """Return a percentile, in seconds."""
        return statistics.quantiles(self.found, n=100, method="inclusive")[percent - 1]


def opened(notebook: Open, define: str, run: str, *, wait: float = 0.1) -> Any:
    """Return a notebook that is ready to run its cell `RUN`. An earlier run has loaded the files that a page loads only once."""
    warm = "lanes('warm', 1, 3, 0.2)\n%flow_run warm"
    book = notebook(
        "%load_ext nbflow", SETUP, warm, define, f"run = %flow_run {run}", TELL, BARE.format(wait=wait), TELL_PERCENTS
    )
    for index in range(RUN):
        book.run(index)
    book.node("n0x2", "completed")
    return book


def follow(book: Any, *, frames: bool = False) -> None:
    """Run the graph with its view on the screen and the observers installed."""
    book.js("w.content.widgets[arg].node.scrollIntoView({ block: 'start' })", RUN)
    book.page.evaluate(OBSERVE)
    if frames:
        book.page.evaluate(COUNT_FRAMES)
    book.run(RUN)


def changes(book: Any) -> list[tuple[str, str, float]]:
    """Return the run's changes of nodes: node, kind, and the time in the event log, in seconds since the epoch."""
    book.run(RUN + 1)
    return [(node, kind, at) for node, kind, at in json.loads(book.text(RUN + 1))]


def delays(book: Any) -> Delays:
    """Return the delay from each change to the page; changes in the first second after the view's first drawing are omitted.

    Raises:
        KeyError: A change never reached the page.
    """
    seen: dict[tuple[str, str], float] = {}
    for node, status, at in book.page.evaluate("() => window.seen.status"):
        seen.setdefault((node, status), at)
        if status == "completed":
            seen.setdefault((node, "running"), at)  # the node ended before the page could show it as running
    began = min(seen.values()) + SETTLED
    made = [(node, _SHOWN[kind], at) for node, kind, at in changes(book) if kind in _SHOWN]
    return Delays([seen[node, status] - at for node, status, at in made if at > began])


def progress_delays(book: Any) -> Delays:
    """Return the delay of each percent of a node's progress that the page showed; the first second is omitted."""
    says = [
        (f"{node} {text.split()[0]}", at)
        for node, text, at in book.page.evaluate("() => window.seen.says")
        if "%" in text
    ]
    book.page.evaluate("() => { window.seen = null }")
    book.run(RUN + 3)
    made = json.loads(book.text(RUN + 3))
    began = min(at for _, at in says) + SETTLED
    return Delays([at - made[key] for key, at in says if at > began and key in made])


def bare_delays(book: Any) -> Delays:
    """Return, for comparison, the delay of a text in the same page that changes every `wait` seconds."""
    book.js("w.content.widgets[arg].node.scrollIntoView({ block: 'start' })", RUN + 2)
    book.run(RUN + 2)
    return Delays(book.page.evaluate("() => window.seen.bare")[10:])
