"""The live view beneath a cell: a run's feed goes to the page as widget messages, the page's clicks come back to it.

Rule: everything happens on the run's own loop. Which thread a message from the page arrives on depends on ipykernel's
version, so the callback does nothing but hand it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anywidget
import traitlets
from ipywidgets import Widget  # type: ignore[import-untyped]

from nbflow import session
from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.live_view.controls import Message
from nbflow.live_view.page import Page, Rereading, scene_of
from nbflow.live_view.stream import Feed
from nbflow.view import RunView
from nbflow.view.render.bundle import packed


class LiveView(anywidget.AnyWidget):
    """The widget. `scene` is what to draw, `snapshot` where the run stood when a view opened or the run ended."""

    _esm, _css = packed()
    scene = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)


class LivePage:
    """A widget, and the page that it is: what a run says goes out as widget messages, what a person does comes back.

    Args:
        run: What it shows first; make it on its loop.
        view: The run's fold, not yet fed.
        home: The loop where a run goes on that the page brings back.
        on_run: Called with a run that the page is to show from now on, before anything of it has run.
        fold: Returns the fold, not yet fed, of a run that is read again after it was released from memory.
    """

    def __init__(
        self, run: RunRecord, view: RunView, *, describe: Callable[[str], str],
        home: asyncio.AbstractEventLoop | None, on_run: Callable[[Run], None], fold: Callable[[RunRecord], RunView],
    ) -> None:  # fmt: skip
        self.widget = LiveView(scene=scene_of(run))
        here = session.current()

        def read(run_id: str) -> tuple[RunRecord, RunView]:
            found = here.read(run_id)
            return found, fold(found)

        self._page = Page(
            run, view, send=self._send, describe=describe, reopen=_reopen, home=home,
            returns=here.on_return, on_run=on_run, again=Rereading(read, here.memory.retain),
        )  # fmt: skip
        self.widget.on_msg(lambda _widget, message, _buffers: self._page.receive(message))

    @property
    def feed(self) -> Feed:
        """The feed of the run that it shows now."""
        return self._page.feed

    @property
    def snapshot(self) -> Mapping[str, Any]:
        """The whole view as it stands now, of a run that is released as it was when it ended."""
        return dict(self.widget.snapshot) if self._page.asleep else self._page.feed.snapshot

    def release(self, run: RunRecord) -> None:
        """Refer to a run no longer, if it is the one that is shown."""
        self._page.release(run)

    def show(self, run: Run, view: RunView) -> None:
        """Show another run from now on; call on its loop."""
        self._page.show(run, view)

    def leave(self) -> None:
        """Tell the page nothing more."""
        self._page.leave()

    def _send(self, message: Message) -> None:
        if message["type"] in ("scene", "snapshot"):
            setattr(self.widget, message["type"], dict(message))
        else:
            self.widget.send(dict(message))


async def _reopen(run_id: str, at: int | None, state: Mapping[str, Any] | None) -> Run:
    return await session.current().reopen(run_id, at=at, state=state)


def home_of(shell: Any) -> asyncio.AbstractEventLoop | None:
    """Return the loop that a kernel runs its cells on, None outside of one."""
    loop = getattr(getattr(getattr(shell, "kernel", None), "io_loop", None), "asyncio_loop", None)
    return loop if isinstance(loop, asyncio.AbstractEventLoop) else None


# Freeing the page's copies of widgets.
#
# Rule: with a widget goes all that it is made of: what stands in it, and how it is laid out and styled.


def free(widget: Any) -> None:
    """Close a widget and all that it is made of, in the kernel and on the page."""
    found: dict[int, Any] = {}
    work = [widget]
    while work:
        one = work.pop()
        if id(one) not in found:
            found[id(one)] = one
            work += _parts(one)
    for one in found.values():
        one.close()


def _parts(widget: Any) -> Iterator[Any]:
    for name in widget.keys:
        value = getattr(widget, name)
        yield from (one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, Widget))
