"""The live view beneath a cell: a run's events go to the page as patches, the page's clicks come back as commands.

Rule: everything happens on the run's own loop. Which thread a message from the page arrives on depends on ipykernel's
version, so the callback does nothing but hand it over.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from nbflow.errors import RunStateError
from nbflow.notebook.waiting import STOPPED
from nbflow.view import RunView, inspect
from nbflow.view.bundle import bundle
from nbflow.view.questions import Questions

if TYPE_CHECKING:
    from nbflow.engine import Run

Message = Mapping[str, Any]
FRAME = 1 / 30
BURST = 2
"""Patches that may go ahead of their time, so that changes which come 30 times a second by themselves never wait."""


class LiveView(anywidget.AnyWidget):
    """The widget. `scene` is what to draw, `snapshot` where the run stood when a view opened or the run ended."""

    _esm, _css = bundle()
    scene = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)


class RunFeed:
    """Folds a run's events as they come, and tells one listener what changed, at most 30 times a second.

    Args:
        run: The run to follow.
        view: Its fold, not yet fed.
        send: Called on the run's loop with each message of the view protocol.
        describe: Returns the first line of a tool's documentation.
    """

    def __init__(
        self, run: Run, view: RunView, *, send: Callable[[Message], None], describe: Callable[[str], str]
    ) -> None:
        self._run, self._view, self._send, self._describe = run, view, send, describe
        self._questions = Questions(run, locate=view.locate)
        self._inspected: str | None = None
        self._touched: set[str] = set()
        self._due = float("-inf")
        self._closed = False
        self.on_ready: Callable[[], None] = lambda: None

    @property
    def snapshot(self) -> dict[str, Any]:
        """The whole view as it stands now."""
        self._fold()
        return self._view.snapshot(time.time())

    def start(self) -> None:
        """Begin to follow the run; call on its loop."""
        self._run.on_change(self._changed)

    def _changed(self) -> None:
        # The first change after a quiet time goes at once, with all that happens in the same turn of the loop.
        wait = max(0.0, self._due - BURST * FRAME - self._run.loop.time())
        self._run.loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        if self._closed:
            return
        self._fold()
        patch = self._view.take_patch(time.time())
        if patch is not None:
            self._send(patch)
        if self._inspected in self._touched:
            self._tell_inspected()
        self._touched.clear()
        self._due = max(self._due, self._run.loop.time()) + FRAME
        if self._run.result is None:
            self._run.on_change(self._changed)

    def close(self) -> dict[str, Any]:
        """Send what is left to send after the run's end, and the last snapshot; return it."""
        self._flush()
        self._closed = True
        last = self.snapshot
        self._send(last)
        return last

    def _fold(self) -> None:
        """Fold what has happened since the last time; note the outermost nodes it happened to."""
        events = self._run.events[self._view.seq :]
        self._view.apply(events)
        self._touched |= {event.node.partition("/")[0].partition("[")[0] for event in events if event.node}

    def handle(self, message: Any) -> None:
        """Act on a message from the page; what is not in the protocol is passed over. Call on the run's loop."""
        match message:
            case {"type": "ready"}:
                self._send(self.snapshot)
                self.on_ready()
            case {"type": "inspect", "node": str() | None as node} if message.get("at") is None:
                self._inspected = node if node in self._view.nodes else None
                self._tell_inspected()
            case {"type": "command", "name": str(name)} if self._run.result is None:
                self._command(name)
            case _:
                self._answer(message)

    def _command(self, name: str) -> None:
        with contextlib.suppress(RunStateError):  # a click that came too late
            match name:
                case "pause":
                    self._run.pause()
                case "continue":
                    self._run.unpause()
                case "stop":
                    self._run.cancel(STOPPED)

    def _answer(self, message: Any) -> None:
        answer = self._questions.answer(message)
        if answer is None:
            return
        if answer["type"] == "inspector":
            self._describe_tool(answer["data"])
        self._send(answer)

    def _tell_inspected(self) -> None:
        if self._inspected is None:
            return
        data = inspect(self._view, self._run.graph, self._inspected)
        self._describe_tool(data)
        self._send({"type": "inspector", "node": self._inspected, "data": data})

    def _describe_tool(self, data: dict[str, Any]) -> None:
        if data["kind"] == "tool":
            data["doc"] = self._describe(data["tool"])


def open_view(run: Run, view: RunView, scene: Message, describe: Callable[[str], str]) -> tuple[LiveView, RunFeed]:
    """Return a widget that follows the run, and its feed; call on the run's loop."""
    widget = LiveView(scene=dict(scene))

    def send(message: Message) -> None:
        if message["type"] == "snapshot":
            widget.snapshot = dict(message)
        else:
            widget.send(dict(message))

    feed = RunFeed(run, view, send=send, describe=describe)

    def from_page(_widget: Any, message: Any, _buffers: Any) -> None:
        try:
            run.loop.call_soon_threadsafe(feed.handle, message)
        except RuntimeError:  # the run ended, and its own loop with it: nothing is left to disturb
            feed.handle(message)

    widget.on_msg(from_page)
    feed.start()
    return widget, feed
