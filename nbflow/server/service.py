"""A session as the server offers it: runs are started within limits, watched, looked up, and drained at shutdown.

The session does the work; the service adds the limits that many untrusted clients make necessary.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakValueDictionary

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import NbflowError, RunNotFoundError
from nbflow.json_values import object_data
from nbflow.live_view.controls import not_active
from nbflow.names import normalised
from nbflow.server.errors import LimitError, RequestError
from nbflow.server.event_stream import AT_ONCE, Broadcast, readings
from nbflow.server.graph_store import Shelf
from nbflow.server.large_json import is_large
from nbflow.server.options import Options
from nbflow.server.responses import event_texts
from nbflow.server.validation import check_keys, checked_size
from nbflow.session import Session

logger = logging.getLogger("nbflow.server")


class Service:
    """What routes call. `session`, `options` and `shelf` are what they say; `on_run` is told of each run begun here.

    `on_watch` is told 1 when somebody begins to watch, and -1 when they leave.
    """

    def __init__(self, session: Session, options: Options) -> None:
        self.session, self.options = session, options
        self.shelf = Shelf(session, options)
        self.on_run: list[Callable[[Run], None]] = []
        self.on_watch: list[Callable[[int], None]] = []
        self.watchers = self._beginning = 0
        self.draining = asyncio.Event()
        self._drained_at = 0.0
        # As long as somebody watches, or the run goes on, which has it among its listeners.
        self._broadcasts: WeakValueDictionary[str, Broadcast] = WeakValueDictionary()
        self._following: set[asyncio.Task[None]] = set()

    # runs begin

    async def start(self, name: str, state: Mapping[str, Any], *, key: str | None = None) -> RunRecord:
        """Start a run of a graph; with a `key` that was used before, return the run that it began.

        Raises:
            GraphNotFoundError: There is no such graph.
            GraphError: It cannot run here.
            InitialStateError: The state lacks keys that every run of the graph needs.
            LimitError: The state is too large, or too many runs go on.
            RequestError: The key was used with another request.
        """
        await self._check_state(state)
        run_id = None if key is None else run_id_of(key)
        if run_id is not None and (known := await self._known(run_id)) is not None:
            return await self._same(known, name, state)
        with self._place():
            await self.shelf.ready(name)
            # By the same request, while this one looked.
            begun = None if run_id is None else self.session.live.get(run_id)
            run = begun or self.session.start(name, state, run_id=run_id)
        if begun is not None:
            return await self._same(begun, name, state)
        self.follow(run)
        await self._stored(run)
        return run

    async def _same(self, run: RunRecord, name: str, state: Mapping[str, Any]) -> RunRecord:
        """Return the run that a key began, once it is stored."""
        if run.name != name or not await _are_same(run.initial, normalised(state, "the initial state")):
            raise RequestError(422, "this Idempotency-Key was used with another request; take a new one")
        if isinstance(run, Run):
            await self._stored(run)
        return run

    async def _stored(self, run: Run) -> None:
        """See that a run whose id is about to be told outlives this process; without that it is not to run."""
        try:
            await self.session.until_stored(run)
        except NbflowError:
            run.cancel("as it could not be stored")
            self.session.forget(run)  # so that the same key begins it anew
            raise

    async def _check_state(self, state: Mapping[str, Any]) -> None:
        check_keys(state)
        self._check_size(await checked_size(state, "the initial state"), "the initial state has")

    def _check_size(self, size: int, what: str) -> None:
        if size > self.options.max_state:
            raise LimitError(413, f"{what} {size} bytes", "max_state", self.options.max_state)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold a place among the runs that go on, until one has begun."""
        if self.draining.is_set():
            raise RequestError(503, "the server is going down, and starts nothing more")
        going = len(self.session.active_runs()) + self._beginning
        if going >= self.options.max_runs:
            raise LimitError(429, f"{going} runs go on", "max_runs", self.options.max_runs)
        self._beginning += 1
        try:
            yield
        finally:
            self._beginning -= 1

    async def _known(self, run_id: str) -> RunRecord | None:
        try:
            return await self.read(run_id)
        except RunNotFoundError:
            return None

    async def reopen(
        self, record: RunRecord, *, at: int | str | None = None, state: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
    ) -> Run:  # fmt: skip
        """Go on with a run, or fork it, as `Session.reopen` does; with its graph as it would run now."""
        await self._check_state(state or {})
        size = await checked_size(secrets or {}, "the secrets", nul=True)  # never stored, so a NUL character is allowed
        self._check_size(size, "the secrets have")
        with self._place():
            await self.shelf.find(record.name)
            run = await self.session.reopen(record.id, at=at, state=state, secrets=secrets)
        self.follow(run)
        await self._stored(run)
        return run

    def follow(self, run: Run) -> None:
        """See a run to its end, which `drain` waits for."""
        for told in self.on_run:
            told(run)
        task = asyncio.ensure_future(self._until_ended(run))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _until_ended(self, run: Run) -> None:
        await run.wait()

    # runs are found

    async def read(self, run_id: str) -> RunRecord:
        """Return a run by its whole id: of this process, else as it is stored.

        Raises:
            RunNotFoundError: There is none.
        """
        if (run := await self.session.local_run(run_id)) is not None:
            return run
        found = await asyncio.to_thread(self.session.read, run_id)
        if found.id != run_id:
            raise RunNotFoundError(run_id)  # a part of an id is for people, and may mean another tomorrow
        return found

    async def steer(self, run_id: str, action: Callable[[Run], Any]) -> Run:
        """Do something to a run that goes on here, on its own loop.

        Raises:
            RunNotFoundError: There is no such run.
            RunStateError: It has ended, or goes on elsewhere, or what is asked means nothing now.
        """
        run = await self.read(run_id)
        if not isinstance(run, Run) or run.result is not None:
            raise not_active(run, "goes on in another process, or its process ended; resume it here")
        if run.loop is asyncio.get_running_loop():
            action(run)
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_call(action, run), run.loop))
        return run

    async def cancel(self, run_id: str) -> RunRecord:
        """Stop a run, wherever it goes on; return it as it stands now.

        Raises:
            RunNotFoundError: There is no such run.
            RunStateError: It has ended.
        """
        await self.read(run_id)  # by its whole id
        return await asyncio.to_thread(self.session.cancel, run_id)

    # runs are watched

    def watch(self) -> ExitStack:
        """Count somebody who watches, until what is returned is closed.

        Raises:
            LimitError: Too many do.
        """
        if self.watchers >= self.options.max_watchers:
            raise LimitError(429, f"{self.watchers} watch already", "max_watchers", self.options.max_watchers)
        self._watched(1)
        place = ExitStack()
        place.callback(self._watched, -1)
        return place

    def _watched(self, change: int) -> None:
        self.watchers += change
        for told in self.on_watch:
            told(change)

    async def events(self, run_id: str, after: int) -> AsyncIterator[tuple[int, list[str]]]:
        """Give a run's events after `after`, live, to its end: the last one's `seq`, and some events' texts.

        Raises:
            RunNotFoundError: There is no such run.
        """
        async for run in readings(self, run_id):
            if isinstance(run, Run):
                break
            while after < len(run.events):
                events = run.events[after : after + AT_ONCE]
                texts = await asyncio.to_thread(event_texts, events, run.id, self.options.max_result)
                after += len(texts)
                yield after, texts
        else:
            return
        async for batch in self._broadcast(run).after(after):
            yield batch

    def _broadcast(self, run: Run) -> Broadcast:
        """Return what the watchers of a run share; a run that was resumed is another, by the same id."""
        found = self._broadcasts.get(run.id)
        if found is None or found.run is not run:
            found = self._broadcasts[run.id] = Broadcast(run, self.options.max_result)
        return found

    # the end

    def leave(self) -> None:
        """Start nothing more; from now on runs have `drain` seconds to end."""
        if not self.draining.is_set():
            self._drained_at = asyncio.get_running_loop().time() + self.options.drain
            self.draining.set()

    async def drain(self) -> None:
        """Wait for runs to end for as long as is left since `leave`; those that do not end can be resumed."""
        self.leave()
        if self._following:
            left_s = self._drained_at - asyncio.get_running_loop().time()
            await asyncio.wait(set(self._following), timeout=max(0.0, left_s))
        left = self.session.active_runs()
        if left:
            stored = sum(map(self.session.is_resumable, left))
            logger.warning("%d runs did not end in time; of these %d are stored and can be resumed", len(left), stored)
        await asyncio.to_thread(self.session.history.close)


async def _call(action: Callable[[Run], Any], run: Run) -> None:
    action(run)


async def _are_same(initial: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    if is_large(state):
        return await asyncio.to_thread(lambda: _written(initial) == _written(state))
    return _written(initial) == _written(state)


def _written(state: Mapping[str, Any]) -> str:
    # As text, as 1, 1.0 and true are equal in Python.
    return json.dumps(object_data(state), sort_keys=True)


def run_id_of(key: str) -> str:
    """Return the id of the run that an Idempotency-Key begins: the same in every process, and after a restart."""
    return hashlib.sha256(b"nbflow run " + key.encode()).hexdigest()[:12]
