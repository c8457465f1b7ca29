"""The operations of a session for clients: start runs within limits, watch and read them, and drain them at shutdown.

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
from nbflow.values import Owned

logger = logging.getLogger("nbflow.server")


class Service:
    """The operations that routes call.

    Attributes:
        session: The session that does the work.
        options: The limits.
        shelf: The graphs that the server offers.
        on_run: Functions called with each run that starts or resumes in this process.
        on_watch: Functions called with 1 when a watcher connects, and with -1 when one disconnects.
    """

    def __init__(self, session: Session, options: Options) -> None:
        self.session, self.options = session, options
        self.shelf = Shelf(session, options)
        self.on_run: list[Callable[[Run], None]] = []
        self.on_watch: list[Callable[[int], None]] = []
        self.watchers = self._beginning = 0
        self.draining = asyncio.Event()
        self._drained_at = 0.0
        # An entry lives as long as a watcher refers to it, or the running run, which has it among its listeners.
        self._broadcasts: WeakValueDictionary[str, Broadcast] = WeakValueDictionary()
        self._following: set[asyncio.Task[None]] = set()

    # start

    async def start(self, name: str, state: Mapping[str, Any], *, key: str | None = None) -> RunRecord:
        """Start a run of a graph; for a `key` that was used before, return the run that it started.

        Raises:
            GraphNotFoundError: There is no such graph.
            GraphError: It cannot run here.
            InitialStateError: The state lacks keys that every run of the graph needs.
            LimitError: The state is too large, or too many runs are running.
            RequestError: The key was used with another request.
        """
        await self._check_state(state)
        run_id = None if key is None else run_id_of(key)
        if run_id is not None and (known := await self._known(run_id)) is not None:
            return await self._same(known, name, state)
        with self._place():
            await self.shelf.ready(name)
            # The same request may have started it while this one waited.
            begun = None if run_id is None else self.session.live.get(run_id)
            run = begun or self.session.start(name, Owned(state), run_id=run_id)  # parsed from a request, or a message
        if begun is not None:
            return await self._same(begun, name, state)
        self.follow(run)
        await self._stored(run)
        return run

    async def _same(self, run: RunRecord, name: str, state: Mapping[str, Any]) -> RunRecord:
        """Return the run that a key started, once the run is stored."""
        if run.name != name or not await _are_same(run.initial, normalised(state, "the initial state")):
            raise RequestError(422, "this Idempotency-Key was used with another request; take a new one")
        if isinstance(run, Run):
            await self._stored(run)
        return run

    async def _stored(self, run: Run) -> None:
        """Wait until a run is stored, before its id is sent; cancel a run that cannot be stored."""
        try:
            await self.session.until_stored(run)
        except NbflowError:
            run.cancel("as it could not be stored")
            self.session.forget(run)  # so that the same key can start it again
            raise

    async def _check_state(self, state: Mapping[str, Any]) -> None:
        check_keys(state)
        self._check_size(await checked_size(state, "the initial state"), "the initial state has")

    def _check_size(self, size: int, what: str) -> None:
        if size > self.options.max_state:
            raise LimitError(413, f"{what} {size} bytes", "max_state", self.options.max_state)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Reserve one of the `max_runs` slots until the run has started."""
        if self.draining.is_set():
            raise RequestError(503, "the server is shutting down and accepts no new runs")
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
        """Resume or fork a run, as `Session.reopen` does, with the current version of its graph."""
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
        """Announce a run to `on_run`, and let `drain` wait for its end."""
        for told in self.on_run:
            told(run)
        task = asyncio.ensure_future(self._until_ended(run))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _until_ended(self, run: Run) -> None:
        await run.wait()

    # look up

    async def read(self, run_id: str) -> RunRecord:
        """Return a run by its complete id: the run of this process, else the stored record.

        Raises:
            RunNotFoundError: There is none.
        """
        if (run := await self.session.local_run(run_id)) is not None:
            return run
        found = await asyncio.to_thread(self.session.read, run_id)
        if found.id != run_id:
            raise RunNotFoundError(run_id)  # a prefix of an id is for people, and may match another run tomorrow
        return found

    async def steer(self, run_id: str, action: Callable[[Run], Any]) -> Run:
        """Call an action with a run of this process, on the loop of the run.

        Raises:
            RunNotFoundError: There is no such run.
            RunStateError: The run has ended, runs in another process, or the action does not apply to its status.
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
        """Cancel a run of this or another process; return its current record.

        Raises:
            RunNotFoundError: There is no such run.
            RunStateError: It has ended.
        """
        await self.read(run_id)  # by its whole id
        return await asyncio.to_thread(self.session.cancel, run_id)

    # watch

    def watch(self) -> ExitStack:
        """Count one watcher until the returned stack is closed.

        Raises:
            LimitError: `max_watchers` are connected.
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
        """Yield the events after `after`, live, until the run ends: the `seq` of the last event, and the JSON texts.

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
        """Return the broadcast that the watchers of a run share; a resumed run is another object with the same id."""
        found = self._broadcasts.get(run.id)
        if found is None or found.run is not run:
            found = self._broadcasts[run.id] = Broadcast(run, self.options.max_result)
        return found

    # shut down

    def leave(self) -> None:
        """Refuse new runs; the running ones have `drain` seconds from now."""
        if not self.draining.is_set():
            self._drained_at = asyncio.get_running_loop().time() + self.options.drain
            self.draining.set()

    async def drain(self) -> None:
        """Wait for runs to end, for the rest of the `drain` seconds since `leave`; the others can be resumed."""
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
    """Return the id of the run that an Idempotency-Key starts, the same in every process and after a restart."""
    return hashlib.sha256(b"nbflow run " + key.encode()).hexdigest()[:12]
