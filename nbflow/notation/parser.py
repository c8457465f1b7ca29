"""Parses graphs from texts: the notation, or JSON.

A fault of one line is shown at its position; the graph's own validation finds the faults of the whole graph.

The lexer's tokens go through lark's LALR parser, which reduces them to statements (`Chain`, `Declaration`, `Line`), in
the order of the text and with the offset of every word. `_GraphReader` gathers the statements of one graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

from lark import Lark, Transformer
from lark.exceptions import UnexpectedToken

from nbflow.errors import GraphError, did_you_mean, name_list
from nbflow.graph import validation
from nbflow.graph.model import END, GraphDefinition
from nbflow.names import identifier
from nbflow.notation import constants, diagnostics, lexer
from nbflow.notation.constants import Setting
from nbflow.notation.json_reader import read_json
from nbflow.notation.positions import Fault, Token, reading

MAX_PARTS = 50_000  # nodes, and edges, of one graph


def read_graph(text: str, *, name: str = "") -> GraphDefinition:
    """Return the graph that the text of a `%%flow_graph` cell defines: notation, or JSON if it starts with `{`.

    Args:
        text: At most 1 MB.
        name: The graph's name, as the magic gives it.

    Raises:
        NotationError: The text cannot be parsed; the error names the position and what was expected.
        GraphError: The text can be parsed, and defines no valid graph, or one with another name.
    """
    with reading(text):
        if _begins(text, "{"):
            return _named(read_json(text), name)
        return _GraphReader(name).graph(statements(text))


def read_flow(text: str) -> list[GraphDefinition]:
    """Return the graphs of a `.flow` file: sections that start with `graph NAME`, one graph without, or JSON.

    Raises:
        NotationError: The text cannot be parsed; the error names the position and what was expected.
        GraphError: The text can be parsed, and defines no valid graph, or two with one name.
    """
    with reading(text):
        if _begins(text, "{["):
            data = read_json(text)
            graphs = [_named(item, "") for item in (data if isinstance(data, list) else [data])]
            for graph in graphs:
                if sum(other.name == graph.name for other in graphs[:50]) > 1:
                    raise GraphError(f"two graphs have the name {graph.name!r}; rename one")
            return graphs
        return [_GraphReader(name).graph(section) for name, section in _sections(statements(text))]


def parse_constant(text: str) -> Any:
    """Return the value that a text spells as a constant, in JSON or Python.

    Raises:
        NotationError: It spells none: a bare word, something computed, NaN, inf, or nested over 50 deep.
    """
    with reading(text):
        return _constant(text)


def _begins(text: str, signs: str) -> bool:
    return text.lstrip(validation.WHITE)[:1] in tuple(signs)


def _named(data: Any, name: str) -> GraphDefinition:
    if not isinstance(data, dict):
        raise GraphError(f"a graph is a JSON object, not {data!r:.60}")
    inner, name = data.get("name", ""), identifier(name)
    inner = identifier(inner) if isinstance(inner, str) else inner
    if name and inner and inner != name:
        raise GraphError(f"the text names the graph {inner!r:.60}, the magic {name!r}; take 'name' out of the text")
    return GraphDefinition.model_validate({**data, "name": name or inner})


def _sections(read: Iterable[Statement]) -> Iterable[tuple[str, list[Statement]]]:
    """Return name and statements of each section; a text without headers is one section without a name."""
    sections: dict[str, list[Statement]] = {}
    headers: dict[str, int] = {}
    current: list[Statement] = []
    for statement in read:
        if isinstance(statement, Line) and statement.kind == "header":
            if current and not headers:
                raise Fault("there are statements above this first 'graph NAME'; move it to the top", statement.start)
            name = constants.name(statement.words[0])
            if name in headers:
                raise Fault(f"the graph {name!r} appears twice", statement.start, earlier=headers[name])
            headers[name] = statement.start
            current = sections[name] = []
        else:
            current.append(statement)
    for name, section in sections.items():
        if not section:
            raise Fault(f"the graph {name!r} is empty; write at least one node under it", headers[name])
    return sections.items() or [("", current)]


class _GraphReader:
    """Collects the statements of one graph."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: list[dict[str, Any]] = []
        self.conditions: list[Token] = []
        self.reducers: dict[str, str] = {}
        self.settings: dict[str, Any] = {}
        self._declared: dict[str, int] = {}
        self._entry = 0
        self._seen: dict[Any, int] = {}
        self._elses: list[tuple[str, int]] = []

    def graph(self, read: Iterable[Statement]) -> GraphDefinition:
        """Return the graph.

        Raises:
            Fault: Something is wrong at a place.
            GraphError: Something is wrong with the whole.
        """
        for statement in read:
            if isinstance(statement, Chain):
                self._chain(statement)
            elif isinstance(statement, Declaration):
                self._declare(statement)
            else:
                self._line(statement)
        if not self.nodes:
            raise Fault("there is no node here; write for instance 'fetch -> parse'", 0)
        self._check_entry()
        self._check_elses()
        try:
            return GraphDefinition.model_validate(
                {"name": self.name, "nodes": list(self.nodes.values()), "edges": self.edges, **self.settings}
                | ({"reducers": self.reducers} if self.reducers else {})
            )
        except GraphError:
            self._check_conditions()
            raise

    def _node(self, token: Token) -> str:
        """Return the id that a token names, and note that it was mentioned."""
        name = identifier(token.text)
        if name[0] in "\"'":
            name = constants.name(token)
            if why := name != END and validation.id_fault(name):
                raise Fault(f"a node's id {why}; choose another", token.start)
        if name not in self.nodes and name != END:
            if len(self.nodes) >= MAX_PARTS:
                raise Fault(f"a graph has at most {MAX_PARTS} nodes", token.start)
            self.nodes[name] = {"node_id": name, "tool": name}
        return name

    def _chain(self, chain: Chain) -> None:
        groups = [(group, [self._node(token) for token in group]) for group in chain.groups]
        otherwise = [self._node(token) for token in chain.otherwise or ()]
        limit = constants.edge_limit(chain.options) if chain.options else None
        for tokens, names in groups[:-1]:
            if END in names:
                raise Fault("paths end at END; no edge leaves it", tokens[names.index(END)].start)
        for (_, sources), (tokens, targets) in pairwise(groups[:-1]):
            self._connect(sources, targets, {"type": "normal"}, tokens[0])
        (_, sources), (tokens, targets) = groups[-2:]
        tail: dict[str, Any] = {"type": "normal" if chain.kind == "else" else chain.kind}
        if limit is not None:
            tail["max_iterations"] = limit
        if chain.kind == "else":
            self._elses += [(source, tokens[0].start) for source in sources]
        if chain.condition is None:
            self._connect(sources, targets, tail, tokens[0])
            return
        if len(targets) > 1:
            raise Fault(
                f"a condition has one target, because only the first true condition is taken; let it lead to a node "
                f"that leads to both: '{targets[0]}_and_{targets[1]} = pass'",
                tokens[1].start,
            )
        self.conditions.append(chain.condition)
        condition = {**tail, "condition": lexer.condition_text(chain.condition)[0]}
        for source in sources:
            self._connect([source], targets, condition, tokens[0])
            if otherwise:
                self._elses.append((source, chain.otherwise[0].start if chain.otherwise else 0))
                self._connect([source], otherwise, {**tail, "type": "normal"}, tokens[0])

    def _connect(self, sources: list[str], targets: list[str], tail: dict[str, Any], place: Token) -> None:
        if len(sources) * len(targets) + len(self.edges) > MAX_PARTS:
            raise Fault(f"a graph has at most {MAX_PARTS} edges", place.start)
        kind, condition = tail["type"], tail.get("condition")
        for source in sources:
            for target in targets:
                same = (source, target, kind, condition)
                if same in self._seen:
                    raise Fault(f"the edge '{_edge(*same)}' appears twice", place.start, earlier=self._seen[same])
                self._seen[same] = place.start
                self.edges.append({"from_node": source, "to_node": target, **tail})

    def _declare(self, declaration: Declaration) -> None:
        token = declaration.name
        name = self._node(token)
        if name == END:
            raise Fault("END is where paths end, not a node; choose another name", token.start)
        if name in self._declared:
            raise Fault(f"the node {name!r} is declared twice", token.start, earlier=self._declared[name])
        self._declared[name] = token.start
        node: dict[str, Any] = {"node_id": name, declaration.key: constants.name(declaration.runs)}
        if declaration.params:
            node["params"] = self._params(declaration.params)
        node |= constants.node_options(declaration.options)
        for fault in validation.node_faults(node) if declaration.options else ():
            raise Fault(fault, declaration.options[0][0].start)
        self.nodes[name] = node

    def _params(self, params: list[tuple[Token, Any]]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        seen: dict[str, int] = {}
        for token, value in params:
            name = constants.name(token)
            if name in seen:
                raise Fault(f"the param {name!r} appears twice", token.start, earlier=seen[name])
            seen[name], read[name] = token.start, value
        return read

    def _line(self, line: Line) -> None:
        match line.kind:
            case "header":
                raise Fault(
                    "a cell's graph has its name from the magic: '%%flow_graph NAME'; take this line away "
                    "(a .flow file has one such line above each graph)",
                    line.start,
                )
            case "reduce":
                key, reducer = map(constants.name, line.words)
                self._once(line, f"the reducer of {key!r}", ("reduce", key))
                self.reducers[key] = reducer
            case "entry":
                self._once(line, "'entry'", "entry")
                self.settings["entry_node"] = constants.name(line.words[0])
                self._entry = line.words[0].start
            case "max_iterations":
                self._once(line, "'max_iterations'", "max_iterations")
                self.settings["max_iterations"] = constants.positive(line.words[0])

    def _once(self, line: Line, what: str, key: Any) -> None:
        if key in self._seen:
            raise Fault(f"{what} appears twice", line.start, earlier=self._seen[key])
        self._seen[key] = line.start

    def _check_entry(self) -> None:
        entry = self.settings.get("entry_node")
        if entry is not None and entry not in self.nodes:
            known = f"{did_you_mean(entry, self.nodes)}; nodes: {name_list(self.nodes)}"
            raise Fault(f"'entry' names {entry[:40]!r}, which no other line names{known}", self._entry)

    def _check_elses(self) -> None:
        conditional = {edge["from_node"] for edge in self.edges if "condition" in edge} if self._elses else set()
        for source, at in self._elses:
            if source not in conditional:
                raise Fault(f"'else' needs a condition on {source!r}: 'a -> b if … else c'", at)
            if self.nodes[source].get("route") == "all":
                raise Fault(
                    f"{source!r} has route=all and takes every edge that holds, so nothing is 'else' there; "
                    f"write the edge on a separate line",
                    at,
                )

    def _check_conditions(self) -> None:
        """Show the first condition that cannot be read at its own place."""
        for token in self.conditions:
            text, offsets = lexer.condition_text(token)
            if error := validation.condition_fault(text):
                at = offsets[min((error.column or 1) - 1, len(offsets) - 1)]
                raise Fault(diagnostics.in_condition(text, error.problem), at)


def _edge(source: str, target: str, kind: str, condition: str | None) -> str:
    tail = f" if {condition}" if condition is not None else " on error" if kind == "error" else ""
    return f"{source[:40]} -> {target[:40]}{tail[:80]}"


# Statements


class Chain(NamedTuple):
    """Groups of nodes joined by arrows; all but `groups` belongs to the last arrow."""

    groups: list[list[Token]]
    kind: str  # "normal", "conditional", "error" or "else"
    options: list[Setting]
    condition: Token | None = None
    otherwise: list[Token] | None = None  # the targets of the `else` of a condition


class Declaration(NamedTuple):
    """A declaration of a node: its tool or graph, params and options."""

    name: Token
    key: str  # "tool" or "graph"
    runs: Token
    params: list[tuple[Token, Any]]
    options: list[Setting]


class Line(NamedTuple):
    """A statement about the whole graph: its kind, its first word, and the names in it."""

    kind: str  # "header", "reduce", "max_iterations" or "entry"
    start: int
    words: tuple[Token, ...]


Statement = Chain | Declaration | Line


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a text in the notation.

    Raises:
        Fault: The text cannot be read.
    """
    return _read(text, "statement")


def _constant(text: str) -> Any:
    """Return the constant that a text spells.

    Raises:
        Fault: It spells none.
    """
    for value in _read(text, "constant"):
        return value
    raise Fault("a value is missing here", 0)


def _read(text: str, start: str) -> Iterator[Any]:
    """Yield the statements that lark's parser returns for the tokens up to each SEP, and up to the end."""
    state = _parser().parse_interactive(start=start).parser_state
    fed: list[Token] = []
    token = Token("$END", "", len(text))
    try:
        for token in lexer.tokens(text, inside=start == "constant"):
            if token.type != "SEP" or start == "constant":
                state.feed_token(token)  # type: ignore[arg-type]  # it reads nothing of a token but its type
                fed.append(token)
            elif fed:
                yield state.feed_token(token._replace(type="$END"), True)  # type: ignore[arg-type]
                # As it was at first: a parser for each line would cost more than the line.
                del state.state_stack[1:], state.value_stack[:], fed[:]
        if fed:
            token = Token("$END", "", len(text))
            yield state.feed_token(token, True)  # type: ignore[arg-type]
    except UnexpectedToken as error:
        raise diagnostics.unexpected(text, fed, token, error.expected, inside=start == "constant") from None


@cache
def _parser() -> Lark:
    return Lark(
        files("nbflow.notation").joinpath("grammar.lark").read_text("utf-8"),
        parser="lalr",
        lexer="basic",
        start=["statement", "constant"],
        keep_all_tokens=True,
        maybe_placeholders=False,
        transformer=_Builder(),
    )


Parts = list[Any]


class _Builder(Transformer[Any, Any]):
    """Makes statements and values while lark's parser reduces; each method is named by its rule in the grammar."""

    def normal(self, parts: Parts) -> Chain:
        return Chain(parts[0], "normal", parts[1] if len(parts) > 1 else [])

    def error(self, parts: Parts) -> Chain:
        return Chain(parts[0], "error", parts[2] if len(parts) > 2 else [])

    def conditional(self, parts: Parts) -> Chain:
        return Chain(parts[0], "conditional", parts[2] if len(parts) > 2 else [], parts[1])

    def either(self, parts: Parts) -> Chain:
        return Chain(parts[0], "conditional", parts[4] if len(parts) > 4 else [], parts[1], parts[3])

    def otherwise(self, parts: Parts) -> Chain:
        groups = [parts[0]] if isinstance(parts[0][0], Token) else parts[0]
        return Chain([*groups, parts[3]], "else", parts[4] if len(parts) > 4 else [])

    def declaration(self, parts: Parts) -> Declaration:
        name, (key, runs), params, *options = parts
        return Declaration(name, key, runs or name, params, options[0] if options else [])

    def own_tool(self, parts: Parts) -> tuple[str, None]:
        return "tool", None

    def tool(self, parts: Parts) -> tuple[str, Token]:
        return "tool", parts[1]

    def subgraph(self, parts: Parts) -> tuple[str, Token]:
        return "graph", parts[2]

    def header(self, parts: Parts) -> Line:
        return Line("header", parts[0].start, (parts[1],))

    def reduce(self, parts: Parts) -> Line:
        return Line("reduce", parts[0].start, (parts[1], parts[3]))

    def max_iterations(self, parts: Parts) -> Line:
        return Line("max_iterations", parts[0].start, (parts[1],))

    def entry(self, parts: Parts) -> Line:
        return Line("entry", parts[0].start, (parts[1],))

    def nothing(self, parts: Parts) -> Parts:
        return []

    def inner(self, parts: Parts) -> Any:
        return parts[1]

    def first(self, parts: Parts) -> Parts:
        return parts

    one = first

    def following(self, parts: Parts) -> Any:
        parts[0].append(parts[2])
        return parts[0]

    another = further = following

    def hop(self, parts: Parts) -> Parts:
        return [parts[0], parts[2]]

    def pair(self, parts: Parts) -> tuple[Token, Any]:
        return parts[0], parts[2]

    def string(self, parts: Parts) -> str:
        return constants.unquoted(parts[0])

    def number(self, parts: Parts) -> int | float:
        return constants.number(parts[0])

    def word(self, parts: Parts) -> bool | None:
        return constants.word(parts[0])

    def no_list(self, parts: Parts) -> Parts:
        return []

    def no_dict(self, parts: Parts) -> dict[Any, Any]:
        return {}

    def no_tuple(self, parts: Parts) -> tuple[Any, ...]:
        return ()

    def tuple_of(self, parts: Parts) -> tuple[Any, ...]:
        return (parts[1], *(parts[3] if isinstance(parts[3], list) else []))

    def dict_of(self, parts: Parts) -> dict[Any, Any]:
        return constants.mapping(parts[1])
