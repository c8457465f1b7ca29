"""What there is to name on a magic's line: graphs, runs, nodes, keys of a state, answers.

Rule: an argument's metavar says what it names; a look-up may block, so it is done where nobody waits for long.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nbflow import session
from nbflow.engine import Run
from nbflow.engine.questions import Question
from nbflow.engine.record import RunRecord
from nbflow.events import Status
from nbflow.graph import GraphDefinition
from nbflow.graph.needs import needs

EXPRESSION = "KEY=EXPR"
_MOST = 50
_STEERING = ("flow_answer", "flow_cancel")
_BARE = re.compile(r"[^\s\"'=#;,()\[\]{}]+")


class Offer(NamedTuple):
    """A text that may stand at a place, and what it is."""

    text: str
    kind: str


@dataclass
class Given:
    """What a magic was given so far.

    Attributes:
        magic: The magic's name.
        cell: The whole cell.
        names: The words without `--`.
        keys: The keys before `=`.
        options: The values of the options that stand there, by their place in the parser's result.
        waiting: The option whose value comes next.
        closed: Whether nothing more may come.
    """

    magic: str
    cell: str
    names: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    options: dict[str, list[str]] = field(default_factory=dict)
    waiting: argparse.Action | None = None
    closed: bool = False

    def run_id(self) -> str | None:
        """Return the beginning of the id of the run that is named."""
        named = self.options.get("run", []) if self.magic == "flow_answer" else self.names
        return named[0] if named else None


def graphs(_given: Given) -> Iterator[Offer]:
    """Yield the graphs of the session."""
    return (Offer(_quoted(name), "graph") for name in session.graphs())


def runs(given: Given) -> Iterator[Offer]:
    """Yield the runs that a magic may mean, newest first."""
    if given.magic in _STEERING:
        ids = [run.id for run in _going(asking=given.magic == "flow_answer")]
    else:
        ids = [row.id for row in session.runs(limit=_MOST)]
    return (Offer(name, "run") for name in ids)


def graphs_and_runs(given: Given) -> Iterator[Offer]:
    """Yield what can be shown."""
    yield from graphs(given)
    yield from runs(given)


def stored(_given: Given) -> Iterator[Offer]:
    """Yield the graphs that the store has, and their versions."""
    found = [one.row for one in session.stored_graphs()]
    yield from (Offer(name, "graph") for name in dict.fromkeys(row.name for row in found))
    yield from (Offer(f"{row.name}@{row.version}", "version") for row in found)


def nodes(given: Given) -> Iterator[Offer]:
    """Yield the nodes of the graph that is meant, those of its subgraphs by their paths; of a question, who asks."""
    if given.magic == "flow_answer":
        names: Iterable[str] = dict.fromkeys(question.node for question in _questions(given.run_id()))
    else:
        graph, subgraphs = _graph(given)
        names = _paths(graph, subgraphs, frozenset())
    return (Offer(name, "node") for name in names)


def places(given: Given) -> Iterator[Offer]:
    """Yield the nodes that a fork may begin before."""
    graph, _ = _graph(given)
    return (Offer(node.node_id, "node") for node in graph.nodes)


def keys_of(given: Given) -> Iterator[Offer]:
    """Yield the keys that a graph needs at its start, a fork may change, or an answer has, and that are not given."""
    if given.magic == "flow_answer":
        names = [] if given.names else [key for question in _questions(given.run_id()) for key in _fields(question)]
    else:
        graph, subgraphs = _graph(given)
        names = [need.name for need in needs(graph, session.current().registry, subgraphs)]
        if given.magic != "flow_run":
            names += _run(given).state
    return (Offer(f"{name}=", "key") for name in dict.fromkeys(names) if name not in given.keys)


def answers(given: Given) -> Iterator[Offer]:
    """Yield the choices of the questions that are open, in quotes where they need them."""
    wanted = given.options.get("node", [])
    for question in _questions(given.run_id()):
        if not wanted or question.node in wanted:
            for choice in map(str, question.told.get("choices", ())):
                yield Offer(_quoted(choice), "choice")


def functions(given: Given) -> Iterator[Offer]:
    """Yield the functions that a cell defines."""
    return (Offer(name, "function") for name in re.findall(r"^(?:async\s+)?def\s+(\w+)", given.cell, re.MULTILINE))


OFFERS: Mapping[str, Callable[[Given], Iterator[Offer]]] = {
    "NAME": graphs, "NAME|RUN": graphs_and_runs, "NAME[@VERSION]": stored, "RUN": runs, "NODE": nodes,
    "PLACE": places, EXPRESSION: keys_of, "ANSWER": answers, "FUNCTION": functions,
}  # fmt: skip


def _quoted(name: str) -> str:
    return name if _BARE.fullmatch(name) else f'"{name}"'


def _going(*, asking: bool) -> list[Run]:
    return session.current().all_going(asking=asking)[::-1]


def _questions(run_id: str | None) -> list[Question]:
    found = [run for run in _going(asking=True) if run.id.startswith(run_id or "")]
    return [question for run in found for question in run.asking]


def _fields(question: Question) -> list[str]:
    schema = question.told.get("schema")
    return list(schema.get("properties", ())) if isinstance(schema, Mapping) else []


def _graph(given: Given) -> tuple[GraphDefinition, Mapping[str, GraphDefinition]]:
    """Return the graph that is named, or that of the run which is meant, and its subgraphs."""
    here = session.current()
    if given.magic == "flow_run":
        return here.find(given.names[0]), here.graphs
    run = _run(given)
    return here.graphs.get(run.name, run.graph), {**run.subgraphs, **here.graphs}


def _run(given: Given) -> RunRecord:
    """Return the run that is named, else the one that would be taken."""
    named = given.run_id()
    if named is None:
        rows = session.runs(limit=_MOST)
        named = next(row.id for row in rows if "place" in given.options or row.status != Status.COMPLETED)
    return session.read(named)


def _paths(
    graph: GraphDefinition, subgraphs: Mapping[str, GraphDefinition], inside: frozenset[str]
) -> Iterator[str]:  # fmt: skip
    for node in graph.nodes:
        yield node.node_id
        if node.graph is not None and node.graph in subgraphs and node.graph not in inside:
            inner = _paths(subgraphs[node.graph], subgraphs, inside | {node.graph})
            yield from (f"{node.node_id}/{path}" for path in inner)
