"""The commands that a page sends to a run: the buttons, forms and breakpoints of the live view.

Invariant: only messages of the protocol have an effect; others are ignored. If the run refuses a command, the page gets
the message of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import AnswerError, NbflowError, RunStateError, words

Message = Mapping[str, Any]
STOPPED = "by you"


class Reopen(Protocol):
    """Resumes or forks a run that has ended."""

    def __call__(
        self, message: Message, *, at: int | None = None, state: Mapping[str, Any] | None = None,
        then: Callable[[Run], None] | None = None,
    ) -> None:  # fmt: skip
        """Schedule a resume or a fork, and show it on the page; `then` is called before any task of it starts."""


class Commands:
    """The commands of one run, live or read from a store.

    Args:
        run: The run; commands are executed on its loop, if it has one.
        reopen: Resumes or forks a run that has ended.
        send: Called with each message for the page.
    """

    def __init__(self, run: RunRecord, reopen: Reopen, send: Callable[[Message], None]) -> None:
        self._run, self._reopen, self._send = run, reopen, send

    @property
    def _live(self) -> Run | None:
        return self._run if isinstance(self._run, Run) and self._run.result is None else None

    def act(self, message: Message) -> None:
        """Execute the command of a message, or send the page the refusal."""
        try:
            if self._live is not None:
                self._steer(self._live, message)
            else:
                self._go_on(message)
        except NbflowError as error:
            self._send(refusal(message, error))

    def send_breaks(self) -> None:
        """Send the page the nodes with breakpoints."""
        if self._live is not None:
            self._send({"type": "breaks", "nodes": sorted(self._live.breaks)})

    def _steer(self, run: Run, message: Message) -> None:
        match message:
            case {"name": "pause"}:
                run.pause()
            case {"name": "continue"}:
                run.unpause()
            case {"name": "step"}:
                run.step()
            case {"name": "stop"}:
                run.cancel(STOPPED)
            case {"name": "break", "node": str(node), "on": bool(on)}:
                run.break_at(node, on=on)
                self.send_breaks()
            case {"name": "retry", "node": str(node)}:
                run.retry(node)
            case {"name": "skip", "node": str(node), **rest}:
                run.skip(node, rest.get("output"))
            case {"name": "answer", "node": str(node), "question": int(question), "value": value}:
                run.answer(value, node=node, question=question)
            case _:
                self._fork(message)

    def _go_on(self, message: Message) -> None:
        match message:
            case {"name": "resume"} | {"name": "retry"}:
                self._reopen(message)
            case {"name": "skip", "node": str(node), **rest}:
                self._reopen(message, then=lambda run: run.skip(node, rest.get("output")))
            case {"name": "pause" | "continue" | "step" | "stop" | "break" | "answer"}:
                raise not_active(
                    self._run, "is active in another process, or its process has ended; after that it can be resumed"
                )
            case _:
                self._fork(message)

    def _fork(self, message: Message) -> None:
        match message:
            case {"name": "fork", "at": int(at), "state": dict(state)} if all(isinstance(key, str) for key in state):
                self._reopen(message, at=at, state=state)


def not_active(run: RunRecord, elsewhere: str) -> RunStateError:
    """Return the error for a command to a run that is not active here; `elsewhere` is for one that has not ended."""
    ended = f"has ended with status {run.status}"
    return RunStateError(f"run {run.id} {elsewhere if run.result is None else ended}")


def refusal(message: Message, error: NbflowError) -> dict[str, Any]:
    """Return the message for the page about a command that was refused."""
    told = {key: message[key] for key in ("node", "question", "view") if key in message}
    faults = {"errors": error.faults} if isinstance(error, AnswerError) else {}
    return {"type": "refused", "name": message.get("name"), "message": words(error), **told, **faults}
