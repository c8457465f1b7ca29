"""Arbitrary sound graphs, for the laws of the notation."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from nbflow.graph import END, GraphDefinition
from nbflow.graph.validation import id_fault, one_line

ODD_NAMES = [
    "if", "else", "on", "error", "with", "graph", "reduce", "entry", "max_iterations", "pass", "true", "null", "None",
    "and", "fetch-pages", "v1.2", "größe", "हिन्दी", "a b", 'say "hi"', "it's", "a->b", "a&b", "#1", "1st", "-x", "x-",
    ".5", "a;b", "back\\slash", "max=5", "=", "on error", "a.b.c-d_e", "\u200b", "e\u0301", "ﬁ", "a,b", "😀", "x²",
    "END.",
]  # fmt: skip
CONDITIONS = [
    "x > 1", "done", "n < 3 and not (a or b)", 'state["my-key"] == "if # ; else"', "x[0] in [1, 2]", "'a\\'b' == name",
    "len(items) > 0", "any([x > 1,\n  y])", "  x  ", "y\r\n> 1", "a.b == 'else'", "\tx OR y", "x == '[max=5]'",
    "[1] == x", "-x ** 2 < .5", "\ufeffx", "größe > 1", '"->" in x', "elsewhere", "x.if_ == 1", "{'a': 1}['a'] == 1",
]  # fmt: skip

names = st.one_of(
    st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), st.sampled_from(ODD_NAMES), st.text(max_size=8)
)
ids = names.filter(lambda name: id_fault(name) is None)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=10)
    | st.sampled_from(["\ud83d\ude00", "\ud83d", "\u2028\x85\r\n", "\\n", "'\""])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
seconds = st.floats(min_value=0, max_value=1e12, exclude_min=True) | st.integers(1, 10**20)


def _without_cache(runs: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that what is run may have: a subgraph's output is not cached."""
    return {key: value for key, value in options.items() if key != "cache" or "tool" in runs}


def node_settings(name: str) -> st.SearchStrategy[dict[str, Any]]:
    options: dict[str, st.SearchStrategy[Any]] = {
        "params": st.dictionaries(names, values, max_size=3),
        "join": st.sampled_from(["all", "first", "race", "each"]),
        "route": st.sampled_from(["first", "all"]),
        "retries": st.integers(0, 10**20),
        "backoff": seconds | st.just(0),
        "timeout": st.none() | seconds,
        "executor": st.sampled_from(["auto", "inline", "thread"]),
        "cache": st.booleans(),
    }
    mapped = st.fixed_dictionaries(
        {"map": names, "as": names},
        optional={
            "into": names,
            "limit": st.integers(1, 99),
            "on_error": st.sampled_from(["fail", "collect"]),
            "errors": st.sampled_from(["carry", "drop"]),
        },
    )
    runs = st.builds(lambda tool: {"tool": tool}, st.just(name) | names) | st.builds(
        lambda graph: {"graph": graph}, names
    )
    plain = st.just({"tool": name})
    full = st.builds(
        lambda runs, options, mapped: {**runs, **_without_cache(runs, options), **mapped},
        runs,
        st.fixed_dictionaries({}, optional=options),
        st.just({}) | mapped,
    )
    return (plain | full).map(lambda settings: {"node_id": name, **settings})


def edges(known: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    kinds = st.sampled_from(["normal", "normal", "conditional", "error"])
    limits = st.none() | st.sampled_from([1, 5, 10**20])
    edge = st.builds(
        lambda source, target, kind, condition, limit: {
            "from_node": source,
            "to_node": target,
            "type": kind,
            **({"condition": condition} if kind == "conditional" else {}),
            **({} if limit is None else {"max_iterations": limit}),
        },
        st.sampled_from(known),
        st.sampled_from([*known, END]),
        kinds,
        st.sampled_from(CONDITIONS),
        limits,
    )
    return st.lists(edge, max_size=12, unique_by=_what_makes_it_one)


def _what_makes_it_one(edge: dict[str, Any]) -> tuple[Any, ...]:
    return edge["from_node"], edge["to_node"], edge["type"], one_line(edge.get("condition", ""))


@st.composite
def graphs(draw: st.DrawFn) -> GraphDefinition:
    """Return any sound graph: parallel edges, edges in any order, nodes alone, all options."""
    known = draw(st.lists(ids, min_size=1, max_size=6, unique=True))
    return GraphDefinition.model_validate(
        {
            "name": draw(st.text(max_size=5)),
            "nodes": [draw(node_settings(name)) for name in known],
            "edges": draw(edges(known)),
            "entry_node": draw(st.none() | st.sampled_from(known)),
            "max_iterations": draw(st.sampled_from([100, 1, 10**20])),
            "reducers": draw(st.dictionaries(names, names, max_size=2)),
        }
    )
