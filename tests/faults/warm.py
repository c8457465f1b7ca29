"""A process that has imported all libraries and opened no store; it forks one process for each order on its input.

A forked process has its own POSIX session and its own store, and is killed by SIGKILL only. Forking it saves the second
that importing the libraries takes.

An order is a JSON object on a line, and so is the answer. Fields: `do` (start, resume, fork), `graph`, `durability`,
`run`, `at` and `state` (of a fork), `commits` (it kills itself after so many, the opening of the store not counted),
`url`, `opened` (whether the store is open before the run starts), `witness` (the file of executions), `sitting`,
`result` (the file for the outcome), `hold` (the third node, or the one that `holds` names, waits until this file
exists; with `blocks` it blocks the loop meanwhile), `gate` (a pipe to wait for before the run starts), `lease_s`; and to be killed `after` (so
many executions started) or `size` (so many bytes lie in `file`), each `wait_us` later.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite  # noqa: F401 - loaded here once, for all that are forked
import alembic.command  # noqa: F401
import sqlalchemy.ext.asyncio  # noqa: F401
from fault_graph import START, Witness, plain, session

import nbflow.session.resume_source
import nbflow.store.migrations
import nbflow.store.session_store
import nbflow.store.store  # noqa: F401
from nbflow import Run
from nbflow.errors import NbflowError
from nbflow.session import Session
from nbflow.store import leases, transactions
from nbflow.store.postgres import PostgresDatabase
from nbflow.store.sqlite import SqliteConnection

LONGEST_S = 120
"""No process outlives a test that hangs."""
Order = dict[str, Any]


def main() -> None:
    session(Witness(os.devnull, 0))  # the grammar of graphs is compiled once for all
    for line in sys.stdin:
        answer = carry_out(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def carry_out(order: Order) -> Order:
    """Fork a process for an order; kill it at the moment that the order names, else wait for its end."""
    ear, sign = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ear)
        os.dup2(2, 1)
        sys.exit(perform(order, sign))
    os.close(sign)
    seen = watch(order, ear)
    if "wait_us" in order:
        time.sleep(order["wait_us"] / 1e6)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(ear)
    return {"pid": pid, "code": os.waitstatus_to_exitcode(status), "seen": len(seen), "ended": b"E" in seen}


def watch(order: Order, ear: int) -> bytes:
    """Read the signs of a process until the moment that the order names, or its end; return them."""
    seen = b""
    if "size" in order:
        while size_of(order["file"]) < order["size"] and b"E" not in seen:
            if select.select([ear], [], [], 0)[0]:
                said = os.read(ear, 4096)
                if not said:
                    break
                seen += said
    else:
        while len(seen) < order.get("after", sys.maxsize) and b"E" not in seen and (said := os.read(ear, 1)):
            seen += said
    return seen


def size_of(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return 0


def perform(order: Order, sign: int) -> int:
    """Carry out an order, and write the outcome to a file; return the exit code."""
    os.setsid()
    signal.alarm(LONGEST_S)
    os.environ["NBFLOW_DATABASE_URL"] = order["url"]
    if "lease_s" in order:
        leases.LEASE_S = transactions.LEASE_S = order["lease_s"]
        leases.BEAT_S = order["lease_s"] / 10
    made = session(Witness(order["witness"], order["sitting"], sign), partial(held, order))
    if order.get("opened"):
        made.history.open()
    if "commits" in order:
        die_after(order["commits"])
    if "gate" in order:
        Path(order["gate"]).read_text()  # a pipe that others wait at, too
    Path(order["result"]).write_text(json.dumps(asyncio.run(outcome_of(made, order))))
    os.write(sign, b"E")
    if "wait_us" in order:
        signal.pause()  # the run ended before the moment of the kill: the process is killed with its store open
    made.history.close()
    return 0


async def held(order: Order, name: str) -> None:
    """Wait in the node that `holds` names until the file `hold` exists; block the loop meanwhile if the order says so."""
    while name == order.get("holds", "three") and "hold" in order and not Path(order["hold"]).exists():
        if order.get("blocks"):
            time.sleep(0.005)
        else:
            await asyncio.sleep(0.005)


def die_after(commits: int) -> None:
    """Kill this process by SIGKILL once it has committed so often, before it does anything else."""
    left = [commits]

    def counted(transact: Callable[..., None]) -> Callable[..., None]:
        def counting(*args: Any, **options: Any) -> None:
            transact(*args, **options)
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return counting

    SqliteConnection.transact = counted(SqliteConnection.transact)  # type: ignore[method-assign]
    PostgresDatabase.transact = counted(PostgresDatabase.transact)  # type: ignore[method-assign]


async def answer_all(run: Run) -> None:
    """Answer each question of a run with 42, until the run ends."""
    while run.result is None:
        for question in run.asking:
            run.answer(42, question=question.seq)
        await run.changed()


async def outcome_of(made: Session, order: Order) -> Order:
    """Return the outcome of a run."""
    try:
        if order["do"] == "start":
            run = made.start(order.get("graph", "big"), dict(START), durability=order["durability"])
        else:
            run = await made.reopen(order.get("run"), at=order.get("at"), state=order.get("state"))
        answering = asyncio.ensure_future(answer_all(run))
        await run
        await answering
    except NbflowError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"run": run.id, "status": run.status, "state": plain(run.state), "notices": made.history.notices}


if __name__ == "__main__":
    main()
