"""Clean and shorten text of users for display: valid in XML and JSON, on one line if required, bounded in length.

Invariant: nothing is escaped here, since XML and JSON are written by libraries that escape.
"""

from __future__ import annotations

import re

TIMES = "\u00d7"  # the sign for `times`

# What XML 1.0 (section 2.2) excludes from `Char`, such as lone surrogates, and the controls that it discourages.
_FORBIDDEN = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Controls that change the reading direction of the text after them (Unicode Standard Annex #9).
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def allowed(text: str) -> str:
    """Return the text with every character that XML forbids replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


def clean(text: object) -> str:
    """Return the text for display: characters that XML forbids and direction controls become U+FFFD, line ends LF."""
    return _TURNING.sub("\ufffd", allowed(str(text).replace("\r\n", "\n").replace("\r", "\n")))


def line(text: object, most: int = 200) -> str:
    """Return the text on one line of at most `most` characters; a longer text ends with an ellipsis."""
    flat = " ".join(clean(str(text)[: 4 * most]).split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


def middle(text: object, most: int = 22) -> str:
    """Return the text on one line; one of more than `most` characters has an ellipsis in the middle."""
    flat = " ".join(clean(text).split())
    if len(flat) <= most:
        return flat
    head = most // 2
    return f"{flat[:head]}…{flat[len(flat) - (most - head - 1) :]}"
