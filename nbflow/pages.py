"""A page that shows a run: what it is sent, and what becomes of what it says, over any wire.

Rule: everything happens on the run's own loop. What thread a message comes in on is the wire's matter, so it is
only handed over. A page goes on showing what it was turned to: a run, its next sitting, whoever resumed it, or a fork
that was made here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nbflow.commands import Message, refusal
from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import NbflowError
from nbflow.feed import Feed
from nbflow.view import RunView, scene

Send = Callable[[Message], None]
Reopen = Callable[[str, int | None, Mapping[str, Any] | None], Awaitable[Run]]


class Page:
    """One page, and the feed of the run that it shows now.

    Args:
        run: What it shows first; make the page on its loop.
        view: The run's fold, not yet fed.
        send: Called with each message of the view protocol, on the loop of the run it tells of.
        describe: Returns the first line of a tool's documentation.
        reopen: Goes on with a run that has ended, or forks it.
        home: The loop where a run goes on that the page brings back; without one it brings back none.
        returns: The session's list of those who are told of a run that goes on again.
        on_run: Called with a run that the page is to show from now on, before anything of it has run.
    """

    def __init__(
        self, run: RunRecord, view: RunView, *, send: Send, describe: Callable[[str], str], reopen: Reopen,
        home: asyncio.AbstractEventLoop | None, returns: list[Callable[[Run], None]], on_run: Callable[[Run], None],
    ) -> None:  # fmt: skip
        self._send, self._describe, self._home = send, describe, home
        self._bring_back, self._on_run, self._returns = reopen, on_run, returns
        returns.append(self._returned)
        self._reopening: set[asyncio.Task[None]] = set()
        self.feed = self._follow(run, view)

    def show(self, run: RunRecord, view: RunView) -> None:
        """Show another run from now on, and of it what was looked at; call on its loop."""
        inspecting = self.feed.inspecting
        self.feed.leave()
        self.feed = self._follow(run, view)
        self._send(scene_of(run))
        self._send(self.feed.snapshot)
        for message in inspecting:
            self.feed.handle(message)

    def _follow(self, run: RunRecord, view: RunView) -> Feed:
        feed = Feed(run, view, send=self._send, describe=self._describe, reopen=self._reopen)
        feed.start()
        return feed

    def receive(self, message: Any) -> None:
        """Act on what the page says, soon; from any thread."""
        feed = self.feed
        loop = feed.run.loop if isinstance(feed.run, Run) else self._home
        try:
            if loop is None:
                feed.handle(message)
            else:
                loop.call_soon_threadsafe(feed.handle, message)
        except RuntimeError:  # the run ended, and its own loop with it: nothing is left to disturb
            feed.handle(message)

    def _returned(self, run: Run) -> None:
        if run.id == self.feed.run.id:
            self._on_run(run)

    def leave(self) -> None:
        """Tell the page nothing more; what runs goes on. Call on the run's loop."""
        if self._returned in self._returns:
            self._returns.remove(self._returned)
        self.feed.leave()

    def _reopen(
        self, message: Message, *, at: int | None = None, state: Mapping[str, Any] | None = None,
        then: Callable[[Run], None] | None = None,
    ) -> None:  # fmt: skip
        run_id = self.feed.run.id

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

        def begin() -> None:
            task = asyncio.ensure_future(go_on())
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

        if self._home is not None:
            self._home.call_soon_threadsafe(begin)


def _first(run: Run, action: Callable[[Run], None]) -> None:
    """Do something to a run that is to be done before anything of it runs; without that it is not to run at all."""
    try:
        action(run)
    except NbflowError:
        run.cancel("as it was not to run so")
        raise


def scene_of(run: RunRecord) -> dict[str, Any]:
    """Return what a page is to draw of a run."""
    return dict(scene(run.graph, subgraphs=run.subgraphs, run_id=run.id))
