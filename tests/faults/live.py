"""A run in this process, one of whose nodes does something to the store that it is kept in.

Rule: a fault comes once the store has all that was before it, so that what was committed is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fault_graph import Witness, session, witnessed

from nbflow import Run
from nbflow.errors import RunNotFoundError
from nbflow.session import Session

WHOLE = {f"did_{name}": name for name in ("one", "two", "three", "four", "five")}
Fault = Callable[[], None]


class Live:
    """A session with the graph `chain`; `faults` are done by its nodes."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NBFLOW_DATABASE_URL", url)
        self.witness = folder / "ran"
        self.faults: dict[str, Fault] = {}
        self.unkept: dict[str, Fault] = {}
        """What nodes do at once, whatever the store has by then."""
        self.session: Session = session(Witness(str(self.witness), 0), self._act)

    async def _act(self, name: str) -> None:
        if name in self.faults:
            await self._kept_before(name)
            self.faults[name]()
        elif name in self.unkept:
            self.unkept[name]()

    async def _kept_before(self, name: str) -> None:
        """Wait until the store has the start of this node, and all that was before it."""
        store, seen = self.session.history.open(), False
        while not seen:
            with suppress(RunNotFoundError):  # the run itself is not there yet
                seen = any(row.node == name for row in await asyncio.wrap_future(store.log(self.run.id)))
            await asyncio.sleep(0.001)

    def start(self, durability: Any) -> Run:
        """Run the graph to its end, good or bad."""

        async def main() -> None:
            self.session.history.open()
            self.run = self.session.start("chain", {}, durability=durability)
            await self.run.wait()

        asyncio.run(main())
        return self.run

    def resume(self) -> Run:
        """Go on with the run in this session; return it."""
        return asyncio.run(self.session.resume(self.run.id))

    def ran(self) -> list[str]:
        """Return the nodes in the order in which they ran."""
        return [ran.node for ran in witnessed(str(self.witness))]
