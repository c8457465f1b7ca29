"""Keys that a graph needs in its initial state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pydantic
import pytest

from nbflow import GraphDefinition, ToolRegistry
from nbflow.graph.needs import Need, needs
from nbflow.state import MISSING


def fetch(pages: int, source: str = "web") -> dict[str, Any]:
    """Get the pages.

    Args:
        pages: How many
            of them.
        source (str): Where from.
    """
    return {"rows": [source] * pages}


def score(rows: list[str], bonus: float = 0) -> dict[str, Any]:
    """Score the rows."""
    return {"score": len(rows) + bonus}


def improve(bonus: float = 0) -> dict[str, Any]:
    return {"bonus": bonus + 1}


def unclear(score: float, limit: int = 3) -> Any:
    return {"verdict": score > limit} | {}


def publish(verdict: bool, title: Any, loud=False) -> None: ...


@pytest.fixture
def registry() -> ToolRegistry:
    registry = ToolRegistry()
    for function in (fetch, score, improve, unclear, publish):
        registry.register(function.__name__, function)
    return registry


def needed(text: str, registry: ToolRegistry, **graphs: str) -> list[Need]:
    defined = {name: GraphDefinition.from_text(inner, name=name) for name, inner in graphs.items()}
    return needs(GraphDefinition.from_text(text, name="outer"), registry, defined)


def names(*args: Any, **graphs: str) -> dict[str, bool]:
    return {need.name: need.required for need in needed(*args, **graphs)}


def test_a_need_has_type_default_nodes_and_what_the_docstring_says(registry: ToolRegistry) -> None:
    assert needed("fetch -> score", registry) == [
        Need("pages", int, MISSING, True, ("fetch",), "How many"),
        Need("source", str, "web", False, ("fetch",), "Where from."),
        Need("bonus", float, 0, False, ("score",), "score: Score the rows."),
    ]


def test_what_a_node_before_writes_and_what_is_a_param_is_not_asked_for(registry: ToolRegistry) -> None:
    assert names("f -> score\nf = fetch(pages=3)", registry) == {"source": False, "bonus": False}


def test_what_only_a_later_node_writes_is_asked_for_even_in_a_loop(registry: ToolRegistry) -> None:
    loop = "fetch -> score -> improve\nimprove -> score if score < 9 [max=3]"

    assert names(loop, registry) == {"pages": True, "source": False, "bonus": False}


def test_in_doubt_a_parameter_without_default_is_taken_to_be_written(registry: ToolRegistry) -> None:
    found = names("unclear -> publish", registry)

    assert found == {"score": True, "limit": False, "loud": False}


def test_a_key_that_one_node_must_have_is_required_though_another_has_a_default(registry: ToolRegistry) -> None:
    def last(bonus: Any) -> None: ...

    registry.register("last", last)

    (bonus,) = needed("a -> END\nb -> END\na = improve\nb = last", registry)

    assert (bonus.required, bonus.annotation, bonus.nodes) == (True, float, ("a", "b"))


def test_a_map_asks_for_its_list_and_not_for_its_item(registry: ToolRegistry) -> None:
    (many, _) = needed("m = fetch [map=counts]", registry)

    assert (many.name, many.annotation, many.required) == ("counts", list[int], True)
    assert many.help == "a list; node 'm' runs once for each of its items"


def test_a_subgraph_asks_for_what_is_not_its_param_and_writes_for_those_after_it(registry: ToolRegistry) -> None:
    found = names(
        "get -> score\nget = graph inner(source='disk')", registry, inner="fetch -> outer\nouter = graph outer"
    )

    assert found == {"pages": True, "bonus": False}


def test_what_conditions_read_may_be_given(registry: ToolRegistry) -> None:
    (*_, dry) = needed("fetch -> score\nscore -> END if dry or score > 2\nscore -> improve if nope(1)", registry)

    assert (dry.name, dry.required, dry.help) == ("dry", False, "read by the condition 'dry or score > 2'")


def test_types_written_as_text_are_found_and_unknown_ones_are_any(registry: ToolRegistry) -> None:
    space: dict[str, Any] = {}
    exec("def known(n: 'int'): ...\ndef unknown(n: 'Nowhere', m: int): ...", space)
    registry.register("known", space["known"])
    registry.register("unknown", space["unknown"])

    assert [need.annotation for need in needed("known", registry)] == [int]
    assert [need.annotation for need in needed("unknown", registry)] == [Any, Any]


def test_a_chain_of_a_thousand_nodes_asks_for_what_its_first_node_needs(registry: ToolRegistry) -> None:
    chain = " -> ".join(f"n{i}" for i in range(1000)) + "\n" + "\n".join(f"n{i} = score" for i in range(1000))

    assert names(chain, registry) == {"rows": True, "bonus": False}


class Wanted(pydantic.BaseModel):
    rows: list[str]
    bonus: float = 0.5


@dataclass
class WantedData:
    rows: list[str]
    bonus: float = 0.5


@pytest.mark.parametrize("model", [Wanted, WantedData], ids=["model", "dataclass"])
def test_a_state_made_into_a_model_asks_for_its_fields(model: Any, registry: ToolRegistry) -> None:
    def rate(state: Any) -> dict[str, Any]:
        return {"rate": 1}

    rate.__annotations__["state"] = model
    registry.register("rate", rate)

    found = [(need.name, need.annotation, need.default, need.required) for need in needed("rate", registry)]
    assert found == [("rows", list[str], MISSING, True), ("bonus", float, 0.5, False)]
    assert [need.name for need in needed("fetch -> rate", registry)] == ["pages", "source", "bonus"]
    assert needed("rate(state={'rows': []})", registry) == []


def test_state_annotated_as_a_key_is_needed_like_any_other(registry: ToolRegistry) -> None:
    def tax(state: str, amount: float = 1) -> dict[str, Any]:
        return {"tax": amount}

    registry.register("tax", tax)

    assert [(need.name, need.required) for need in needed("tax", registry)] == [("state", True), ("amount", False)]


def test_what_is_written_in_another_form_of_a_name_is_provided(registry: ToolRegistry) -> None:
    def gives() -> dict[str, int]:
        return {"\ufb01le": 1}

    def reads(file: int) -> dict[str, int]:
        return {"done": file}

    registry.register("gives", gives)
    registry.register("reads", reads)

    assert needed("gives -> reads", registry) == []
