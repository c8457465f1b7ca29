"""Foreign text made safe to carry: well-formed in XML and JSON, one line where one line is meant, bounded in length.

Rule: text is only ever shortened and cleaned here; nothing is escaped, since XML and JSON are written by libraries.
"""

from __future__ import annotations

import re

TIMES = "\u00d7"  # the sign for `times`

# What XML 1.0 forbids or discourages, lone surrogates among it.
_FORBIDDEN = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The controls that turn the reading direction of what follows.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def allowed(text: str) -> str:
    """Return the text with every character that XML forbids replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


def clean(text: object) -> str:
    """Return the text as it may be shown: what XML forbids or turns text around as U+FFFD, lines ended by LF."""
    return _TURNING.sub("\ufffd", allowed(str(text).replace("\r\n", "\n").replace("\r", "\n")))


def line(text: object, most: int = 200) -> str:
    """Return the text on one line, at most `most` characters, the end cut off with an ellipsis."""
    flat = " ".join(clean(str(text)[: 4 * most]).split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


def middle(text: object, most: int = 22) -> str:
    """Return the text on one line, with an ellipsis in the middle where it is longer than `most` characters."""
    flat = " ".join(clean(text).split())
    if len(flat) <= most:
        return flat
    head = most // 2
    return f"{flat[:head]}…{flat[len(flat) - (most - head - 1) :]}"
