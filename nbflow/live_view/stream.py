"""The feed of one page: it folds the events of a run into patches, and handles the messages of the page.

Invariant: everything happens on the loop of the run, if it has one. The feed of a run that has ended, or was read from
the store, only answers messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.live_view.controls import Commands, Message, Reopen
from nbflow.live_view.lookups import Lookups
from nbflow.view import RunView, inspect
from nbflow.view.fold.catch_up import LOOKED, CatchUp
from nbflow.view.fold.throttle import Throttle
from nbflow.view.panels.inspector import why
from nbflow.view.panels.part_inspector import PartInspector, root_of
from nbflow.view.values.time_limit import Previews

_NAME = 40
_VIEWS = 16
"""The most views of one page that get the data of their inspected node; a closed view is not reported."""


class Feed:
    """Sends one page the changes of a run, at most 30 times a second, and less often if that would slow the run.

    Args:
        run: The run to follow.
        view: Its fold, without events.
        send: Called on the run's loop with each message of the view protocol.
        describe: Returns the first line of a tool's documentation.
        reopen: Resumes or forks the run once it has ended.
    """

    def __init__(
        self, run: RunRecord, view: RunView, *, send: Callable[[Message], None], describe: Callable[[str], str],
        reopen: Reopen,
    ) -> None:  # fmt: skip
        self.run, self._view, self._send, self._describe = run, view, send, describe
        self._live = run if isinstance(run, Run) and run.result is None else None
        self._commands = Commands(run, reopen, send)
        self._lookups = Lookups(run, locate=view.locate)
        self._previews = Previews()
        self._parts = PartInspector(run, view.locate, self._previews)
        self._inspected: dict[str | None, str] = {}
        """The inspected node by view: one page may have several views, each with its own node or part of a node."""
        self._bound_to: set[str] = set()
        self._catch_up = CatchUp(view, run.events)
        self._throttle = Throttle()
        self._closed = False
        self.on_ready: Callable[[], None] = lambda: None

    @property
    def inspecting(self) -> list[Message]:
        """The `inspect` messages of the nodes that the views show."""
        return [{"type": "inspect", "node": node, **_named(view)} for view, node in self._inspected.items()]

    @property
    def snapshot(self) -> dict[str, Any]:
        """The whole view, with all events so far."""
        self._catch_up.fold()
        return self._view.snapshot(time.time())

    def start(self) -> None:
        """Start to follow the run; call on its loop."""
        if self._live is not None:
            self._live.on_change(self._changed)

    def _changed(self) -> None:
        # The first change after a quiet period is sent at once, with all changes of the same turn of the loop.
        assert self._live is not None  # noqa: S101 - only a live run changes
        self._live.loop.call_later(self._throttle.wait(self._live.loop.time()), self._flush)

    def _flush(self) -> None:
        if self._closed or self._live is None:
            return
        loop, seen = self._live.loop, self._view.seq
        self._throttle.start(loop.time(), self._catch_up.grown())
        try:
            self._catch_up.fold_piece()
            self._send_changes()
        finally:  # an error in one change does not stop later ones
            self._throttle.end(loop.time(), self._view.seq - seen)
            if self._catch_up.left and self._view.seq > seen:
                self._changed()
            elif self._live.result is None:
                self._live.on_change(self._changed)

    def _send_changes(self) -> None:
        touched = self._bound_to & self._view.touched
        patch = self._view.take_patch(time.time())
        if patch is not None:
            self._send(patch)
        if touched:
            self._send_inspected()

    def close(self) -> dict[str, Any]:
        """Send the remaining changes and the last snapshot after the end of the run; return the snapshot."""
        if self._live is not None and not self._closed:
            self._catch_up.fold()
            self._send_changes()
        self._closed = True
        last = self.snapshot
        self._send(last)
        return last

    def leave(self) -> None:
        """Send nothing more of the run itself."""
        self._closed = True

    def handle(self, message: Any) -> None:
        """Handle a message from the page; others than those of the protocol are ignored. Call on the run's loop."""
        match message:
            case {"type": "ready"}:
                self._send(self.snapshot)
                self._commands.send_breaks()
                self.on_ready()
            case {"type": "inspect", "node": str() | None as node} if message.get("at") is None:
                self._inspect(node, message)
            case {"type": "why", "edge": str() as edge} if message.get("at") is None:
                if told := why(self._view, edge):
                    self._send({"type": "why", "at": None, **told, **_of_view(message)})
            case {"type": "command"}:
                self._commands.act(message)
            case _:
                self._answer(message)

    def _answer(self, message: Any) -> None:
        answer = self._lookups.answer(message)
        if answer is None:
            return
        if answer["type"] == "inspector" and answer.get("data"):
            self._describe_tool(answer["data"])
        self._send({**answer, **_of_view(message)})

    def _inspect(self, node: str | None, message: Message) -> None:
        view = _of_view(message).get("view")
        self._inspected.pop(view, None)
        if node is not None:
            self._inspected[view] = node
        if len(self._inspected) > _VIEWS:
            del self._inspected[next(iter(self._inspected))]
        self._send_inspected()

    def _send_inspected(self) -> None:
        self._bound_to = set()
        told = {path: data for path in {*self._inspected.values()} if (data := self._looked_at(path)) is not None}
        for view, path in self._inspected.items():
            if path in told:
                self._send({"type": "inspector", "node": path, "data": told[path], **_named(view)})

    def _looked_at(self, path: str) -> dict[str, Any] | None:
        """Return the inspector data of a node, or of a part of a map or subgraph; None if the run has no such node."""
        if path in self._view.nodes:
            data = inspect(self._view, self.run.graph, path, previews=self._previews)
            data["timing"] |= self._share(path)
        elif (part := self._parts.inspect(path, self._view.seq, most=LOOKED)) is not None:
            data = part
        else:
            return None
        self._bound_to |= {root_of(path), *data["waits_for"]}
        self._describe_tool(data)
        return data

    def _describe_tool(self, data: dict[str, Any]) -> None:
        if data["kind"] == "tool":
            data["doc"] = self._describe(data["tool"])

    def _share(self, node: str) -> dict[str, Any]:
        """Return the share of the critical path that a node has; `more` is true if another message is needed for it."""
        told = self._lookups.answer({"type": "share", "node": node}) or {}
        return {"share": told.get("share"), "more": told.get("more", False)}


def _named(view: str | None) -> dict[str, str]:
    return {} if view is None else {"view": view}


def _of_view(message: Any) -> dict[str, str]:
    """Return the view of a message as a field of its answer; an empty dict without one."""
    view = message.get("view") if isinstance(message, Mapping) else None
    return {"view": view} if isinstance(view, str) and len(view) <= _NAME else {}
