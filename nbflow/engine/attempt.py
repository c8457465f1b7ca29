"""Attempts: one call of a node's tool, with its progress, printed text, pictures and questions.

Invariant: output belongs to the attempt whose context the code runs in, or to the attempt of the thread that a tool has
started. It reaches the event log on the loop, in order, in whole lines, before the event of the node's end.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.engine.terminal import PrintBuffer
from nbflow.events import Kind

if TYPE_CHECKING:
    import asyncio
    import weakref
    from collections import OrderedDict

    from nbflow.engine.questions import Form
    from nbflow.engine.stragglers import ToolThread
    from nbflow.scheduler import Task


PICTURE = "picture"
"""The stream of a node's output events that carry a picture."""
OPEN_LINE_S = 0.5
"""An open line (one without a line feed) is shown after this time (s).

Later the interval is a tenth of the time that the attempt has run, so a bar that moves for a day causes some hundred
events."""
OPEN_LINE_LETTERS = 200
"""The number of characters at the end of an open line that are shown."""


class AttemptHost(Protocol):
    """The members of an execution that its attempts use."""

    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float]

    def log_output(self, task: Task, kind: Kind, data: dict[str, Any]) -> None:
        """Log output or progress of an attempt."""

    def ask(self, attempt: Attempt, task: Task, ordinal: int, form: Form, data: Mapping[str, Any]) -> Future[Any]:
        """Ask a person, from any thread; return a future for the data of the answer."""


class Attempt:
    """One running attempt. It takes the output of its tool from any thread, until the attempt ends.

    Attributes:
        started: The start, as clock time (s).
        number: The number of the attempt at its firing, from 1.
        thread: The call of a sync tool in its thread.
        figures: The figures that the tool has open in pyplot.
        pictures: The number of pictures that were taken from figures.
        held: True if the tool has blocked the loop for long, and the loop has had no turn since.
        warned: True if a warning about that was logged.
    """

    # Defaults live in the class: an attempt is created for each firing, and most attempts never set these.
    limit: asyncio.Timeout | None = None
    thread: ToolThread | None = None
    held = warned = is_over = False
    figures: OrderedDict[Any, Any] | None = None
    pictures = 0
    _left: float | None = None
    _due = False
    _asked = _stops = 0
    _timer: asyncio.TimerHandle | None = None
    _fraction: float | None = None
    _shown = ""

    def __init__(self, host: AttemptHost, task: Task, started: float, number: int, in_thread: bool = False) -> None:
        self._host, self._task = host, task
        self.started, self.number = started, number
        self.in_thread = in_thread
        self.said: list[tuple[Kind, str, Any]] = []
        self._printed: dict[str, PrintBuffer] = {}

    def log(self, text: str, stream: str = "stdout") -> bool:
        """Take printed text and return True; return False if the text does not belong to this attempt any more.

        After the end of the attempt, only text from the thread of its tool is taken, and dropped. Text of the stream
        named `stream` is logged piece by piece, text of other streams in whole lines.
        """
        if stream == "stream":
            self._say(Kind.NODE_OUTPUT, stream, text)
            return True
        buffer = self._printed.get(stream)
        if buffer is None:
            buffer = self._printed.setdefault(stream, PrintBuffer(stream, self.said))
        for other in tuple(self._printed.values()):
            if other is not buffer:
                other.settle()
        completes = None if self.is_over else buffer.write(text)
        if completes is None:
            return self.thread is not None and self.thread.ident == threading.get_ident()
        if completes or self._timer is None:
            self._call_flush()
        return True

    def picture(self, picture: dict[str, Any]) -> None:
        """Take a picture, `{"mime", "data" (base64), "width", "height"}`."""
        text = f"picture of {picture['width']} x {picture['height']} pixels\n"
        self._say(Kind.NODE_OUTPUT, PICTURE, {"text": text, "stream": PICTURE, "picture": picture})

    def progress(self, fraction: float, text: str = "") -> None:
        """Take the progress of the tool."""
        self._fraction = fraction
        self._say(Kind.NODE_PROGRESS, text, fraction)

    def ask(self, form: Form, data: Mapping[str, Any]) -> Future[Any]:
        """Ask a person; return a future for the data of the answer."""
        self._asked += 1
        return self._host.ask(self, self._task, self._asked, form, data)

    @contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """Stop the timeout of the attempt inside the `with` block, on the run's loop.

        Blocks may overlap; the timeout continues after the last one.
        """
        self._stops += 1
        if self._stops == 1 and self.limit is not None and (due := self.limit.when()) is not None:
            self._left = due - self._host.loop.time()
            self.limit.reschedule(None)
        try:
            yield
        finally:
            self._stops -= 1
            if not self._stops and not self.is_over and self.limit is not None and self._left is not None:
                self.limit.reschedule(self._host.loop.time() + self._left)
                self._left = None

    def _say(self, kind: Kind, label: str, what: Any) -> None:
        # No lock, since a signal handler may print at any point. The text is appended before the flag is tested, and
        # `flush` clears the flag before it reads the text. So no text is lost if another thread runs in between.
        self.said.append((kind, label, what))
        self._call_flush()

    def _call_flush(self) -> None:
        if self._due:
            return
        self._due = True
        try:
            self._host.loop.call_soon_threadsafe(self.flush)
        except RuntimeError:
            return  # the loop is closed: the run has ended

    def flush(self) -> None:
        """Log the output since the last flush, adjacent text of one stream as one event."""
        self._due = False
        if self._printed and self._timer is None and not self.is_over:
            self._timer = self._host.loop.call_later(OPEN_LINE_S, self._show_open_line)
        said = self.said[:]
        del self.said[: len(said)]
        if self._task.attempt is not self:
            return  # output of a thread whose attempt has ended
        for (kind, label), group in groupby(said, key=itemgetter(0, 1)):
            whats = [what for _, _, what in group]
            if kind is Kind.NODE_PROGRESS:
                for fraction in whats:
                    self._host.log_output(self._task, kind, {"progress": fraction, "text": label})
            elif label == PICTURE:
                for data in whats:
                    self._host.log_output(self._task, kind, data)
            else:
                self._host.log_output(self._task, kind, {"text": "".join(whats), "stream": label})

    def end(self) -> None:
        """Log all output, open lines too, and take no more; on the run's loop."""
        self.is_over = True
        if self._printed:
            if self._timer is not None:
                self._timer.cancel()
            for buffer in list(self._printed.values()):
                buffer.close()
        if self.said:
            self.flush()

    def _show_open_line(self) -> None:
        """Log an open line as progress."""
        host, text = self._host, ""
        for buffer in list(self._printed.values()):
            text = buffer.open_line()[-OPEN_LINE_LETTERS:] or text
        if text and text != self._shown:
            self._shown = text
            host.log_output(self._task, Kind.NODE_PROGRESS, {"progress": self._fraction, "text": text})
        wait = max(OPEN_LINE_S, (host.clock() - self.started) / 10)
        self._timer = host.loop.call_later(wait, self._show_open_line)


class Coming(Attempt):
    """An attempt that has not started: the one before it failed, and the backoff runs."""


class Recalled(Attempt):
    """An attempt whose output comes from the cache."""


NODE: ContextVar[Attempt | None] = ContextVar("nbflow_node", default=None)
"""The attempt of the current context; None outside an attempt, and in threads that a tool has started."""
INHERITED = "_nbflow_attempt"
"""The attribute of a thread that a tool has started: a weak reference to the attempt."""


def current_attempt() -> Attempt | None:
    """Return the attempt of the current context, else that of the current thread."""
    attempt = NODE.get()
    if attempt is None:
        found: weakref.ref[Attempt] | None = vars(threading.current_thread()).get(INHERITED)
        attempt = None if found is None else found()
    return attempt


def progress(fraction: float, text: str = "") -> None:
    """Report the progress of the running tool.

    Outside a run the call has no effect, so a tool remains an ordinary function.

    Args:
        fraction: The completed part, from 0 to 1; other numbers are clamped.
        text: A short description of the current step.
    """
    attempt = current_attempt()
    if attempt is not None and not math.isnan(fraction):
        attempt.progress(min(1.0, max(0.0, float(fraction))), str(text))
