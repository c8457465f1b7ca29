r"""Printed text as a terminal shows it: whole lines, and the last state of text that overwrites itself.

Lines. A line is logged as a whole, also if it was written in many pieces, or while other threads write. Each thread has
its own open line. Text that moves the cursor (`\r`, as progress bars write it) goes to one screen that all threads of
the attempt share, as they share a terminal.

Screens. Progress bars write `\r` and their new state over the old one; nested bars also move the cursor up (`\x1b[A`).
A log needs only the last state, so a row is settled (logged) once nothing can overwrite it:

- The `\n` of the last row settles it and all rows above, if the row was neither overwritten nor written after `\r`.
- An overwritten row, or one written after `\r`, may be one of several bars. It is retained after its `\n`, since the
  cursor may return. The next plain row settles it, or a cursor `HEIGHT` rows below it.

Invariant: at most `HEIGHT` rows of `WIDTH` characters are retained, for any text.
"""

from __future__ import annotations

import re
import threading
import weakref
from dataclasses import dataclass

from nbflow.events import Kind

HEIGHT, WIDTH = 40, 20_000

CONTROL = re.compile(r"[\r\b\x1b]")
_PART = re.compile(r"\x1b\[[0-9;?]*[@-~] | [\r\n\b] | [^\r\n\b\x1b]+ | \x1b", re.VERBOSE)
_MOVE = re.compile(r"\x1b\[(\d*)([A-GJK])")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;?]{0,32})?\Z")


class Screen:
    """The rows of a text that are not settled, and the cursor in them."""

    __slots__ = ("_column", "_live", "_moved_up", "_returned", "_row", "_rows", "_settled", "_unfinished")

    def __init__(self) -> None:
        self._rows: list[str] = [""]
        self._live: list[bool] = [False]
        """By row, whether it was overwritten, or written after a carriage return."""
        self._row = self._column = 0
        self._returned = self._moved_up = False
        self._settled: list[str] = []
        self._unfinished = ""

    @property
    def is_idle(self) -> bool:
        """True if no text is retained, so plain text may bypass the screen."""
        return len(self._rows) == 1 and not self._rows[0] and not self._unfinished

    @property
    def is_fresh(self) -> bool:
        """True if the cursor is in the last row, and that row is blank."""
        return self._row == len(self._rows) - 1 and not self._rows[-1].strip() and not self._unfinished

    @property
    def is_done(self) -> bool:
        """True if the retained text is a bar that a line feed has ended, and the cursor was never moved up."""
        return self.is_fresh and not self.is_idle and not self._moved_up

    @property
    def open_row(self) -> str:
        """The row of the cursor; if that is empty, the last row that is not."""
        found = self._rows[self._row] or next((row for row in reversed(self._rows) if row), "")
        return found.rstrip()

    def write(self, text: str) -> str:
        """Write a text; return the rows that it settles."""
        text = self._unfinished + text
        if unfinished := _UNFINISHED.search(text):
            text = text[: unfinished.start()]
        self._unfinished = unfinished.group() if unfinished else ""
        for part in _PART.findall(text):
            self._take(part)
        return self._taken()

    def settle(self) -> str:
        """Settle all rows and return them; the row of the cursor has no line feed."""
        filled = max((place + 1 for place, row in enumerate(self._rows) if row.strip()), default=0)
        left = self._row >= filled or filled < len(self._rows)
        for place in range(filled):
            self._settle(place, "\n" if place < filled - 1 or left else "")
        self._rows, self._live = [""], [False]
        self._row = self._column = 0
        self._returned = False
        self._unfinished = ""
        return self._taken()

    def _taken(self) -> str:
        settled, self._settled = "".join(self._settled), []
        return settled

    def _take(self, part: str) -> None:
        if part == "\n":
            self._feed()
        elif part == "\r":
            self._return()
        elif part == "\b":
            self._column, self._live[self._row] = max(0, self._column - 1), True
        elif move := _MOVE.fullmatch(part):
            self._move(move[2], move[1])
        else:
            self._put(part)

    def _return(self) -> None:
        self._column, self._returned = 0, True
        if self._live[self._row] and not self._rows[self._row].strip():
            self._rows[self._row], self._live[self._row] = "", False  # spaces have cleared a bar

    def _put(self, text: str) -> None:
        if self._returned and not self._live[self._row]:
            self._live[self._row] = True
            self._rows[self._row] = re.sub(r"\x1b\[[0-9;]*m", "", self._rows[self._row])
        self._returned = False
        if self._live[self._row] and text.startswith("\x1b"):
            return  # a colour code has no cell to be overwritten in
        row = self._rows[self._row].ljust(self._column)
        row = row[: self._column] + text + row[self._column + len(text) :]
        self._column += len(text)
        if len(row) > WIDTH and self._row == len(self._rows) - 1 and not self._live[self._row]:
            self._rows[self._row] = row
            self._settle_upto(self._row, end="")  # too long for a line of a log
            self._column = 0
        else:
            self._rows[self._row] = row[:WIDTH]
            self._column = min(self._column, WIDTH)

    def _feed(self) -> None:
        last = len(self._rows) - 1
        self._returned = False
        self._column = 0
        if self._row == last and not self._live[last] and (self._rows[last] or last == 0):
            self._settle_upto(last)
        else:
            self._down(1)

    def _down(self, rows: int) -> None:
        self._row += min(rows, HEIGHT)
        while self._row >= len(self._rows):
            self._rows.append("")
            self._live.append(False)
        while len(self._rows) > HEIGHT:
            self._settle(0, "\n")
            del self._rows[0], self._live[0]
            self._row -= 1

    def _move(self, kind: str, amount: str) -> None:
        by = min(int(amount[:6] or 1) or 1, WIDTH)
        self._returned = False
        match kind:
            case "A" | "F":
                self._moved_up = True
                self._row = max(0, self._row - by)
            case "B" | "E":
                self._down(by)
            case "C":
                self._column = min(WIDTH, self._column + by)
            case "D":
                self._column = max(0, self._column - by)
            case "G":
                self._column = by - 1
            case "J":
                self._erase_below(amount)
            case "K":
                self._erase(amount)
        if kind in "EF":
            self._column = 0

    def _erase(self, how: str) -> None:
        row, self._live[self._row] = self._rows[self._row], True
        if how == "2":
            row = ""
        elif how == "1":
            row = " " * min(self._column, len(row)) + row[self._column :]
        else:
            row = row[: self._column]
        self._rows[self._row] = row

    def _erase_below(self, how: str) -> None:
        if how in ("", "0"):
            self._erase("")
            for place in range(self._row + 1, len(self._rows)):
                self._rows[place] = ""

    def _settle_upto(self, last: int, end: str = "\n") -> None:
        """Settle the rows up to `last`, and continue in an empty row."""
        for place in range(last + 1):
            self._settle(place, "\n" if place < last else end)
        self._rows, self._live = [""], [False]
        self._row = 0

    def _settle(self, place: int, end: str) -> None:
        row = self._rows[place]
        if self._live[place]:
            row = row.rstrip()  # bars pad their text to cover the old one
            if not row:
                return
        self._settled.append(row + end)


MOST_THREADS = 256
"""The number of threads whose open lines are retained; beyond that, the oldest open line is logged."""


@dataclass(slots=True)
class _OpenLine:
    thread: weakref.ref[threading.Thread]
    text: str


class PrintBuffer:
    """The open lines of one stream of one attempt; completed lines are appended to `said`.

    Every method may be called from any thread.
    """

    __slots__ = ("_closed", "_lines", "_lock", "_owner", "_said", "_screen", "_stream", "_writes")

    def __init__(self, stream: str, said: list[tuple[Kind, str, str]]) -> None:
        self._stream, self._said = stream, said
        self._lines: dict[int, _OpenLine] = {}
        self._screen = Screen()
        self._owner = 0
        self._lock = threading.RLock()
        self._writes = False
        self._closed = False

    def write(self, text: str) -> bool | None:
        """Write a piece of text; return whether it completes lines, None once the buffer is closed."""
        with self._lock:
            if self._closed:
                return None
            if self._writes:
                return self._say(text)  # a print inside a print: by a signal handler or a finalizer
            self._writes = True
            try:
                return self._say(self._write(text))
            finally:
                self._writes = False

    def settle(self) -> None:
        """Log a bar that a line feed has ended, before text of another stream."""
        if self._screen.is_done:
            with self._lock:
                self._say("" if self._writes or self._closed else self._screen.settle())

    def close(self) -> None:
        """Take no more text, and log the open line of each thread."""
        with self._lock:
            self._closed = True
            left = [*(line.text for line in self._lines.values()), self._screen.settle()]
            self._lines.clear()
            left = [text for text in left if text]
            self._say("".join(text if text.endswith("\n") else text + "\n" for text in left[:-1]) + "".join(left[-1:]))

    def _say(self, lines: str) -> bool:
        if lines:
            self._said.append((Kind.NODE_OUTPUT, self._stream, lines))
        return bool(lines)

    def open_line(self) -> str:
        """Return the open line: the last state of a bar, else the text that was printed without a line feed."""
        with self._lock:
            return self._screen.open_row or next((line.text for line in reversed(self._lines.values())), "")

    def _write(self, text: str) -> str:
        thread = threading.get_ident()
        before = ""
        if self._lines and (line := self._lines.pop(thread, None)) is not None:
            if line.thread() is threading.current_thread():
                text = line.text + text
            else:
                before = line.text + "\n"  # of an ended thread, whose number the system has reused
        screen = self._screen
        if CONTROL.search(text) or (not screen.is_fresh and self._owner == thread):
            self._owner = thread
            return before + screen.write(text)
        if "\n" in text and not screen.is_idle and (self._owner == thread or screen.is_done):
            before += screen.settle()
        head, feed, tail = text.rpartition("\n")
        if len(tail) > WIDTH:
            return before + text
        return before + head + feed + (self._retain(thread, tail) if tail else "")

    def _retain(self, thread: int, text: str) -> str:
        """Retain the open line of a thread; return the line of another thread if there are too many."""
        oldest = ""
        if len(self._lines) >= MOST_THREADS:
            oldest = self._lines.pop(next(iter(self._lines))).text + "\n"
        self._lines[thread] = _OpenLine(weakref.ref(threading.current_thread()), text)
        return oldest
