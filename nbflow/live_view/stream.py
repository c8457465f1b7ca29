"""A run as one page follows it: its events folded into patches, and what the page says acted upon.

Rule: everything happens on the run's own loop, where it has one. A run that has ended, or was read from a store, only
answers.
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
from nbflow.view.fold.catch_up import LOOKED, Backlog
from nbflow.view.fold.throttle import Pace
from nbflow.view.panels.inspector import why
from nbflow.view.panels.part_inspector import Within, root_of
from nbflow.view.values.time_limit import Previews

_NAME = 40
_VIEWS = 16
"""Views of one page that are told of what they look at; of those that went nobody says so."""


class Feed:
    """Tells one listener what changed, at most 30 times a second, and less often where that would slow the run.

    Args:
        run: The run to follow.
        view: Its fold, not yet fed.
        send: Called on the run's loop with each message of the view protocol.
        describe: Returns the first line of a tool's documentation.
        reopen: Brings the run back once it has ended, for the page's buttons.
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
        self._within = Within(run, view.locate, self._previews)
        self._inspected: dict[str | None, str] = {}
        """By view: one page may have several, of which each looks at a node of its own, or a part of one."""
        self._bound_to: set[str] = set()
        self._backlog = Backlog(view, run.events)
        self._pace = Pace()
        self._closed = False
        self.on_ready: Callable[[], None] = lambda: None

    @property
    def inspecting(self) -> list[Message]:
        """What the page asked for of the nodes that its views look at."""
        return [{"type": "inspect", "node": node, **_named(view)} for view, node in self._inspected.items()]

    @property
    def snapshot(self) -> dict[str, Any]:
        """The whole view as it stands now."""
        self._backlog.fold()
        return self._view.snapshot(time.time())

    def start(self) -> None:
        """Begin to follow the run; call on its loop."""
        if self._live is not None:
            self._live.on_change(self._changed)

    def _changed(self) -> None:
        # The first change after a quiet time goes at once, with all that happens in the same turn of the loop.
        assert self._live is not None  # noqa: S101 - only a run that lives changes
        self._live.loop.call_later(self._pace.wait(self._live.loop.time()), self._flush)

    def _flush(self) -> None:
        if self._closed or self._live is None:
            return
        loop, seen = self._live.loop, self._view.seq
        self._pace.begin(loop.time(), self._backlog.grown())
        try:
            self._backlog.fold_piece()
            self._tell_changes()
        finally:  # what goes wrong with one change leaves those after it to be told
            self._pace.end(loop.time(), self._view.seq - seen)
            if self._backlog.left and self._view.seq > seen:
                self._changed()
            elif self._live.result is None:
                self._live.on_change(self._changed)

    def _tell_changes(self) -> None:
        touched = self._bound_to & self._view.touched
        patch = self._view.take_patch(time.time())
        if patch is not None:
            self._send(patch)
        if touched:
            self._tell_inspected()

    def close(self) -> dict[str, Any]:
        """Send what is left to send after the run's end, and the last snapshot; return it."""
        if self._live is not None and not self._closed:
            self._backlog.fold()
            self._tell_changes()
        self._closed = True
        last = self.snapshot
        self._send(last)
        return last

    def leave(self) -> None:
        """Send nothing more of the run itself."""
        self._closed = True

    def handle(self, message: Any) -> None:
        """Act on a message from the page; what is not in the protocol is passed over. Call on the run's loop."""
        match message:
            case {"type": "ready"}:
                self._send(self.snapshot)
                self._commands.tell_breaks()
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
        self._tell_inspected()

    def _tell_inspected(self) -> None:
        self._bound_to = set()
        told = {path: data for path in {*self._inspected.values()} if (data := self._looked_at(path)) is not None}
        for view, path in self._inspected.items():
            if path in told:
                self._send({"type": "inspector", "node": path, "data": told[path], **_named(view)})

    def _looked_at(self, path: str) -> dict[str, Any] | None:
        """Return what is shown of a node, or of a part of a map or subgraph; None for what the run does not have."""
        if path in self._view.nodes:
            data = inspect(self._view, self.run.graph, path, previews=self._previews)
            data["timing"] |= self._share(path)
        elif (part := self._within.inspect(path, self._view.seq, most=LOOKED)) is not None:
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
        """Return which part of the critical path a node is; `more` says that this takes another question to tell."""
        told = self._lookups.answer({"type": "share", "node": node}) or {}
        return {"share": told.get("share"), "more": told.get("more", False)}


def _named(view: str | None) -> dict[str, str]:
    return {} if view is None else {"view": view}


def _of_view(message: Any) -> dict[str, str]:
    """Return what tells to which of a page's views an answer is: what the question said of it."""
    view = message.get("view") if isinstance(message, Mapping) else None
    return {"view": view} if isinstance(view, str) and len(view) <= _NAME else {}
