"""Writes graphs in the notation.

Invariant: the text parses to an equal graph, with its nodes and edges in their order. Of several equivalent forms, the
shortest is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from nbflow.errors import GraphError
from nbflow.graph.model import EdgeDefinition, GraphDefinition, NodeDefinition
from nbflow.notation.constants import constant_fault
from nbflow.notation.lexer import is_bare

_WIDTH = 100
# Only fields that are set are written: the tool has the default of any other.
_TOOL_DEFAULTS = ("retries", "backoff", "timeout", "executor")
_UNPRINTED = re.compile(r"[^\x20-\x7e]")


def to_text(graph: GraphDefinition) -> str:
    """Return the graph in the notation; `read_graph` of it, with the graph's name, gives an equal one.

    Raises:
        GraphError: A param is not a constant of the notation: an object, NaN, inf, or nested over 50 deep.
    """
    chained, single = (_lines(graph, list(_steps(graph, grouped=grouped))) for grouped in (True, False))
    lines = min(chained, single, key=len)
    lines += [f"reduce {_name(key)} with {_name(reducer)}" for key, reducer in graph.reducers.items()]
    if graph.max_iterations != 100:
        lines.append(f"max_iterations {_whole(graph.max_iterations)}")
    if graph.entry_node is not None:
        lines.append(f"entry {_name(graph.entry_node)}")
    return "\n".join(lines) + "\n"


class _Step(NamedTuple):
    """One arrow: all sources to all targets, and, after a condition that is false, to others."""

    sources: list[str]
    targets: list[str]
    others: list[str]
    tail: tuple[Any, ...]  # type, condition, limit, whether the targets are the others of conditions written before


def _lines(graph: GraphDefinition, steps: list[_Step]) -> list[str]:
    """Return declarations and chains such that nodes are first mentioned in the graph's order."""
    rank: dict[str, int] = {}
    for step in steps:
        for name in (*step.sources, *step.targets, *step.others):
            rank.setdefault(name, len(rank))
    ids = [node.node_id for node in graph.nodes]
    declared = {node.node_id: _declaration(node) for node in graph.nodes}
    first = 0  # how many nodes must be declared above the chains, for these mention them in another order
    for at, name in enumerate(ids):
        follows = rank.get(ids[at + 1], -1) if at + 1 < len(ids) else len(rank)
        if name not in rank or follows < rank[name]:
            first = at + 1
    while first < len(ids) and declared[ids[first]] != _name(ids[first]):
        first += 1
    below = [declared[name] for name in ids[first:] if declared[name] != _name(name)]
    return [*(declared[name] for name in ids[:first]), *_chains(steps), *below]


def _steps(graph: GraphDefinition, *, grouped: bool) -> Iterator[_Step]:
    """Yield the edges, in order, as arrows of as many sources and targets as say just the same."""
    conditional = {edge.from_node for edge in graph.edges if edge.type == "conditional"}
    conditional -= {node.node_id for node in graph.nodes if node.route == "all"}
    runs = [(source, list(edges)) for source, edges in groupby(graph.edges, key=lambda edge: edge.from_node)]
    steps = [step for source, edges in runs for step in _of_one_source(source, edges, source in conditional)]
    at = 0
    while at < len(steps):
        step = steps[at]
        sources = dict.fromkeys(step.sources)
        at += 1
        while grouped and at < len(steps) and steps[at][1:] == step[1:] and steps[at].sources[0] not in sources:
            sources[steps[at].sources[0]] = None
            at += 1
        yield step._replace(sources=list(sources))


def _of_one_source(source: str, edges: list[EdgeDefinition], has_else: bool) -> Iterator[_Step]:
    at = 0
    while at < len(edges):
        tail = _tail(edges[at], has_else)
        targets, others = [edges[at].to_node], []
        at += 1
        if tail[0] == "conditional":
            follows = ("normal", None, tail[2], True)
            while at < len(edges) and _tail(edges[at], has_else) == follows:
                others.append(edges[at].to_node)
                at += 1
        else:
            while at < len(edges) and _tail(edges[at], has_else) == tail:
                targets.append(edges[at].to_node)
                at += 1
        yield _Step([source], targets, others, tail)


def _tail(edge: EdgeDefinition, has_else: bool) -> tuple[Any, ...]:
    return edge.type, edge.condition, edge.max_iterations, has_else and edge.type == "normal"


def _chains(steps: list[_Step]) -> Iterator[str]:
    """Yield the lines of arrows; a plain arrow is appended to the line whose last targets are its sources."""
    words: list[str] = []
    ends: list[str] | None = None
    for step in steps:
        plain = step.tail == ("normal", None, None, False)
        if step.sources != ends or not plain:
            if words:
                yield _wrapped(words)
            words = _group(step.sources)
        kind, condition, limit, is_else = step.tail
        targets = _group(step.targets)
        words += ["-> else " + targets[0] if is_else else "-> " + targets[0], *targets[1:]]
        if condition is not None:
            words[-1] += f" if {condition}"
        if step.others:
            others = _group(step.others)
            words[-1] += f" else {others[0]}"
            words += others[1:]
        words[-1] += " on error" * (kind == "error") + (f" [max={_whole(limit)}]" if limit is not None else "")
        ends = step.targets if plain else None
    if words:
        yield _wrapped(words)


def _group(names: list[str]) -> list[str]:
    return [_name(name) + " &" * (at < len(names) - 1) for at, name in enumerate(names)]


def _wrapped(words: list[str]) -> str:
    """Join the words of a chain; a line may end after `&` and before `->`, which is where they part."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) < _WIDTH:
            lines[-1] += " " + word
        else:
            lines.append("    " + word)
    return "\n".join(lines)


def _declaration(node: NodeDefinition) -> str:
    name = _name(node.node_id)
    text = name
    if node.graph is not None:
        text += f" = graph {_name(node.graph)}"
    elif node.tool is not None and node.tool != node.node_id:
        text += f" = {_name(node.tool)}"
    if node.params:
        text += f"({', '.join(f'{_name(key)}={_param(node, key, value)}' for key, value in node.params.items())})"
    settings = [f"{key}={value}" for key, value in _options(node)]
    return text + (f" [{', '.join(settings)}]" if settings else "")


def _options(node: NodeDefinition) -> Iterator[tuple[str, str]]:
    for attribute, field in NodeDefinition.model_fields.items():
        value = getattr(node, attribute)
        if attribute in ("node_id", "tool", "graph", "params"):
            continue
        if value != field.default or (attribute in _TOOL_DEFAULTS and attribute in node.model_fields_set):
            yield field.alias or attribute, _setting(value)


def _param(node: NodeDefinition, key: str, value: Any) -> str:
    if fault := constant_fault(value):
        raise GraphError(f"the param {key!r} of node {node.node_id!r} cannot be written: {fault}")
    return _constant(value)


def _constant(value: Any) -> str:
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return _quoted(value)
        case int():
            return _whole(value)
        case float():
            return repr(float(value))
        case dict():
            return "{" + _listed(f"{_constant(key)}: {_constant(item)}" for key, item in value.items()) + "}"
        case tuple():
            return f"({_listed(map(_constant, value))}{',' * (len(value) == 1)})"
    return f"[{_listed(map(_constant, value))}]"


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items)


def _whole(value: int) -> str:
    try:
        return str(int(value))
    except ValueError:  # more digits than Python prints
        return hex(value)


def _setting(value: Any) -> str:
    """Return an option's value; seconds without a fraction are written as people do."""
    if isinstance(value, str):
        return _name(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() and value < 1e15 else _constant(value)


def _name(name: str) -> str:
    return str(name) if is_bare(name) else _quoted(name)


def _quoted(text: str) -> str:
    """Quote as JSON does; escape unprintable characters, and half surrogate pairs so that two halves never join."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTED.sub(lambda c: c.group() if c.group().isprintable() else f"\\U{ord(c.group()):08x}", quoted)
