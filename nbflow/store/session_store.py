"""The store of a session: opened when a run first needs it, with the recorders of runs and the runs read back.

Messages for people are collected in `notices`; the notebook, the command line and the server show them once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbflow.engine.result import count_completed
from nbflow.errors import RunNotFoundError
from nbflow.graph import GraphDefinition, reachable
from nbflow.secrets import Supply
from nbflow.settings import Settings, settings
from nbflow.store import archive, stored_graph
from nbflow.store.codecs import Codecs
from nbflow.store.location import default_file, file_in, parsed, refuse_other_file, refuse_place
from nbflow.store.recorder import Recorder, RunNotices
from nbflow.store.rows import NewRun
from nbflow.tools import ToolRegistry

if TYPE_CHECKING:
    from nbflow.engine.replay import ResumePoint
    from nbflow.store.store import Store


class SessionStore:
    """The store of a session, and the codecs of its values.

    Attributes:
        folder: The folder of the default store's file; None for the working directory.
        origin: The file that defines the tools of runs, as `files.origin` returns it.
        notebook: Returns the notebook that the process belongs to, as `files.origin` does; None for a server or a
            command.
        notices: Messages for people that were not shown yet.
    """

    def __init__(self, registry: ToolRegistry, codecs: Codecs) -> None:
        self.codecs = codecs
        self.folder: Path | None = None
        self.origin: str | None = None
        self.notebook: Callable[[], str | None] = _no_notebook
        self.notices: list[str] = []
        self._registry = registry
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._known_revision = -1

    def open(self) -> Store:
        """Return the store; open it on the first call, which blocks.

        Raises:
            StoreError: It cannot be opened.
        """
        with self._lock:
            if self._store is None:
                self._store = self._opened(settings())
            return self._store

    def open_existing(self) -> Store | None:
        """Return the store as `open` does, but None where none exists yet: reading never creates a store."""
        named = self._store is not None or settings().database_url is not None
        return self.open() if named or default_file(self.folder).exists() else None

    @property
    def lasts(self) -> bool:
        """True if the store is open and persistent, which a store in memory is not."""
        return self._store is not None and self._store.lasts

    def close(self) -> None:
        """Close the store if it is open; the next use opens it again."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store = None

    def _opened(self, chosen: Settings) -> Store:
        from nbflow.store.store import Store

        store = Store.open(chosen.database_url, folder=self.folder)
        self.notices.append(f"runs are stored in {store.place}")
        abandoned = store.abandoned().result()
        if abandoned:
            named = ", ".join(f"{row.id} ({row.graph})" for row in abandoned[:3])
            more = f" and {len(abandoned) - 3} more" if len(abandoned) > 3 else ""
            self.notices.append(
                f"unfinished because their process ended: {named}{more}; %flow_resume {abandoned[0].id} resumes one"
            )
        if chosen.prune_keep_last is not None or chosen.prune_older_than_days is not None:
            days = chosen.prune_older_than_days
            store.prune(
                keep_last=chosen.prune_keep_last, older_than=None if days is None else days * 86_400, dry_run=False
            ).result()
        return store

    def take_notices(self) -> list[str]:
        """Return the notices that were not shown yet, and clear the list."""
        told = [*self.notices]
        del self.notices[: len(told)]  # in place: runs share the list, and may append to it at the same time
        return told

    def recorder(
        self, run_id: str, graph: GraphDefinition, subgraphs: Mapping[str, GraphDefinition],
        initial: Mapping[str, Any], started: float, *, strict: bool, fork: tuple[str, ResumePoint] | None = None,
        allow_unstored: bool | None = None,
    ) -> Recorder:  # fmt: skip
        """Return the recorder of a new run.

        Args:
            run_id: The id of the run.
            graph: Its graph.
            subgraphs: The graphs that it may name, by name.
            initial: Its initial state.
            started: When it started (s since 1970).
            strict: True if its durability is `sync`.
            fork: The id of a fork's parent, and the past that the fork starts from.
            allow_unstored: True if it may continue where a value cannot be stored; None for the setting.

        Raises:
            StoreError: The file of the store cannot exist there, or is not an SQLite database.
        """
        self._refuse_place()
        inner = reachable(graph, subgraphs)
        parent, past = fork or (None, None)
        seq, nodes = (past.stored, count_completed(past.events)) if past else (None, 0)
        told = RunNotices(run_id, settings().large_value, self.notices.append)
        notebook = self.notebook()

        def made() -> NewRun:
            row = stored_graph.row_of(graph)
            texts = json.dumps({name: json.loads(stored_graph.text_of(one)) for name, one in inner.items()})
            sizes: dict[str, int] = {}
            text, blobs, reasons = self.codecs.pack_state(initial, sizes=sizes)
            for key, why in reasons.items():
                told.unstored(f"{key!r} of the initial state", why)
            told.sizes(None, sizes)
            durability = "sync" if strict else "async"
            return NewRun(
                run_id, row, texts, text, started, durability, blobs, self.origin, parent, seq, nodes, notebook=notebook
            )

        allowed = settings().allow_unstored if allow_unstored is None else allow_unstored
        return Recorder(
            self._store, self.open, made, self.codecs,
            strict=strict, allow_unstored=allowed, kept=seq or 0, notices=told,
        )  # fmt: skip

    def _refuse_place(self) -> None:
        """Refuse a file that cannot be a store before a run starts that would be stored there."""
        if self._store is not None:
            return
        url = settings().database_url
        file = default_file(self.folder).absolute() if url is None else file_in(parsed(url))
        if url is not None and file is not None:
            refuse_place(file)
        if file is not None:
            refuse_other_file(file)

    def resumed_recorder(self, store: Store, run_id: str, epoch: int, *, strict: bool, stored: int) -> Recorder:
        """Return the recorder of a resumed run, of which `stored` events are stored, under the epoch of its claim."""
        told = RunNotices(run_id, settings().large_value, self.notices.append)
        return Recorder(
            store, self.open, None, self.codecs,
            strict=strict, allow_unstored=settings().allow_unstored, epoch=epoch, kept=stored, notices=told,
        )  # fmt: skip

    def read(self, run_id: str, *, upto: int | None = None, supply: Supply | None = None) -> archive.Archived:
        """Return a stored run; blocks. Objects of classes in the annotations of tools are rebuilt.

        `supply` has the values of secrets, which are never stored.

        Raises:
            RunNotFoundError: No such run.
            StoreError: The store has something that nbflow does not write.
        """
        self.know_types()
        store = self.open_existing()
        if store is None:
            raise RunNotFoundError(run_id)
        return archive.read(store, self.codecs, run_id, upto=upto, supply=supply)

    def know_types(self) -> None:
        """Register the classes in the annotations of tools, so that their objects are rebuilt."""
        if self._known_revision != self._registry.revision:
            self._known_revision = self._registry.revision
            for name in self._registry.names():
                for annotation in self._registry.get(name).types.values():
                    self.codecs.know_annotation(annotation)


def _no_notebook() -> None:
    return None
