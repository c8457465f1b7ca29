"""The live view beneath a cell: the widget that carries a run's patches to the page, and the page's requests back.

Invariant: everything happens on the loop of the run. The thread on which a message of the page arrives depends on the
version of ipykernel (`nbflow.notebook.ipykernel_compat`), so the callback only hands the message over to that loop.
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
    """The widget. `scene` is the drawing; `snapshot` the state of the view when a page opened it or the run ended."""

    _esm, _css = packed()
    scene = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)


class LivePage:
    """A widget connected to a run: patches of the view go out as widget messages, requests of the page come back.

    Create it on the loop of the run.

    Args:
        run: The run to show first.
        view: The view of that run before its first event.
        describe: Returns the first line of a tool's documentation.
        home: The loop on which the page resumes and forks runs.
        on_run: Called with a run that the page resumed or forked and shows from now on, before it starts.
        fold: Returns the view, before its first event, of a run that is read again after memory released it.
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
            returns=here.on_resume, on_run=on_run, again=Rereading(read, here.memory.retain),
        )  # fmt: skip
        self.widget.on_msg(lambda _widget, message, _buffers: self._page.receive(message))

    @property
    def feed(self) -> Feed:
        """The feed of the run that is shown."""
        return self._page.feed

    @property
    def snapshot(self) -> Mapping[str, Any]:
        """The snapshot of the view: of now, or of the end of a run that was released from memory."""
        return dict(self.widget.snapshot) if self._page.asleep else self._page.feed.snapshot

    def release(self, run: RunRecord) -> None:
        """Drop the references to a run, if it is the one shown."""
        self._page.release(run)

    def show(self, run: Run, view: RunView) -> None:
        """Show another run; call this on the loop of that run."""
        self._page.show(run, view)

    def leave(self) -> None:
        """Send nothing more to the page."""
        self._page.leave()

    def _send(self, message: Message) -> None:
        if message["type"] in ("scene", "snapshot"):
            setattr(self.widget, message["type"], dict(message))
        else:
            self.widget.send(dict(message))


async def _reopen(run_id: str, at: int | None, state: Mapping[str, Any] | None) -> Run:
    return await session.current().reopen(run_id, at=at, state=state)


def home_of(shell: Any) -> asyncio.AbstractEventLoop | None:
    """Return the loop on which a kernel runs its cells; None if the shell has no kernel."""
    loop = getattr(getattr(getattr(shell, "kernel", None), "io_loop", None), "asyncio_loop", None)
    return loop if isinstance(loop, asyncio.AbstractEventLoop) else None


def free(widget: Any) -> None:
    """Close a widget with its children, layouts and styles, in the kernel and on the page."""
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
