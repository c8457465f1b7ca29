r"""What a tool prints to one stream, in whole lines.

Invariant: a line is passed on as a whole, however many pieces it was written in and however many threads write at the
same time. Each thread has a line of its own; a text that moves the cursor (`\r`, as progress bars write it) goes to one
screen that all threads of the attempt share, as they share the terminal.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

from nbflow.engine.screen import CONTROL, WIDTH, Screen
from nbflow.events import Kind

MOST_THREADS = 256
"""Threads whose open lines are retained; the line that is open for longest is passed on beyond."""


@dataclass(slots=True)
class _OpenLine:
    thread: weakref.ref[threading.Thread]
    text: str


class PrintBuffer:
    """The open lines of one stream of one attempt; whole lines are appended to `said`.

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
                return self._say(text)  # a print in the midst of a print: of a signal handler, or of an object's end
            self._writes = True
            try:
                return self._say(self._write(text))
            finally:
                self._writes = False

    def settle(self) -> None:
        """Pass on a bar that was ended by a line feed: what comes next was printed after it."""
        if self._screen.is_done:
            with self._lock:
                self._say("" if self._writes or self._closed else self._screen.settle())

    def close(self) -> None:
        """Take no more text, and pass on what is open, a line for each thread."""
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
        """Return the line that is open: the last state of a bar, else what was printed without a line feed."""
        with self._lock:
            return self._screen.open_row or next((line.text for line in reversed(self._lines.values())), "")

    def _write(self, text: str) -> str:
        thread = threading.get_ident()
        before = ""
        if self._lines and (line := self._lines.pop(thread, None)) is not None:
            if line.thread() is threading.current_thread():
                text = line.text + text
            else:
                before = line.text + "\n"  # of a thread that has ended, whose number this one has got
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
        """Retain the open line of a thread; return that of another where there are too many."""
        oldest = ""
        if len(self._lines) >= MOST_THREADS:
            oldest = self._lines.pop(next(iter(self._lines))).text + "\n"
        self._lines[thread] = _OpenLine(weakref.ref(threading.current_thread()), text)
        return oldest
