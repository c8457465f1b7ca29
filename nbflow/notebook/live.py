"""The live view beneath a cell: a run's feed goes to the page as widget messages, the page's clicks come back to it.

Rule: everything happens on the run's own loop. Which thread a message from the page arrives on depends on ipykernel's
version, so the callback does nothing but hand it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from nbflow import session
from nbflow.commands import Message, refusal
from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import NbflowError
from nbflow.feed import Feed
from nbflow.view import RunView, scene
from nbflow.view.bundle import packed


class LiveView(anywidget.AnyWidget):
    """The widget. `scene` is what to draw, `snapshot` where the run stood when a view opened or the run ended."""

    _esm, _css = packed()
    scene = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)


class LivePage:
    """A widget and the feed of the run that it shows now: a run, its next sitting once it was resumed, or a fork.

    Args:
        run: What it shows first; make the page on its loop.
        view: The run's fold, not yet fed.
        home: The loop where a run goes on that the page brings back.
        on_run: Called there with such a run, before anything of it has run.
    """

    def __init__(
        self, run: RunRecord, view: RunView, *, describe: Callable[[str], str],
        home: asyncio.AbstractEventLoop | None, on_run: Callable[[Run], None],
    ) -> None:  # fmt: skip
        self._describe, self._home, self._on_run = describe, home, on_run
        self._reopening: set[asyncio.Task[None]] = set()
        self.widget = LiveView(scene=_scene(run))
        self.feed = self._follow(run, view)
        self.widget.on_msg(self._from_page)

    def show(self, run: Run, view: RunView) -> None:
        """Show another run from now on; call on its loop."""
        self.feed = self._follow(run, view)
        self.widget.scene = _scene(run)
        self._send(self.feed.snapshot)

    def _follow(self, run: RunRecord, view: RunView) -> Feed:
        feed = Feed(run, view, send=self._send, describe=self._describe, reopen=self._reopen)
        feed.start()
        return feed

    def _send(self, message: Message) -> None:
        if message["type"] == "snapshot":
            self.widget.snapshot = dict(message)
        else:
            self.widget.send(dict(message))

    def _from_page(self, _widget: Any, message: Any, _buffers: Any) -> None:
        feed = self.feed
        loop = feed.run.loop if isinstance(feed.run, Run) else self._home
        try:
            if loop is None:
                feed.handle(message)
            else:
                loop.call_soon_threadsafe(feed.handle, message)
        except RuntimeError:  # the run ended, and its own loop with it: nothing is left to disturb
            feed.handle(message)

    def _reopen(
        self, message: Message, *, at: int | None = None, state: Mapping[str, Any] | None = None,
        then: Callable[[Run], None] | None = None,
    ) -> None:  # fmt: skip
        run_id = self.feed.run.id

        async def go_on() -> None:
            try:
                run = await session.current().reopen(run_id, at=at, state=state)
                self._on_run(run)
                if at is not None:
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


def _scene(run: RunRecord) -> dict[str, Any]:
    return dict(scene(run.graph, subgraphs=run.subgraphs, run_id=run.id))


def home_of(shell: Any) -> asyncio.AbstractEventLoop | None:
    """Return the loop that a kernel runs its cells on, None outside of one."""
    loop = getattr(getattr(getattr(shell, "kernel", None), "io_loop", None), "asyncio_loop", None)
    return loop if isinstance(loop, asyncio.AbstractEventLoop) else None
