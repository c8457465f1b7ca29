"""Pictures of graphs and runs as outputs of notebook cells.

Invariant: HTML is written by ElementTree from text; a picture is embedded as data, never as markup.
"""

from __future__ import annotations

import base64
import time
import xml.etree.ElementTree as ET
from typing import Any, Protocol

from nbflow.graph import GraphDefinition
from nbflow.graph.params import without_secrets
from nbflow.secrets import MASK
from nbflow.view.plain import clean
from nbflow.view.recorded import Recorded, unfed
from nbflow.view.static import static_svg
from nbflow.view.text import summary

# The static copy is hidden while the same output has a live view. In a notebook reopened without its kernel the live
# view cannot start; then the static copy is shown, and the widget's error message is hidden.
STYLE = (
    ".jp-OutputArea:has(.nf-root) .nbflow-static{display:none}"
    ".jp-OutputArea:not(:has(.nf-root)):has(.nbflow-static) "
    ".jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets){display:none}"
)


def static_html(svg: str, title: str, details: str | None = None) -> str:
    """Return HTML for an ended run: its picture, hidden while the same output has a live view."""
    # Written without ElementTree, which would escape `>`: HTML does not unescape it in a style. It has no user text.
    return f"<style>{STYLE}</style>" + _html("nbflow-static", svg, title, details)


def _html(name: str, svg: str, title: str, details: str | None = None) -> str:
    """Return HTML that embeds the picture as data, with `details` as text to unfold."""
    box = ET.Element("div", {"class": name})
    data = base64.b64encode(svg.encode()).decode()
    ET.SubElement(box, "img", {"alt": clean(title), "src": f"data:image/svg+xml;base64,{data}"})
    if details is not None:
        folded = ET.SubElement(box, "details")
        ET.SubElement(folded, "summary").text = "Details"
        ET.SubElement(folded, "pre").text = clean(details)
    return ET.tostring(box, encoding="unicode", method="html")


class GraphPicture:
    """A graph as a cell's output: a picture, and the graph's text for front ends that show no HTML."""

    def __init__(self, graph: GraphDefinition, *, title: str = "") -> None:
        self.graph, self.title = graph, title or graph.name

    def svg(self, *, dark: bool = False) -> str:
        """Return the picture as SVG text."""
        return static_svg(self.graph, None, dark=dark, title=self.title)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        text = without_secrets(self.graph, MASK).to_text()
        return {
            "text/plain": text,
            "text/html": _html("nbflow-graph", self.svg(), f"Workflow graph {self.title}".strip()),
        }

    def __repr__(self) -> str:
        return f"GraphPicture({self.title!r}, {len(self.graph.nodes)} nodes)"


class Run(Recorded, Protocol):
    """The part of a run, live or read from a store, that its picture needs."""

    @property
    def name(self) -> str:
        """The graph's name."""


class RunPicture:
    """A run as a cell's output: a picture at the time of display, and a summary for front ends that show no HTML.

    Args:
        run: The run; its state, logs and events are available as attributes of `run`.
        deterministic: Leave out ids and times, so that equal runs give equal outputs.
    """

    def __init__(self, run: Run, *, deterministic: bool = False) -> None:
        self.run, self.deterministic = run, deterministic

    def snapshot(self) -> dict[str, Any]:
        """Return the run's present snapshot in the view protocol."""
        view = unfed(self.run, stable=self.deterministic)
        view.apply(self.run.events)
        return view.snapshot(time.time())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        seen, title = self.snapshot(), self.run.name
        text = summary(seen, title, deterministic=self.deterministic)
        svg = static_svg(self.run.graph, seen, title=title, deterministic=self.deterministic)
        return {"text/plain": text, "text/html": _html("nbflow-graph", svg, text)}

    def __repr__(self) -> str:
        return summary(self.snapshot(), self.run.name, deterministic=self.deterministic)
