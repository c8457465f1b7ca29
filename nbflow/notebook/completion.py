"""Completes what stands on the lines of magics: names, ids, options and their values, keys of a state.

Rule: what a magic takes is read from its own parser, and how far its line has come by the parser of such lines. Where
an expression of Python stands, and where a line cannot be read, nothing is offered, and nothing is ever raised.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from threading import Thread
from typing import Any, NamedTuple

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from nbflow import session
from nbflow.engine import Run
from nbflow.engine.questions import Question
from nbflow.engine.record import RunRecord
from nbflow.events import Status
from nbflow.graph import GraphDefinition
from nbflow.graph.needs import needs
from nbflow.notation import hides_value, parse_run_line
from nbflow.notebook.arguments import words

# What there is to name on a magic's line: graphs, runs, nodes, keys of a state, answers.
#
# Rule: an argument's metavar says what it names; a look-up may block, so it is done where nobody waits for long.

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


# -- completion --------------------------------------------------------------------------------------------------------

PATIENCE = 0.9
"""Seconds that a look-up may take: JupyterLab gives up on a kernel that needs longer than one."""
_MAGIC = re.compile(r"[^#]*?(%{1,2})(flow_\w+)\s+(?=(.*))", re.DOTALL)
_BODY = re.compile(r"%%flow_run\s+(.+)")
_WORD = re.compile(r"\S*$")


class Completion:
    """A matcher for IPython's completer."""

    def __init__(self, shell: Any) -> None:
        self._shell, self._completer = shell, shell.Completer
        self._matcher: Callable[[CompletionContext], SimpleMatcherResult] = context_matcher(identifier="nbflow")(
            lambda context: self._match(context)  # a bound method takes none of the marks that IPython puts on it
        )

    def install(self) -> None:
        """Begin to offer names."""
        self._completer.custom_matchers.append(self._matcher)

    def uninstall(self) -> None:
        """Offer none any longer."""
        self._completer.custom_matchers.remove(self._matcher)

    def _match(self, context: CompletionContext) -> SimpleMatcherResult:
        with suppress(Exception):  # whatever stands half written on a line, completion must not fail by it
            line = _line(context)
            if found := _MAGIC.match(line):
                return _result(self._offered(found[1], found[2], found[3], context), context.token, only=True)
            if context.cursor_line and re.fullmatch(r"\w*", line) and (found := _BODY.match(context.full_text)):
                keys = (Offer(f"{one.text[:-1]} = ", one.kind) for one in self._keys(found[1]))
                return _result(_beginning(line, keys), context.token, only=False)
        return {"completions": []}

    def _offered(self, sign: str, name: str, left: str, context: CompletionContext) -> Iterator[Offer]:
        """Return what may stand at the end of the line of a magic, as it continues the token."""
        found = _WORD.search(left)
        word = found.group() if found else ""
        magic = self._shell.find_magic(name, "cell" if sign == "%%" else "line")
        given = read(name, magic.parser, left.removesuffix(word), context.full_text)
        known = len(word) - len(context.token)
        return (Offer(one.text[known:], one.kind) for one in _beginning(word, _possible(magic.parser, given)))

    def _keys(self, line: str) -> Iterable[Offer]:
        magic = self._shell.find_magic("flow_run", "cell")
        given = read("flow_run", magic.parser, line + " ", "")
        return within(PATIENCE, lambda: list(keys_of(given)))


def read(name: str, parser: argparse.ArgumentParser, left: str, cell: str) -> Given:
    """Return what a magic was given on its line so far, which ends before a word.

    Raises:
        NotationError, UsageError: Something stands open there, such as a quote or an expression.
    """
    if any(action.metavar == EXPRESSION for action in parser._actions):
        asked = parse_run_line(left)
        tokens = [*([asked.name] if asked.name else []), *asked.options]
        given = Given(name, cell, keys={key for key, _ in asked.assignments})
    else:
        tokens = words(left)
        given = Given(name, cell)
    for token in tokens:
        if given.waiting is not None:
            given.options.setdefault(given.waiting.dest, []).append(token)
            given.waiting = None
        elif token.startswith("--"):
            option, _, value = token.partition("=")
            action = parser._option_string_actions.get(option)
            given.options.setdefault(action.dest if action else option, []).extend([value] if value else [])
            given.waiting = action if action and action.nargs is None and not value else None
        else:
            given.names.append(token)
    given.closed = hides_value(left) or re.search(r"(?<!\S)#", left) is not None
    return given


def _possible(parser: argparse.ArgumentParser, given: Given) -> Iterator[Offer]:
    """Yield what may come next."""
    if given.closed:
        return
    if given.waiting is not None:
        yield from _values(given.waiting, given)
        return
    for action in _next(parser, given):
        yield from _values(action, given)
    for option, action in parser._option_string_actions.items():
        again = isinstance(action, argparse._AppendAction) or action.dest not in given.options
        if option.startswith("--") and again and option != "--help":
            yield Offer(option, "option")


def _next(parser: argparse.ArgumentParser, given: Given) -> Iterator[argparse.Action]:
    """Yield the arguments without `--` that the next word may be: up to one that must come first."""
    left = len(given.names)
    for action in (one for one in parser._actions if not one.option_strings):
        many = action.nargs == "*"
        if left and not many:
            left -= 1
        elif not given.keys or action.metavar == EXPRESSION:
            yield action
            if action.nargs is None:
                return


def _values(action: argparse.Action, given: Given) -> Iterable[Offer]:
    if action.choices is not None:
        return [Offer(str(choice), "choice") for choice in action.choices]
    source = OFFERS.get(str(action.metavar))
    return () if source is None else within(PATIENCE, lambda: list(source(given)))


def within(seconds: float, look: Callable[[], list[Offer]]) -> list[Offer]:
    """Return what a look finds, nothing where it fails or takes longer; it then comes to its end unheard."""
    found: Future[list[Offer]] = Future()

    def run() -> None:
        try:
            found.set_result(look())
        except Exception:  # noqa: BLE001 - a store that cannot be read, or a graph that is not there, has no names
            found.set_result([])

    Thread(target=run, name="nbflow-completion", daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        return []


def _beginning(word: str, offers: Iterable[Offer]) -> Iterator[Offer]:
    """Return the offers that go on with a word."""
    return (one for one in offers if one.text.startswith(word) and one.text != word)


def _result(offers: Iterable[Offer], token: str, *, only: bool) -> SimpleMatcherResult:
    completions = [SimpleCompletion(text=one.text, type=one.kind) for one in offers if one.text.startswith(token)]
    return {"completions": completions, "ordered": True, "suppress": only}


def _line(context: CompletionContext) -> str:
    """Return the line up to the cursor, with those above that go on in it by a backslash."""
    lines = context.full_text.split("\n")[: context.cursor_line + 1]
    lines[-1] = lines[-1][: context.cursor_position]
    first = len(lines) - 1
    while first and lines[first - 1].endswith("\\"):
        first -= 1
    return " ".join([*(line.removesuffix("\\") for line in islice(lines, first, len(lines) - 1)), lines[-1]])
