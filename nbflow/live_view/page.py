"""A page that shows a run, over any transport: a widget or a WebSocket.

Invariant: messages of the page are handled on the loop of the run; `receive` passes them to it from any thread.

A page follows its run through later resumes, by any client, until it shows another run, such as a fork that was started
on it. If its run is released from memory, the page reads the run again for the next message.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import NbflowError
from nbflow.live_view.controls import Message, refusal
from nbflow.live_view.stream import Feed
from nbflow.view import RunView, scene
from nbflow.view.fold.catch_up import CatchUp

Send = Callable[[Message], None]
Reopen = Callable[[str, int | None, Mapping[str, Any] | None], Awaitable[Run]]


MOST_UNHEARD = 100
"""The most messages that wait while a run is read again; the oldest of more are dropped."""


@dataclass(frozen=True, slots=True)
class Rereading:
    """The functions by which a page reads a run again that was released from memory.

    Attributes:
        read: Returns the run by its id, and its fold without events; it may block.
        retain: Called with the run once it is displayed.
    """

    read: Callable[[str], tuple[RunRecord, RunView]]
    retain: Callable[[RunRecord], None]


class Page:
    """One page, and the feed of the run that it shows now.

    Args:
        run: The first run; create the page on its loop.
        view: The fold of the run, without events.
        send: Called with each message of the view protocol, on the loop of the run.
        describe: Returns the first line of a tool's documentation.
        reopen: Resumes or forks a run.
        home: The loop on which the page resumes runs; without it the page resumes none.
        returns: The functions of the session that are called with a run that resumes.
        on_run: Called with the run to show from now on, before any of its tasks starts.
        again: Reads a released run again; without it the run is not released.
    """

    def __init__(
        self, run: RunRecord, view: RunView, *, send: Send, describe: Callable[[str], str], reopen: Reopen,
        home: asyncio.AbstractEventLoop | None, returns: list[Callable[[Run], None]], on_run: Callable[[Run], None],
        again: Rereading | None = None,
    ) -> None:  # fmt: skip
        self._send, self._describe, self._home = send, describe, home
        self._bring_back, self._on_run, self._returns = reopen, on_run, returns
        returns.append(self._returned)
        self._reopening: set[asyncio.Task[None]] = set()
        self._again = again
        self._unheard: list[Any] = []
        self._on_ready: Callable[[], None] = lambda: None
        self._feed: Feed | None = self._follow(run, view)

    @property
    def feed(self) -> Feed:
        """The feed of the displayed run; there is none while that run is released."""
        assert self._feed is not None  # noqa: S101 - a caller with `again` checks `asleep` first
        return self._feed

    @property
    def asleep(self) -> bool:
        """True if the run is released; the next message reads it again."""
        return self._feed is None

    def show(self, run: RunRecord, view: RunView) -> None:
        """Show another run from now on, with the same nodes inspected; call on its loop."""
        inspecting = [] if self._feed is None else self._feed.inspecting
        if self._feed is not None:
            self._feed.leave()
        self._feed = self._follow(run, view)
        self._send(scene_of(run))
        self._send(self.feed.snapshot)
        for message in inspecting:
            self.feed.handle(message)

    def _follow(self, run: RunRecord, view: RunView) -> Feed:
        self._run_id = run.id
        feed = Feed(run, view, send=self._send, describe=self._describe, reopen=self._reopen)
        feed.start()
        return feed

    def release(self, run: RunRecord) -> None:
        """Drop the reference to a run, if it is the displayed one; the page still shows its content."""
        feed = self._feed
        if feed is not None and feed.run is run and self._again is not None:
            feed.leave()
            self._on_ready = feed.on_ready
            self._feed = None

    def receive(self, message: Any) -> None:
        """Schedule the handling of a message from the page; call in any thread."""
        feed = self._feed
        if feed is None:
            self._ask_again(message)
            return
        loop = feed.run.loop if isinstance(feed.run, Run) else self._home
        try:
            if loop is None:
                feed.handle(message)
            else:
                loop.call_soon_threadsafe(feed.handle, message)
        except RuntimeError:  # the run has ended and its loop is closed, so there is nothing to do
            feed.handle(message)

    def _ask_again(self, message: Any) -> None:
        """Read the run again for a message; a page that only reports `ready` has its content already."""
        if isinstance(message, Mapping) and message.get("type") == "ready":
            self._at_home(self._on_ready)
            return
        self._unheard.append(message)
        if len(self._unheard) == 1:
            threading.Thread(target=self._read_again, name="nbflow-page", daemon=True).start()
        elif len(self._unheard) > MOST_UNHEARD:
            del self._unheard[1]

    def _read_again(self) -> None:
        assert self._again is not None  # noqa: S101 - only a page with `again` releases its run
        try:
            run, view = self._again.read(self._run_id)
            CatchUp(view, run.events).fold()
        except NbflowError as error:
            refused = error
            self._at_home(lambda: self._refuse(refused))
        else:
            self._at_home(lambda: self._wake(run, view))

    def _wake(self, run: RunRecord, view: RunView) -> None:
        if self._feed is None:  # else it was turned to another meanwhile
            self._feed = self._follow(run, view)
            if self._again is not None:
                self._again.retain(run)
        unheard, self._unheard = self._unheard, []
        for message in unheard:
            self.receive(message)

    def _refuse(self, error: NbflowError) -> None:
        unheard, self._unheard = self._unheard, []
        for message in unheard:
            self._send(refusal(message if isinstance(message, Mapping) else {}, error))

    def _at_home(self, action: Callable[[], None]) -> None:
        try:
            if self._home is not None:
                self._home.call_soon_threadsafe(action)
                return
        except RuntimeError:  # the loop is closed, so there is nothing to do
            pass
        action()

    def _returned(self, run: Run) -> None:
        if run.id == self._run_id:
            self._on_run(run)

    def leave(self) -> None:
        """Send the page nothing more; the run continues. Call on its loop."""
        if self._returned in self._returns:
            self._returns.remove(self._returned)
        if self._feed is not None:
            self._feed.leave()

    def _reopen(
        self, message: Message, *, at: int | None = None, state: Mapping[str, Any] | None = None,
        then: Callable[[Run], None] | None = None,
    ) -> None:  # fmt: skip
        run_id = self._run_id

        async def go_on() -> None:
            try:
                run = await self._bring_back(run_id, at, state)
                if at is not None:
                    self._on_run(run)
                    self._send({"type": "forked", "run_id": run.id})
                if then is not None:
                    _first(run, then)
            except NbflowError as error:
                self._send(refusal(message, error))

        def schedule() -> None:
            task = asyncio.ensure_future(go_on())
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

        if self._home is not None:
            self._home.call_soon_threadsafe(schedule)


def _first(run: Run, action: Callable[[Run], None]) -> None:
    """Apply a command to a run before any of its tasks starts; cancel the run if the command is refused."""
    try:
        action(run)
    except NbflowError:
        run.cancel("as the command that resumed it was refused")
        raise


def scene_of(run: RunRecord) -> dict[str, Any]:
    """Return the scene of a run: the layout that a page draws."""
    return dict(scene(run.graph, subgraphs=run.subgraphs, run_id=run.id))
