"""Read Markdown pages for the tests: sections, fenced blocks, links and the anchors of headings."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

_FENCED = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1`*[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)[ #]*$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: its text, and the line (from 1) on which the text starts."""

    text: str
    line: int


def section(page: str, heading: str) -> str:
    """Return the section under a heading of the second level."""
    return page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def blocks(page: str, info: str) -> list[Block]:
    """Return the fenced blocks with an info string."""
    return [
        Block(found[3], page.count("\n", 0, found.start(3)) + 1)
        for found in _FENCED.finditer(page)
        if found[2].strip() == info
    ]


def links(page: str) -> list[str]:
    """Return the targets of links and pictures, without those in code."""
    return _LINK.findall(_CODE_SPAN.sub("", _FENCED.sub("", page)))


def headings(page: str) -> list[str]:
    """Return the texts of the headings, including their markup."""
    return _HEADING.findall(_FENCED.sub("", page))


def anchors(page: str) -> set[str]:
    """Return the fragments by which links reach the headings, as GitHub builds them."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in headings(page):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found
