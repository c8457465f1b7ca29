"""Store the events of a live run, in groups.

One commit is under way at a time, and the next one takes every event since: the slower the disk, the larger the groups.
The recorder reports to the run how many of its events are stored, and the run decides what may start, and what an
error of the store means for it.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from nbflow.engine.result import cause_of
from nbflow.errors import NbflowError, RunStateError, StoreError, name_list, words
from nbflow.events import ENDINGS, Event, Status
from nbflow.store.codecs import Codecs
from nbflow.store.codecs.libraries import FRAMES
from nbflow.store.encoding import Encoder, Lack
from nbflow.store.rows import Batch, Ending, NewRun

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.engine.durability import DurabilityGate
    from nbflow.store.store import Store


class RunNotices:
    """The notices of one run about the values that it stores. Callable from any thread, by one thread at a time.

    Args:
        run_id: The id of the run.
        large: The size (bytes) above which a value is reported.
        warn: Called with the text of each notice.
    """

    def __init__(self, run_id: str, large: int, warn: Callable[[str], None]) -> None:
        self._run_id, self._large, self._warn = run_id, large, warn
        self._told: set[str | None] = set()

    def unstored(self, where: str, why: str) -> None:
        """Report a value that was not stored; where pyarrow is missing, only the first frame of the run."""
        if FRAMES in why:
            if FRAMES in self._told:
                return
            self._told.add(FRAMES)
            why += "; the same applies to every other frame of the run"
        self._warn(f"run {self._run_id}: {where} was not stored: {why}")

    def sizes(self, node: str | None, sizes: Mapping[str, int]) -> None:
        """Report the large values of a node, or of the initial state if `node` is None; `sizes` (bytes) are by key."""
        for key, size in sizes.items():
            if size > self._large and key not in self._told:
                self._told.add(key)
                what = repr(key) if key else "the result"  # of an item of a map
                where = f"{what} of node {node!r}" if node else f"{what} of the initial state"
                self._warn(
                    f"run {self._run_id}: {where} is {_size_text(size)}, and every change of it is stored with the "
                    "run; "
                    "keep the path of a file in the state instead, or raise NBFLOW_LARGE_VALUE "
                    f"({_size_text(self._large)})"
                )


def _size_text(size: int) -> str:
    return f"{size / 2**20:,.0f} MB" if size >= 2**20 else f"{size:,} bytes"


class Recorder:
    """Stores the events of one run.

    Args:
        store: The store; None if it is not open yet.
        opened: Opens the store, if it is not open yet; called on a new thread.
        make: Returns the row of a new run, without its first event; called on the writer's thread. None for a run that
            the store has already.
        codecs: The codecs of the run's values.
        strict: If true, the events that a task depends on must be on disk before the task starts (durability `sync`).
        allow_unstored: If true, a strict run continues when a value cannot be stored.
        epoch: The epoch of this process's lease.
        kept: The number of events of the run that are stored already.
        notices: Reports values that are large or cannot be stored.
    """

    def __init__(
        self, store: Store | None, opened: Callable[[], Store], make: Callable[[], NewRun] | None,
        codecs: Codecs, *, strict: bool, allow_unstored: bool = False, epoch: int = 1, kept: int = 0,
        notices: RunNotices,
    ) -> None:  # fmt: skip
        self.strict = strict
        # A resumed run starts no task before the event of its resumption is stored. So if a task kills each process
        # that runs it, the store has one such event per process.
        self.required = kept + 1 if make is None else 0
        self._store, self._opener, self._make = store, opened, make
        self._codecs, self._encoder = codecs, Encoder(codecs, notices.sizes)
        self._allowed = allow_unstored or not strict
        self._notices = notices
        self._sent, self._epoch = kept, epoch
        self._busy, self._over = True, False
        # Busy from the start: nothing can be stored before the store is open.
        self._noted: Status | None = None
        self._unstored: deque[Lack] = deque()
        self.begun: Future[None] = Future()
        """Done when the run is in the store and so outlives this process; failed if it cannot be stored."""

    def attach(self, run: Run, gate: DurabilityGate) -> None:
        """Start to store the events of a run as they are appended."""
        self._run, self._gate = run, gate
        if self._store is None:
            threading.Thread(target=self._open, name="nbflow-open", daemon=True).start()
        else:
            self._begin(self._store)

    def request(self, upto: int) -> None:
        """Store the first `upto` events soon: with the commit under way, or with the next one."""
        self._next()

    def _open(self) -> None:
        opened: Future[Store] = Future()
        try:
            opened.set_result(self._opener())
        except BaseException as error:  # noqa: BLE001 - the run must learn of every failure
            opened.set_exception(error)
        self._tell(self._opened, opened)

    def _opened(self, opened: Future[Store]) -> None:
        if error := opened.exception():
            self._give_up(error)
        else:
            self._begin(opened.result())

    def _begin(self, store: Store) -> None:
        self._store, self._busy = store, False
        if self._make is None:
            self._has_begun(store)
        else:
            first, self._sent = self._sent, self._sent + 1
            created = store.create(partial(self._new, self._make, first), durable=self.strict)
            created.add_done_callback(partial(self._tell, partial(self._created, self._sent)))
        # Wait for the loop's next turn: the events that it brings are committed together with the run.
        self._run.loop.call_soon(self._next)

    def _created(self, upto: int, created: Future[int]) -> None:
        if error := created.exception():
            self._give_up(error)
        elif self._store is not None:
            self._has_begun(self._store)
            self._safe(upto)

    def _has_begun(self, store: Store) -> None:
        """Note that the store has the run, so that other processes may request its cancellation from now on."""
        if not self.begun.done():
            self.begun.set_result(None)
        store.hear(self._run.id, partial(self._tell, self._asked))

    def _asked(self, reason: str) -> None:
        if self._run.result is None:
            self._run.cancel(reason)

    def _next(self) -> None:
        if self._busy or self._over or self._store is None:
            return
        upto = len(self._run.events)
        if upto == self._sent:
            if self._run.result is None:
                self._run.events.listen(self._next)
            else:
                self._untie()
            return
        self._busy = True
        make = partial(self._batch, self._sent, upto, self._run.status)
        future = self._store.append(self._run.id, self._epoch, make, durable=self.strict)
        future.add_done_callback(partial(self._tell, partial(self._landed, upto)))

    def _untie(self) -> None:
        """Refer weakly to the run, which has ended and refers to this recorder: without a cycle it is freed at once."""
        self._run = weakref.proxy(self._run)

    def _tell(self, callback: Callable[[Any], None], told: Any) -> None:
        try:
            self._run.loop.call_soon_threadsafe(callback, told)
        except RuntimeError:
            return  # the loop has been closed, so the run has ended with it

    def _landed(self, upto: int, future: Future[Batch]) -> None:
        self._busy = False
        error = future.exception()
        if error is not None:
            self._give_up(error)
            return
        self._sent = upto
        self._safe(upto)
        self._next()

    def _safe(self, upto: int) -> None:
        """Report to the run that its first `upto` events are stored; warn of the values that could not be stored."""
        while self._unstored:  # the writer's thread may append to it at the same time
            seq, node, key, why = self._unstored.popleft()
            self._notices.unstored(f"{key!r} of node {node!r} (event {seq})", why)
        self._gate.advance(upto)

    def _give_up(self, error: BaseException) -> None:
        if self._over:
            return  # the first failure is the cause: later batches were queued behind it
        self._over = True
        if not isinstance(error, NbflowError):
            told = StoreError(f"it could not be stored: {type(error).__name__}: {words(error)}")
            told.__cause__, error = error, told
        if not self.begun.done():
            self.begun.set_exception(error)
        self._gate.fail(error, fatal=self.strict or isinstance(error, RunStateError))
        if self._store is not None:
            self._let_go(self._store)

    def _let_go(self, store: Store) -> None:
        """Release the lease once the run has ended: until then no other process may resume it beside this one."""
        if self._run.result is None:
            self._run.on_change(partial(self._let_go, store))
        else:
            store.release(self._run.id, self._epoch)
            self._untie()

    # on the writer's thread

    def _new(self, make: Callable[[], NewRun], first: int) -> NewRun:
        """Return the row of the run and its first event, stored by one commit; that of a fork has the edits."""
        self._noted = Status.RUNNING  # the status with which the store inserts a run
        return replace(make(), first=self._batch(first, first + 1, Status.RUNNING))

    def _batch(self, first: int, upto: int, stands: Status) -> Batch:
        rows, others, nodes = self._encoder.rows(self._run.events, first, upto)
        status, ending = self._standing(others, stands)
        blobs, tools, unstored = self._encoder.take()
        self._judge(unstored)
        return Batch(tuple(rows), blobs, tools, nodes, status, ending)

    def _judge(self, unstored: list[Lack]) -> None:
        if unstored and not self._allowed:
            named = name_list(f"{key!r} of node {node!r} ({why})" for _, node, key, why in unstored)
            raise StoreError(
                f"durability='sync', but these values cannot be stored: {named}; "
                "give their classes a codec with nbflow.register_codec, or continue without them by allow_unstored"
            )
        self._unstored.extend(unstored)

    def _standing(self, events: list[Event], stands: Status) -> tuple[str | None, Ending | None]:
        """Return the status to store (None if it is stored already) and the ending (None if the run has not ended)."""
        if events and events[-1].kind in ENDINGS:
            return None, self._ending(events[-1])
        changed = stands is not self._noted
        self._noted = stands
        return stands.value if changed else None, None

    def _ending(self, event: Event) -> Ending:
        result, blobs, _ = self._codecs.pack_state(event.data["result"])
        self._encoder.add(blobs)
        seconds = self._run.result.execution_time if self._run.result else 0.0
        return Ending(ENDINGS[event.kind].value, event.time, seconds, result, cause_of(event))
