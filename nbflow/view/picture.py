"""Pictures as a notebook shows and keeps them.

Rule: HTML is written by ElementTree from text; a picture goes in as data, never as markup.
"""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from typing import Any

from nbflow.graph import GraphDefinition
from nbflow.view.plain import clean
from nbflow.view.static import static_svg

# While a live view stands in the same output, the static copy is hidden; where the live view is dead (a notebook
# reopened without its kernel), its error message is.
STYLE = (
    ".jp-OutputArea:has(.nf-root) .nbflow-static{display:none}"
    ".jp-OutputArea:not(:has(.nf-root)):has(.nbflow-static) "
    ".jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets){display:none}"
)


def static_html(svg: str, title: str, details: str | None = None) -> str:
    """Return HTML for a finished run: its picture, hidden wherever a live view stands in the same output."""
    # The style holds `>`, which HTML wants as it is: nothing of the user's is in it.
    return f"<style>{STYLE}</style>" + _html("nbflow-static", svg, title, details)


def _html(name: str, svg: str, title: str, details: str | None = None) -> str:
    """Return HTML that shows the picture from data it carries, with `details` as text to unfold."""
    box = ET.Element("div", {"class": name})
    data = base64.b64encode(svg.encode()).decode()
    ET.SubElement(box, "img", {"alt": clean(title), "src": f"data:image/svg+xml;base64,{data}"})
    if details is not None:
        folded = ET.SubElement(box, "details")
        ET.SubElement(folded, "summary").text = "Details"
        ET.SubElement(folded, "pre").text = clean(details)
    return ET.tostring(box, encoding="unicode", method="html")


class GraphPicture:
    """A graph as shown by a notebook: its picture, and its text where pictures are not shown."""

    def __init__(self, graph: GraphDefinition, *, title: str = "") -> None:
        self.graph, self.title = graph, title or graph.name

    def svg(self, *, dark: bool = False) -> str:
        """Return the picture as SVG text."""
        return static_svg(self.graph, None, dark=dark, title=self.title)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        text = self.graph.to_text()
        return {
            "text/plain": text,
            "text/html": _html("nbflow-graph", self.svg(), f"Workflow graph {self.title}".strip()),
        }

    def __repr__(self) -> str:
        return f"GraphPicture({self.title!r}, {len(self.graph.nodes)} nodes)"
