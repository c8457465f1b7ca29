"""What a tool can say while it runs: progress, what it prints, and what it asks a person.

Rule: a tool's words find their node by the context that it runs in, or by the thread, where the tool has started one.
They reach the journal on the loop, in order, in whole lines, before the node's end.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from nbflow.engine.terminal import PrintBuffer
from nbflow.events import Kind

if TYPE_CHECKING:
    import asyncio
    import weakref
    from collections import OrderedDict

    from nbflow.engine.questions import Form
    from nbflow.engine.run import Run
    from nbflow.engine.stragglers import ToolThread
    from nbflow.scheduler import Task


PICTURE = "picture"
"""The stream of a node's output events that carry a picture."""
OPEN_LINE_S = 0.5
"""A line that stays open for as long is shown; later on at each tenth of the time that the attempt has run, so that a
bar that moves for a day causes some hundred events."""
OPEN_LINE_LETTERS = 200
"""As many letters of its end are shown."""


class Attempt:
    """One attempt that is under way, and the ear for what its tool says, from any thread.

    `started` is clock time, `number` counts from 1. Nothing is taken after the attempt's end. `thread` is the call of a
    sync tool; `figures` are those that its tool has open in pyplot, `pictures` counts what came of such; `held` tells
    that the tool held the loop for long, and that the loop has had no turn since, `warned` that this was reported.
    """

    # Defaults of the class, since an attempt is made for each firing and most of them stay as they are.
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

    def __init__(self, run: Run, task: Task, started: float, number: int, *, in_thread: bool = False) -> None:
        self._run, self._task = run, task
        self.started, self.number = started, number
        self.in_thread = in_thread
        self.said: list[tuple[Kind, str, Any]] = []
        self._printed: dict[str, PrintBuffer] = {}

    def log(self, text: str, stream: str = "stdout") -> bool:
        """Take printed text; return whether it was taken: after the end only that of the tool's own thread, to drop it.

        Of the stream `stream` each piece is told as it comes, of others whole lines.
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
        """Take how far the tool is."""
        self._fraction = fraction
        self._say(Kind.NODE_PROGRESS, text, fraction)

    def ask(self, form: Form, told: Mapping[str, Any]) -> Future[Any]:
        """Ask a person; return what will hold the data of the answer."""
        self._asked += 1
        return self._run.questions.ask(self, self._task, self._asked, form, told)

    @contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """Stop the timeout of the attempt meanwhile, while a person is asked; on the run's loop.

        Several may be open at once, and the timeout runs again after the last one.
        """
        self._stops += 1
        if self._stops == 1 and self.limit is not None and (due := self.limit.when()) is not None:
            self._left = due - self._run.loop.time()
            self.limit.reschedule(None)
        try:
            yield
        finally:
            self._stops -= 1
            if not self._stops and not self.is_over and self.limit is not None and self._left is not None:
                self.limit.reschedule(self._run.loop.time() + self._left)
                self._left = None

    def _say(self, kind: Kind, label: str, what: Any) -> None:
        # No lock, since a print may come in the midst of anything. First the words, then the flag, and `flush` the
        # other way round: so no words are left lying, whatever thread comes between.
        self.said.append((kind, label, what))
        self._call_flush()

    def _call_flush(self) -> None:
        if self._due:
            return
        self._due = True
        try:
            self._run.loop.call_soon_threadsafe(self.flush)
        except RuntimeError:
            return  # the loop was closed meanwhile: nobody is left to tell

    def flush(self) -> None:
        """Tell what was said since the last time, text of one stream as one event."""
        self._due = False
        if self._printed and self._timer is None and not self.is_over:
            self._timer = self._run.loop.call_later(OPEN_LINE_S, self._show_open_line)
        said = self.said[:]
        del self.said[: len(said)]
        if self._task.attempt is not self:
            return  # a thread that nobody waits for any longer
        for (kind, label), group in groupby(said, key=itemgetter(0, 1)):
            whats = [what for _, _, what in group]
            if kind is Kind.NODE_PROGRESS:
                for fraction in whats:
                    self._run.say(self._task, kind, {"progress": fraction, "text": label})
            elif label == PICTURE:
                for data in whats:
                    self._run.say(self._task, kind, data)
            else:
                self._run.say(self._task, kind, {"text": "".join(whats), "stream": label})

    def end(self) -> None:
        """Tell all that was said, lines that are still open too, and take no more; on the run's loop."""
        self.is_over = True
        if self._printed:
            if self._timer is not None:
                self._timer.cancel()
            for buffer in list(self._printed.values()):
                buffer.close()
        if self.said:
            self.flush()

    def _show_open_line(self) -> None:
        """Show a line that is still open, as progress."""
        run, text = self._run, ""
        for buffer in list(self._printed.values()):
            text = buffer.open_line()[-OPEN_LINE_LETTERS:] or text
        if text and text != self._shown:
            self._shown = text
            run.say(self._task, Kind.NODE_PROGRESS, {"progress": self._fraction, "text": text})
        wait = max(OPEN_LINE_S, (run.clock() - self.started) / 10)
        self._timer = run.loop.call_later(wait, self._show_open_line)


class Coming(Attempt):
    """An attempt that has not begun: the one before it failed, and its backoff runs."""


class Recalled(Attempt):
    """An attempt whose output comes from a cache."""


NODE: ContextVar[Attempt | None] = ContextVar("nbflow_node", default=None)
"""The attempt that this code runs for; None outside of one, and in threads that a tool starts."""
INHERITED = "_nbflow_attempt"
"""The attribute of a thread that a tool has started: a weak reference to the attempt."""


def current_attempt() -> Attempt | None:
    """Return the attempt that this code runs for: by its context, else by its thread."""
    attempt = NODE.get()
    if attempt is None:
        found: weakref.ref[Attempt] | None = vars(threading.current_thread()).get(INHERITED)
        attempt = None if found is None else found()
    return attempt


def progress(fraction: float, text: str = "") -> None:
    """Show how far the running tool is.

    Does nothing outside a run, so that a tool stays an ordinary function.

    Args:
        fraction: From 0 to 1; what lies outside is taken to the nearer end.
        text: What it is at, in a few words.
    """
    attempt = current_attempt()
    if attempt is not None and not math.isnan(fraction):
        attempt.progress(min(1.0, max(0.0, float(fraction))), str(text))
