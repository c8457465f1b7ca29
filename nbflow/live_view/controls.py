"""What a page asks to be done to a run: the buttons, forms and breakpoints of the live view.

Rule: a page is trusted with nothing but the protocol. What the run refuses is told in its own words, and what is not in
the protocol is passed over.
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
    """Brings back a run that has ended."""

    def __call__(
        self, message: Message, *, at: int | None = None, state: Mapping[str, Any] | None = None,
        then: Callable[[Run], None] | None = None,
    ) -> None:  # fmt: skip
        """Go on with the run, or fork it, where its page shows it, soon; `then` is done before anything of it runs."""


class Commands:
    """The commands of one run, live or read from a store.

    Args:
        run: What they are done to; on its loop, where it has one.
        reopen: Brings back a run that has ended.
        tell: Is called with what the page should know of it.
    """

    def __init__(self, run: RunRecord, reopen: Reopen, tell: Callable[[Message], None]) -> None:
        self._run, self._reopen, self._tell = run, reopen, tell

    @property
    def _live(self) -> Run | None:
        return self._run if isinstance(self._run, Run) and self._run.result is None else None

    def act(self, message: Message) -> None:
        """Do what a message asks."""
        try:
            if self._live is not None:
                self._steer(self._live, message)
            else:
                self._go_on(message)
        except NbflowError as error:
            self._tell(refusal(message, error))

    def tell_breaks(self) -> None:
        """Tell the page where there are breakpoints."""
        if self._live is not None:
            self._tell({"type": "breaks", "nodes": sorted(self._live.breaks)})

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
                self.tell_breaks()
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
                    self._run, "goes on in another process, or its process has ended; once it has, it can be resumed"
                )
            case _:
                self._fork(message)

    def _fork(self, message: Message) -> None:
        match message:
            case {"name": "fork", "at": int(at), "state": dict(state)} if all(isinstance(key, str) for key in state):
                self._reopen(message, at=at, state=state)


def not_active(run: RunRecord, elsewhere: str) -> RunStateError:
    """Return why nothing can be done here to a run: it has ended, or else it is `elsewhere`, as that says."""
    ended = f"has ended with status {run.status}"
    return RunStateError(f"run {run.id} {elsewhere if run.result is None else ended}")


def refusal(message: Message, error: NbflowError) -> dict[str, Any]:
    """Return what a page is told of a command that was refused."""
    told = {key: message[key] for key in ("node", "question", "view") if key in message}
    faults = {"errors": error.faults} if isinstance(error, AnswerError) else {}
    return {"type": "refused", "name": message.get("name"), "message": words(error), **told, **faults}
