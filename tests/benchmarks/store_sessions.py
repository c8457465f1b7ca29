"""Sessions with a store for the benchmarks, and the same writes by sqlite3 and by a peer.

Invariant: functions that are compared commit equally often and equally safely.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict

from peers import need
from timing import AsyncWay

from nbflow.session import Session

PAYLOAD = "x" * 10_240
OUTPUT = "y" * 100


async def step() -> dict[str, str]:
    """Return 100 bytes, and leave the rest of the state unchanged."""
    return {"out": OUTPUT}


def chained(count: int) -> dict[str, Any]:
    """Return a chain of steps."""
    names = [f"n{i}" for i in range(count)]
    return {
        "nodes": [{"node_id": name, "tool": "step"} for name in names],
        "edges": [{"from_node": source, "to_node": target} for source, target in pairwise(names)],
    }


def session(count: int) -> Session:
    """Return a session that knows the chain as `g`; the settings determine its store."""
    made = Session()
    made.registry.register("step", step)
    made.graph("g", chained(count))
    return made


def running(made: Session, durability: Any) -> AsyncWay:
    """Return a function that runs the chain of a session with a durability."""

    async def way() -> None:
        await made.start("g", {"payload": PAYLOAD}, durability=durability)

    return way


def raw_inserts(path: Path, count: int, *, synchronous: str) -> AsyncWay:
    """Return a function that inserts one delta per node by sqlite3 alone, with a commit for each."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("CREATE TABLE log (run INTEGER, seq INTEGER, node TEXT, data TEXT, PRIMARY KEY (run, seq))")
    run = 0

    async def way() -> None:
        nonlocal run
        run += 1
        for seq in range(count):
            connection.execute("BEGIN IMMEDIATE")
            data = json.dumps({"output": {"out": OUTPUT}})
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?)", (run, seq, f"n{seq}", data))
            connection.execute("COMMIT")

    return way


class Carried(TypedDict):
    """The state of the peer's chain."""

    payload: str
    out: str


async def _peer_step(state: Any) -> dict[str, str]:
    return {"out": OUTPUT}


async def langgraph_stored(path: Path, count: int, durability: str) -> tuple[AsyncWay, Any]:
    """Return a function that runs a chain that LangGraph stores in SQLite, and the connection of its saver, to be closed."""
    graphs, saver = need("langgraph.graph"), need("langgraph.checkpoint.sqlite.aio")
    connection = await need("aiosqlite").connect(path)
    names = [f"n{i}" for i in range(count)]
    builder = graphs.StateGraph(Carried)
    for name in names:
        builder.add_node(name, _peer_step)
    builder.set_entry_point(names[0])
    for source, target in pairwise(names):
        builder.add_edge(source, target)
    app = builder.compile(checkpointer=saver.AsyncSqliteSaver(connection))
    run = 0

    async def way() -> None:
        nonlocal run
        run += 1
        config = {"recursion_limit": 10 * count, "configurable": {"thread_id": f"{durability}{run}"}}
        await app.ainvoke({"payload": PAYLOAD, "out": ""}, config, durability=durability)

    return way, connection
