"""Random graphs of tools that change what they get in place, and the same tools as pure functions.

Run as a program, it resumes runs of a store, given as `URL SEED RUN AT ...`, and prints their final states as JSON.
"""

from __future__ import annotations

import asyncio
import copy
import json
import random
import sys
from collections.abc import Callable
from typing import Any

from nbflow import GraphDefinition
from nbflow.session import Session

State = dict[str, Any]
Behaviour = Callable[[str, State, dict[str, Any]], Any]
REDUCERS = {"log": "extend", "total": "add", "seen": "merge"}
CONDITIONS = ["total > 3", "total % 2 == 0", "len(log) < 4", "len(rows) > 1", "'x' in table"]
INITIAL: State = {"rows": [[0]], "table": {"deep": {"cells": [1]}}, "log": ["start"], "total": 0, "seen": {}}


def appends(name: str, state: State, held: dict[str, Any]) -> Any:
    state["rows"].append([name])
    state["rows"][0].append(name)
    return {"rows": state["rows"], "total": 1}


def appends_purely(name: str, state: State) -> State:
    return {"rows": [[*state["rows"][0], name], *state["rows"][1:], [name]], "total": 1}


def spoils(name: str, state: State, held: dict[str, Any]) -> Any:
    state["rows"].clear()
    state["table"]["deep"].clear()
    state["log"].append("spoilt")
    return None


def spoils_purely(name: str, state: State) -> State:
    return {}


def retains(name: str, state: State, held: dict[str, Any]) -> Any:
    entries = held.setdefault("entries", [])
    entries[:] = [name, len(state["log"])]
    return {"log": entries, "total": 2}


def retains_purely(name: str, state: State) -> State:
    return {"log": [name, len(state["log"])], "total": 2}


def hands_back(name: str, state: State, held: dict[str, Any]) -> Any:
    state[f"own_{name}"] = {"rows": state["rows"]}
    return state


def hands_back_purely(name: str, state: State) -> State:
    return {f"own_{name}": {"rows": state["rows"]}}


def hands_back_a_copy(name: str, state: State, held: dict[str, Any]) -> Any:
    return {**state, f"own_{name}": len(state["rows"])}


def hands_back_a_copy_purely(name: str, state: State) -> State:
    return {f"own_{name}": len(state["rows"])}


def shares(name: str, state: State, held: dict[str, Any]) -> Any:
    if "part" in held:
        held["part"].append("changed after it was given up")
    held["part"] = state["table"].setdefault("x", [])
    held["part"].append(name)
    return {"table": state["table"], f"part_{name}": held["part"], "seen": {name: len(held["part"])}}


def shares_purely(name: str, state: State) -> State:
    part = [*state["table"].get("x", []), name]
    return {"table": {**state["table"], "x": part}, f"part_{name}": part, "seen": {name: len(part)}}


PAIRS: list[tuple[Behaviour, Callable[[str, State], State]]] = [
    (appends, appends_purely), (spoils, spoils_purely), (retains, retains_purely), (hands_back, hands_back_purely),
    (hands_back_a_copy, hands_back_a_copy_purely), (shares, shares_purely),
]  # fmt: skip


def graph_of(seed: int) -> GraphDefinition:
    """Return a graph with splits, joins, conditions and loops."""
    rng = random.Random(seed)
    names = "abcdef"[: rng.randint(1, 6)]
    pairs = [(rng.choice(names[:at]), names[at]) for at in range(1, len(names))]
    pairs += [(rng.choice(names), rng.choice([*names, "END"])) for _ in range(rng.randint(0, 4))]
    edges = {}
    for source, target in pairs:
        condition = rng.choice([None, None, rng.choice(CONDITIONS)])
        kind = "normal" if condition is None else "conditional"
        edges[source, target, condition] = {
            "from_node": source, "to_node": target, "type": kind, "condition": condition,
        }  # fmt: skip
    nodes = [
        {"node_id": name, "tool": name, "route": rng.choice(["first", "first", "all"]), "join": "all"} for name in names
    ]
    return GraphDefinition.model_validate({
        "name": "g", "nodes": nodes, "edges": list(edges.values()), "entry_node": "a", "max_iterations": 2,
        "reducers": REDUCERS,
    })  # fmt: skip


def session_of(seed: int, *, pure: bool = False, pause: Callable[[], float | None] = lambda: None) -> Session:
    """Return a session with the graph of a seed, its tools in place or as pure functions.

    `pause` gives how long each call waits: None for not at all, below 0 for a call in a thread.
    """
    made, rng = Session(), random.Random(-seed - 1)
    graph = graph_of(seed)
    for node in graph.nodes:
        made.registry.register(node.node_id, _tool(node.node_id, rng.choice(PAIRS), pure, pause, rng.random() < 0.3))
    made.graph("g", graph)
    return made


def _tool(name: str, pair: Any, pure: bool, pause: Callable[[], float | None], thread: bool) -> Callable[..., Any]:
    in_place, purely = pair
    held: dict[str, Any] = {}

    def call(state: State) -> Any:
        return purely(name, copy.deepcopy(dict(state))) if pure else in_place(name, state, held)

    async def wait(state: State) -> Any:
        seconds = pause()
        if seconds is not None:
            await asyncio.sleep(seconds)
        return call(state)

    return call if thread else wait


async def resumed(made: Session, run_id: str, at: int) -> tuple[str, Any]:
    """Fork a run after an event; return how the fork ended, and its state."""
    run = await made.reopen(run_id, at=at)
    await run.wait()
    return str(run.status), run.state


def main() -> None:
    """Resume runs that another process stored."""
    found = []
    for line in sys.stdin.read().split():
        seed, run_id, at = line.split(",")
        made = session_of(int(seed))
        found.append(asyncio.run(resumed(made, run_id, int(at))))
        made.history.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
