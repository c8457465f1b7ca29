"""A graph of 60 nodes with every feature that a log records. Its tools write each execution to a file beside the store.

An execution is one line, appended at once, so that it survives a kill. The line has the incarnation of the run, the
scope, the firing, the item and the node, which together identify the execution.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from nbflow import ask
from nbflow.engine.attempt import NODE
from nbflow.engine.result import Key
from nbflow.session import Session

BIG = """
seed -> plan -> count
count -> left_1 & mid_1 & right_1
left_1 -> left_2
left_2 -> left_3 if n % 2 else left_4
left_3 & left_4 -> left_5
mid_1 -> mid_2 -> mid_3 & mid_4 -> mid_5
right_1 -> right_2 -> right_3
left_5 & mid_5 & right_3 -> gather
gather -> count if n < 3 else parcel
parcel -> squares & refine & reviews -> digest
digest -> fails -> never
fails -> rescue on error
rescue -> stumbles -> outer -> inner_1 -> inner_2 & inner_3 -> inner_4
inner_4 -> inner_1 if m % 3 else inner_5
inner_5 -> outer if k < 2 else fan
fan -> far_1 & far_2 & far_3 & far_4
far_1 -> far_5 -> far_9
far_2 -> far_6 -> far_9
far_3 -> far_7 -> far_9
far_4 -> far_8 -> far_9
far_9 -> page_1 -> page_2 -> page_3 -> tidy_1 & tidy_2 -> tidy_3 -> sign -> last

seed = tick; plan = nap; count = turn(key="n")
left_1 = tick; left_2 = grind; left_3 = tick; left_4 = nap; left_5 = tick
mid_1 = nap; mid_2 = tick; mid_3 = grind; mid_4 = tick; mid_5 = nap
right_1 = tick; right_2 = nap; right_3 = tick; gather = tick
parcel = pages(name="parcel")
squares = square [map=xs, limit=3]
refine = graph refine
reviews = graph review [map=files, as=file, into=reports, limit=2]
digest = tick; never = tick; rescue = tick; stumbles = stumble [retries=2]
outer = turn(key="k"); inner_1 = turn(key="m"); inner_2 = nap; inner_3 = tick; inner_4 = tick; inner_5 = nap
fan = tick [route=all]; far_1 = tick; far_2 = nap; far_3 = grind; far_4 = tick
far_5 = tick; far_6 = tick; far_7 = nap; far_8 = grind; far_9 = tick
page_1 = pages(name="one"); page_2 = pages(name="two"); page_3 = pages(name="one")
tidy_1 = tick; tidy_2 = grind; tidy_3 = tick; sign = tick; last = nap
reduce notes with extend
reduce total with add
"""
REFINE = """
rough -> finer & wider -> deeper
deeper -> rough if depth < 2 else done
rough = tick; finer = grind; wider = nap; deeper = turn(key="depth"); done = tick
reduce notes with extend
reduce total with add
"""
REVIEW = """
read -> parse -> judge
judge -> mend if score < 2 else tell
mend -> judge
read = tick; parse = nap; judge = tick; mend = turn(key="score"); tell = tick
reduce notes with extend
"""
CHAIN = "one -> two -> three -> four -> five\n" + "".join(
    f"{name} = act(name={name!r})\n" for name in ("one", "two", "three", "four", "five")
)
CLIMB = "".join(f"up_{n} -> " for n in (1, 2, 3)) + "up_4 -> confirm -> up_5\nconfirm = confirm\n"
CLIMB += "".join(f"up_{n} = turn(key='n')\n" for n in (1, 2, 3, 4, 5))
START: dict[str, Any] = {
    "n": 0, "m": 0, "k": 0, "depth": 0, "score": 0, "xs": [1, 2, 3, 4, 5], "files": ["a", "b", "c"],
    "since": datetime(2024, 2, 29, tzinfo=UTC),
}  # fmt: skip

Tool = Callable[..., Awaitable[Any]]


class Ran(NamedTuple):
    """An execution: in which sitting of the run, and of which firing."""

    sitting: int
    key: Key
    node: str


class Witness:
    """Writes executions down in a file, and a sign of each on a pipe."""

    def __init__(self, path: str, sitting: int, sign: int | None = None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._sitting, self._sign = sitting, sign

    def saw(self) -> str:
        """Write down the execution that this code is of; return its node's id."""
        attempt = NODE.get()
        assert attempt is not None
        task = attempt._task
        item = "" if task.item is None else task.item
        line = f"{self._sitting}|{task.scope}|{task.firing}|{item}|{task.node.id}\n"
        os.write(self._file, line.encode())
        if self._sign is not None:
            os.write(self._sign, b".")
        return task.node.id


def witnessed(path: str) -> list[Ran]:
    """Return the executions written down in a file."""
    try:
        lines = [line.split("|") for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
    return [
        Ran(int(sitting), (scope, int(firing), int(item) if item else None), node)
        for sitting, scope, firing, item, node in lines
    ]


def session(witness: Witness, act: Callable[[str], Awaitable[None] | None] = lambda name: None) -> Session:
    """Return a session with the graphs `big`, `climb`, which asks a person, and `chain`, whose nodes do `act`."""
    made = Session()
    for tool in tools_of(witness, act):
        made.registry.register(tool.__name__, tool)
    for name, text in {"refine": REFINE, "review": REVIEW, "big": BIG, "climb": CLIMB, "chain": CHAIN}.items():
        made.graph(name, text)
    return made


def tools_of(witness: Witness, act: Callable[[str], Awaitable[None] | None]) -> list[Callable[..., Any]]:
    """Return the tools: some at once, some waiting, some on a thread, some failing, some with much to keep."""
    stumbled: set[Key] = set()

    async def tick(state: dict[str, Any]) -> dict[str, Any]:
        return {"notes": [f"{witness.saw()} {state['n']}"]}

    async def nap(state: dict[str, Any]) -> dict[str, Any]:
        node = witness.saw()
        await asyncio.sleep(0.0003)
        return {"notes": [f"{node} {state['n']}"]}

    def grind(state: dict[str, Any]) -> dict[str, Any]:
        return {"notes": [f"{witness.saw()} {state['n']}"], "total": state["n"]}

    async def turn(state: dict[str, Any], key: str) -> dict[str, Any]:
        return {key: state[key] + 1, "notes": [f"{witness.saw()} {state[key]}"]}

    async def square(x: int) -> tuple[int, int]:
        witness.saw()
        await asyncio.sleep(0.0002)
        return x, x * x

    async def fails() -> None:
        raise ValueError(f"{witness.saw()} always fails")

    async def stumble(state: dict[str, Any]) -> dict[str, Any]:
        node, attempt = witness.saw(), NODE.get()
        assert attempt is not None
        key = attempt._task.scope, attempt._task.firing, None
        if key not in stumbled:
            stumbled.add(key)
            raise OSError("the first time in each sitting")
        return {"notes": [node]}

    async def pages(state: dict[str, Any], name: str) -> dict[str, Any]:
        witness.saw()
        return {
            f"text_{name}": f"{name} {state['n']} " * 700,
            f"odd_{name}": {"raw": name.encode() * 3, "when": state["since"], "pair": (1, (2.5, None)), "set": {7}},
        }

    async def doing(name: str) -> dict[str, str]:
        witness.saw()
        done = act(name)
        if done is not None:
            await done
        return {f"did_{name}": name}

    async def confirm(n: int) -> dict[str, Any]:
        said = await ask(f"{n} is enough?", schema=int)
        witness.saw()
        return {"said": said}

    doing.__name__ = "act"
    return [tick, nap, grind, turn, square, fails, stumble, pages, confirm, doing]


def plain(state: dict[str, Any]) -> dict[str, str]:
    """Return a state in a form that can be compared across processes, types and all."""
    return {key: repr(state[key]) for key in sorted(state)}
