"""What a person is told once a run of the values that it stores.

Keeps the events of one live run in a store, in groups behind it or ahead of what follows.

Rule: one commit is under way at a time, and takes all that has happened since the last one: the slower the disk, the
larger the groups. What follows from an error is decided by the run.

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
    from nbflow.store.store import Store


class RunNotices:
    """The notices of one run; `warn` takes each. May be used from any thread, one at a time.

    Args:
        run_id: The run.
        large: From how many bytes on a value is worth a notice.
        warn: Takes a notice.
    """

    def __init__(self, run_id: str, large: int, warn: Callable[[str], None]) -> None:
        self._run_id, self._large, self._warn = run_id, large, warn
        self._told: set[str | None] = set()

    def unstored(self, where: str, why: str) -> None:
        """Say that a value was not stored; where pyarrow is missing, for the first frame only."""
        if FRAMES in why:
            if FRAMES in self._told:
                return
            self._told.add(FRAMES)
            why += "; this is said once a run, and holds for every frame"
        self._warn(f"run {self._run_id}: {where} was not stored: {why}")

    def sizes(self, node: str | None, sizes: Mapping[str, int]) -> None:
        """Say of values, by key in bytes, which are large."""
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
    """The keeper of one run.

    Args:
        store: Where it is kept; None where the store is not open yet.
        opened: Opens the store then, on a thread of its own.
        make: Returns a run that the store does not have yet, without its first event; called on the writer's thread.
        codecs: How its values become text.
        strict: Whether an event is on the disk before anything that follows from it starts.
        allow_unstored: Whether a strictly kept run may go on where a value cannot be kept.
        epoch: That of its owner, which is this process.
        kept: How many of its events are kept already.
        notices: Takes what a person should know of the values.
    """

    def __init__(
        self, store: Store | None, opened: Callable[[], Store], make: Callable[[], NewRun] | None,
        codecs: Codecs, *, strict: bool, allow_unstored: bool = False, epoch: int = 1, kept: int = 0,
        notices: RunNotices,
    ) -> None:  # fmt: skip
        self.strict = strict
        # That a run goes on is kept before it does: a task that ends every process it runs in leaves a trace of each.
        self.least = kept + 1 if make is None else 0
        self._store, self._opener, self._make = store, opened, make
        self._codecs, self._encoder = codecs, Encoder(codecs, notices.sizes)
        self._allowed = allow_unstored or not strict
        self._notices = notices
        self._sent, self._epoch = kept, epoch
        self._busy, self._over = True, False
        # Busy from the start: nothing can be kept before the store is open.
        self._noted: Status | None = None
        self._unstored: deque[Lack] = deque()
        self.begun: Future[None] = Future()
        """Done once the store has the run, so that it outlives this process; failed where it cannot have it."""

    def follow(self, run: Run) -> None:
        """Begin to keep the run's events as they come."""
        self._run = run
        if self._store is None:
            threading.Thread(target=self._open, name="nbflow-open", daemon=True).start()
        else:
            self._begin(self._store)

    def keep(self, upto: int) -> None:
        """Keep the first `upto` events soon: what there is is on its way already, or goes with the next commit."""
        self._next()

    def _open(self) -> None:
        opened: Future[Store] = Future()
        try:
            opened.set_result(self._opener())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the run has to hear of it
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
        # In the loop's next turn there are more events, which then are one commit with the run itself.
        self._run.loop.call_soon(self._next)

    def _created(self, upto: int, created: Future[int]) -> None:
        if error := created.exception():
            self._give_up(error)
        elif self._store is not None:
            self._has_begun(self._store)
            self._safe(upto)

    def _has_begun(self, store: Store) -> None:
        """The store has the run; from now on another process may ask there for its end."""
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
        """Refer to the run, which has ended, weakly: it has this recorder, and is to be freed once nobody holds it."""
        self._run = weakref.proxy(self._run)

    def _tell(self, callback: Callable[[Any], None], told: Any) -> None:
        try:
            self._run.loop.call_soon_threadsafe(callback, told)
        except RuntimeError:
            return  # the loop was closed meanwhile: nobody is left to tell

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
        """Tell the run that the store has its first `upto` events, and people which values it could not take."""
        while self._unstored:  # the writer's thread may add to it meanwhile
            seq, node, key, why = self._unstored.popleft()
            self._notices.unstored(f"{key!r} of node {node!r} (event {seq})", why)
        self._run.kept(upto)

    def _give_up(self, error: BaseException) -> None:
        if self._over:
            return  # by what broke first, such as the making of the run that the rest was queued behind
        self._over = True
        if not isinstance(error, NbflowError):
            told = StoreError(f"it could not be stored: {type(error).__name__}: {words(error)}")
            told.__cause__, error = error, told
        if not self.begun.done():
            self.begun.set_exception(error)
        self._run.not_kept(error, fatal=self.strict or isinstance(error, RunStateError))
        if self._store is not None:
            self._let_go(self._store)

    def _let_go(self, store: Store) -> None:
        """Let the run be resumed from what is kept, once it has ended: until then nobody is to run it beside us."""
        if self._run.result is None:
            self._run.on_change(partial(self._let_go, store))
        else:
            store.release(self._run.id, self._epoch)
            self._untie()

    # on the writer's thread

    def _new(self, make: Callable[[], NewRun], first: int) -> NewRun:
        """Return the run with its own first event, as one commit: of a fork that event alone has the edits."""
        self._noted = Status.RUNNING  # as which the store inserts it
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
                f"the run is to be kept strictly, and this cannot be stored: {named}; "
                "nbflow.register_codec makes it storable, allow_unstored goes on without"
            )
        self._unstored.extend(unstored)

    def _standing(self, events: list[Event], stands: Status) -> tuple[str | None, Ending | None]:
        """Return the status to be noted, None where it is noted already, and how the run ended."""
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
