"""Complete the lines of magics: names, ids, options and their values, keys of a state.

The arguments of a magic come from its argparse parser, and the words before the cursor from the parser of such lines.

Invariant: completion raises nothing. It offers nothing inside a Python expression, or on a line that cannot be parsed.
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

# The candidates: graphs, runs, nodes, keys of a state, answers. The metavar of an argument selects the function that
# lists its candidates (`OFFERS`). Such a function may read the store and block, so it runs in a thread with a time
# limit.

EXPRESSION = "KEY=EXPR"
_MOST = 50
_STEERING = ("flow_answer", "flow_cancel")
_BARE = re.compile(r"[^\s\"'=#;,()\[\]{}]+")


class Offer(NamedTuple):
    """A candidate: its text, and the kind that front ends show beside it."""

    text: str
    kind: str


@dataclass
class Given:
    """The parsed part of a magic's line, before the word at the cursor.

    Attributes:
        magic: The name of the magic.
        cell: The text of the whole cell.
        names: The positional words.
        keys: The keys of `KEY=EXPR`.
        options: The values of each option, by its `dest` in the parser; an empty list for a flag.
        waiting: The option whose value is the next word.
        closed: True after a final `;` or a comment: nothing more can follow.
    """

    magic: str
    cell: str
    names: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    options: dict[str, list[str]] = field(default_factory=dict)
    waiting: argparse.Action | None = None
    closed: bool = False

    def run_id(self) -> str | None:
        """Return the named run: its id, or the first characters of it."""
        named = self.options.get("run", []) if self.magic == "flow_answer" else self.names
        return named[0] if named else None


def graphs(_given: Given) -> Iterator[Offer]:
    """Yield the names of the session's graphs."""
    return (Offer(_quoted(name), "graph") for name in session.graphs())


def runs(given: Given) -> Iterator[Offer]:
    """Yield the ids of the runs that the magic can use, newest first."""
    if given.magic in _STEERING:
        ids = [run.id for run in _active(asking=given.magic == "flow_answer")]
    else:
        ids = [row.id for row in session.runs(limit=_MOST)]
    return (Offer(name, "run") for name in ids)


def graphs_and_runs(given: Given) -> Iterator[Offer]:
    """Yield the names of graphs and the ids of runs, for `%flow_show`."""
    yield from graphs(given)
    yield from runs(given)


def stored(_given: Given) -> Iterator[Offer]:
    """Yield the names of the graphs in the store, then each as `NAME@VERSION`."""
    found = [one.row for one in session.stored_graphs()]
    yield from (Offer(name, "graph") for name in dict.fromkeys(row.name for row in found))
    yield from (Offer(f"{row.name}@{row.version}", "version") for row in found)


def nodes(given: Given) -> Iterator[Offer]:
    """Yield the paths of the graph's nodes, those of subgraphs included; for `%flow_answer` the nodes that ask."""
    if given.magic == "flow_answer":
        names: Iterable[str] = dict.fromkeys(question.node for question in _questions(given.run_id()))
    else:
        graph, subgraphs = _graph(given)
        names = _paths(graph, subgraphs, frozenset())
    return (Offer(name, "node") for name in names)


def places(given: Given) -> Iterator[Offer]:
    """Yield the nodes before which a fork can start."""
    graph, _ = _graph(given)
    return (Offer(node.node_id, "node") for node in graph.nodes)


def keys_of(given: Given) -> Iterator[Offer]:
    """Yield `KEY=` for the keys not given yet: those a graph needs, a fork can change, or an answer consists of."""
    if given.magic == "flow_answer":
        names = [] if given.names else [key for question in _questions(given.run_id()) for key in _fields(question)]
    else:
        graph, subgraphs = _graph(given)
        names = [need.name for need in needs(graph, session.current().registry, subgraphs)]
        if given.magic != "flow_run":
            names += _run(given).state
    return (Offer(f"{name}=", "key") for name in dict.fromkeys(names) if name not in given.keys)


def answers(given: Given) -> Iterator[Offer]:
    """Yield the choices of the open questions, quoted if necessary."""
    wanted = given.options.get("node", [])
    for question in _questions(given.run_id()):
        if not wanted or question.node in wanted:
            for choice in map(str, question.told.get("choices", ())):
                yield Offer(_quoted(choice), "choice")


def functions(given: Given) -> Iterator[Offer]:
    """Yield the functions that the cell defines."""
    return (Offer(name, "function") for name in re.findall(r"^(?:async\s+)?def\s+(\w+)", given.cell, re.MULTILINE))


OFFERS: Mapping[str, Callable[[Given], Iterator[Offer]]] = {
    "NAME": graphs, "NAME|RUN": graphs_and_runs, "NAME[@VERSION]": stored, "RUN": runs, "NODE": nodes,
    "PLACE": places, EXPRESSION: keys_of, "ANSWER": answers, "FUNCTION": functions,
}  # fmt: skip


def _quoted(name: str) -> str:
    return name if _BARE.fullmatch(name) else f'"{name}"'


def _active(*, asking: bool) -> list[Run]:
    return session.current().active_runs(asking=asking)[::-1]


def _questions(run_id: str | None) -> list[Question]:
    found = [run for run in _active(asking=True) if run.id.startswith(run_id or "")]
    return [question for run in found for question in run.asking]


def _fields(question: Question) -> list[str]:
    schema = question.told.get("schema")
    return list(schema.get("properties", ())) if isinstance(schema, Mapping) else []


def _graph(given: Given) -> tuple[GraphDefinition, Mapping[str, GraphDefinition]]:
    """Return the named graph, or the graph of the run to resume, and the graphs that its nodes can run."""
    here = session.current()
    if given.magic == "flow_run":
        return here.find(given.names[0]), here.graphs
    run = _run(given)
    return here.graphs.get(run.name, run.graph), {**run.subgraphs, **here.graphs}


def _run(given: Given) -> RunRecord:
    """Return the named run; without a name, the run that the magic would take."""
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

LOOKUP_SECONDS = 0.9
"""The time limit of a lookup, in seconds. JupyterLab waits one second for the kernel's completions."""
_MAGIC = re.compile(r"[^#]*?(%{1,2})(flow_\w+)\s+(?=(.*))", re.DOTALL)
_BODY = re.compile(r"%%flow_run\s+(.+)")
_WORD = re.compile(r"\S*$")


class Completion:
    """A matcher for IPython's completer."""

    def __init__(self, shell: Any) -> None:
        self._shell, self._completer = shell, shell.Completer
        self._matcher: Callable[[CompletionContext], SimpleMatcherResult] = context_matcher(identifier="nbflow")(
            lambda context: self._match(
                context
            )  # a function, since IPython sets attributes on it, which a bound method does not allow
        )

    def install(self) -> None:
        """Register the matcher with the completer."""
        self._completer.custom_matchers.append(self._matcher)

    def uninstall(self) -> None:
        """Remove the matcher."""
        self._completer.custom_matchers.remove(self._matcher)

    def _match(self, context: CompletionContext) -> SimpleMatcherResult:
        with suppress(Exception):  # a half-typed line may raise anything in a parser; it then has no completions
            line = _line(context)
            if found := _MAGIC.match(line):
                return _result(self._offered(found[1], found[2], found[3], context), context.token, only=True)
            if context.cursor_line and re.fullmatch(r"\w*", line) and (found := _BODY.match(context.full_text)):
                keys = (Offer(f"{one.text[:-1]} = ", one.kind) for one in self._keys(found[1]))
                return _result(_beginning(line, keys), context.token, only=False)
        return {"completions": []}

    def _offered(self, sign: str, name: str, left: str, context: CompletionContext) -> Iterator[Offer]:
        """Return the candidates at the end of a magic's line, cut to the part that continues IPython's token."""
        found = _WORD.search(left)
        word = found.group() if found else ""
        magic = self._shell.find_magic(name, "cell" if sign == "%%" else "line")
        given = read(name, magic.parser, left.removesuffix(word), context.full_text)
        known = len(word) - len(context.token)
        return (Offer(one.text[known:], one.kind) for one in _beginning(word, _possible(magic.parser, given)))

    def _keys(self, line: str) -> Iterable[Offer]:
        magic = self._shell.find_magic("flow_run", "cell")
        given = read("flow_run", magic.parser, line + " ", "")
        return within(LOOKUP_SECONDS, lambda: list(keys_of(given)))


def read(name: str, parser: argparse.ArgumentParser, left: str, cell: str) -> Given:
    """Parse the line of a magic up to the word at the cursor.

    Args:
        name: The name of the magic.
        parser: The parser of its arguments.
        left: The text between the name and the word.
        cell: The text of the whole cell.

    Raises:
        NotationError, UsageError: A quote or an expression is not closed.
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
    """Yield the candidates for the next word."""
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
    """Yield the positional arguments that the next word can be, up to the first required one."""
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
    return () if source is None else within(LOOKUP_SECONDS, lambda: list(source(given)))


def within(seconds: float, lookup: Callable[[], list[Offer]]) -> list[Offer]:
    """Return the result of a lookup; an empty list if it fails or exceeds the time limit in seconds.

    A lookup that exceeds the limit ends in its thread, and its result is dropped.
    """
    found: Future[list[Offer]] = Future()

    def run() -> None:
        try:
            found.set_result(lookup())
        except Exception:  # noqa: BLE001 - a store that cannot be read, or a graph that is not there, has no names
            found.set_result([])

    Thread(target=run, name="nbflow-completion", daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        return []


def _beginning(word: str, offers: Iterable[Offer]) -> Iterator[Offer]:
    """Return the candidates that start with the word and are longer."""
    return (one for one in offers if one.text.startswith(word) and one.text != word)


def _result(offers: Iterable[Offer], token: str, *, only: bool) -> SimpleMatcherResult:
    completions = [SimpleCompletion(text=one.text, type=one.kind) for one in offers if one.text.startswith(token)]
    return {"completions": completions, "ordered": True, "suppress": only}


def _line(context: CompletionContext) -> str:
    """Return the line up to the cursor, joined with the lines above that end with a backslash."""
    lines = context.full_text.split("\n")[: context.cursor_line + 1]
    lines[-1] = lines[-1][: context.cursor_position]
    first = len(lines) - 1
    while first and lines[first - 1].endswith("\\"):
        first -= 1
    return " ".join([*(line.removesuffix("\\") for line in islice(lines, first, len(lines) - 1)), lines[-1]])
