"""Validation of a graph's plain data, so that one error lists every fault.

Invariant: a check does not stop at the first fault, and trusts no shape of the data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from nbflow import conditions
from nbflow.errors import ConditionError, did_you_mean, name_list

END = "END"
WHITE = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + "\ufeff"
MAX_CONDITIONS = 10_000  # different ones in one graph; each is compiled
MAX_SIZE = 500_000  # nodes and edges of a graph with its subgraphs; to compile so many takes some ten seconds
MAX_NESTING = 150  # subgraphs within subgraphs; each takes several nested calls when it is compiled and run
MAX_FAULTS = 100  # listed; a hostile graph has as many as it has characters
_MAP_ONLY = {"as": None, "into": None, "limit": None, "on_error": "fail", "errors": "carry"}
"""Options that mean something only beside `map`, with their defaults."""


def size_fault(name: str, size: int) -> str | None:
    """Return the fault of a graph that is too large to compile with its subgraphs; None for any other."""
    if size <= MAX_SIZE:
        return None
    return f"graph {name!r:.80} has {size} nodes and edges, with those of its subgraphs; {MAX_SIZE} are the most"


def size_of(raw: Mapping[str, Any]) -> int:
    """Return the number of nodes and edges in a graph's data."""
    return sum(len(part) for part in (raw.get("nodes"), raw.get("edges")) if isinstance(part, list | tuple))


def as_plain(data: Any) -> dict[str, Any]:
    """Return the data of a graph with models converted to dicts; an empty dict for data that is not a mapping."""
    if not isinstance(data, Mapping):
        return {}
    plain = dict(data)
    for part in ("nodes", "edges"):
        if isinstance(plain.get(part), Iterable) and not isinstance(plain[part], str | bytes | Mapping):
            plain[part] = [_plain_part(item) for item in plain[part]]
    return plain


def _plain_part(item: Any) -> Any:
    return item.model_dump(by_alias=True, exclude_unset=True) if isinstance(item, BaseModel) else item


def field_faults(error: ValidationError, raw: Mapping[str, Any]) -> list[str]:
    """Return pydantic's errors as sentences that name the node or edge, and the allowed values."""
    entries = error.errors(include_url=False)[:MAX_FAULTS]
    return [_field_fault(entry["loc"], entry["msg"], entry["type"], entry.get("input"), raw) for entry in entries]


def _field_fault(loc: tuple[Any, ...], message: str, kind: str, value: Any, raw: Mapping[str, Any]) -> str:
    from nbflow.graph.model import EdgeDefinition, GraphDefinition, NodeDefinition

    model: type[BaseModel] = GraphDefinition
    place, rest = "", loc
    if len(loc) > 1 and loc[0] in ("nodes", "edges"):
        model = NodeDefinition if loc[0] == "nodes" else EdgeDefinition
        place, rest = _place(loc[0], loc[1], raw) + ": ", loc[2:]
    key = ".".join(map(str, rest))
    if kind == "extra_forbidden":
        known = [field.alias or name for name, field in model.model_fields.items()]
        return f"{place}unknown key {key!r}{did_you_mean(key, known)}; known keys: {name_list(known, most=20)}"
    if kind == "missing":
        return f"{place}{key!r} is missing"
    shown = repr(value)
    return f"{place}{key or 'the graph'}: {message[:1].lower()}{message[1:]}, got {shown[:60]}{'…' * (len(shown) > 60)}"


def _place(part: str, index: Any, raw: Mapping[str, Any]) -> str:
    try:
        item = raw[part][index]
        name = repr(item["node_id"]) if part == "nodes" else repr(f"{item['from_node']} -> {item['to_node']}")
    except (KeyError, IndexError, TypeError):
        return f"{part[:-1]} {index}"
    return f"{part[:-1]} {name}"


def structure_faults(raw: Mapping[str, Any]) -> list[str]:
    """Return the faults of ids, edges, options and conditions, at most 100."""
    nodes = [node for node in _dicts(raw, "nodes") if isinstance(node.get("node_id"), str)]
    known = dict.fromkeys(node["node_id"] for node in nodes)
    faults = ["a graph needs at least one node"] if "nodes" in raw and not raw["nodes"] else []
    faults += _repeated_ids([node["node_id"] for node in nodes]) if len(known) < len(nodes) else []
    for node in nodes:
        faults += node_faults(node)
    edges = _Edges(known)
    for index, edge in enumerate(_dicts(raw, "edges")):
        if isinstance(edge.get("from_node"), str) and isinstance(edge.get("to_node"), str):
            faults += edges.faults(edge, index)
            if len(faults) > MAX_FAULTS:
                break
    entry = raw.get("entry_node")
    if isinstance(entry, str) and entry not in known:
        faults.append(f"entry_node names unknown node {entry!r:.80}{_known(entry, known)}")
    return faults[:MAX_FAULTS]


def _dicts(raw: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    items = raw.get(part)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _known(name: str, known: Iterable[str]) -> str:
    known = list(known)
    return f"{did_you_mean(name, known[:500])}; known nodes: {name_list(known)}"


def _repeated_ids(ids: list[str]) -> list[str]:
    first: dict[str, int] = {}
    faults = []
    for index, node_id in enumerate(ids):
        if node_id in first:
            faults.append(f"node id {node_id!r:.80} appears twice, as node {first[node_id]} and node {index}")
        first.setdefault(node_id, index)
    return faults


def id_fault(node_id: str) -> str | None:
    """Return the reason why a string is not a valid node id, or None; `/`, `[` and `]` are for paths."""
    if node_id.isidentifier() and node_id != END:
        return None
    if not node_id or node_id != node_id.strip():
        return "is empty or has white space at its ends"
    if node_id == END:
        return "is the name of the end"
    if any(c in "/[]\ufffe\uffff" or unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") for c in node_id):
        return "holds '/', '[', ']', a control character or a line separator"
    return None


def node_faults(node: Mapping[str, Any]) -> list[str]:
    """Return the faults of one node's id, and of its options in combination."""
    name = node["node_id"]
    faults = []
    if why := id_fault(name):
        faults.append(f"node id {name!r:.80} {why}; choose another")
    runs = [key for key in ("tool", "graph") if node.get(key) is not None]
    if len(runs) != 1:
        faults.append(f"node {name!r:.80} needs one of 'tool' and 'graph', {'not both' if runs else 'and has neither'}")
    if node.get("graph") is not None and node.get("cache"):
        faults.append(f"node {name!r:.80}: 'cache' is for tools; set it on the nodes of graph {node['graph']!r:.80}")
    if node.get("map") is None:
        without = [key for key, default in _MAP_ONLY.items() if node.get(key) not in (None, default)]
        faults += [f"node {name!r:.80}: {key!r} means something only beside 'map'" for key in without]
    elif node.get("graph") is not None and node.get("as") is None:
        faults.append(f"node {name!r:.80}: a map over a subgraph needs 'as', the key each item is put under")
    return faults


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


class _Edges:
    """Validates edges one by one, and each distinct condition once."""

    def __init__(self, known: dict[str, None]) -> None:
        self.known = known
        self.seen: dict[tuple[Any, ...], int] = {}
        self.conditions: dict[str, str | None] = {}

    def faults(self, edge: Mapping[str, Any], index: int) -> list[str]:
        """Return the faults of the edge at `index`, which may repeat an earlier one."""
        source, target, condition = edge["from_node"], edge["to_node"], edge.get("condition")
        condition = one_line(condition) if isinstance(condition, str) else condition
        kind = edge.get("type", "normal" if condition is None else "conditional")
        faults = []
        if source == END:
            faults.append("starts at END, where paths end")
        unknown = [name for name in (source, target) if name not in self.known and name != END]
        faults += [f"names unknown node {name!r:.80}{_known(name, self.known)}" for name in unknown]
        same = (source, target, _text(kind), _text(condition))
        if self.seen.setdefault(same, index) != index:
            faults.append(f"appears twice, as edge {self.seen[same]} too; take one away")
        if fault := self._condition_fault(kind, condition):
            faults.append(fault)
        if not faults:
            return []
        return [f"edge {index} '{source[:60]} -> {target[:60]}' {fault}" for fault in dict.fromkeys(faults)]

    def _condition_fault(self, kind: Any, condition: Any) -> str | None:
        if kind == "conditional":
            if condition is None:
                return "is conditional and has no condition; give it one, or make it normal"
            return self._unreadable(condition) if isinstance(condition, str) else None
        if condition is not None:
            return f"is of type {kind!r}, which has no condition; make it conditional, or take the condition away"
        return None

    def _unreadable(self, condition: str) -> str | None:
        if condition not in self.conditions:
            if len(self.conditions) >= MAX_CONDITIONS:
                return f"has a condition beyond the {MAX_CONDITIONS} different ones that a graph may have"
            error = condition_fault(condition)
            self.conditions[condition] = f"has a condition that cannot be read: {error}" if error else None
        return self.conditions[condition]


def one_line(condition: str) -> str:
    """Return a condition on one line: line ends become spaces, and white space at both ends is removed."""
    if "\n" in condition or "\r" in condition:
        condition = condition.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    return condition.strip(WHITE)


def condition_fault(condition: str) -> ConditionError | None:
    """Return the error of a condition that cannot be parsed, or None. Predicates are looked up when the graph runs."""
    try:
        conditions.check(condition)
    except ConditionError as error:
        return error
    return None
