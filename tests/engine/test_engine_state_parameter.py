"""The parameter named `state`: the whole state, a model made of it, or a key like any other (SEMANTICS rule 19)."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, TypeVar, Union

import pydantic
import pytest
from running import engine_of, finished, graph, run

from nbflow import ToolRegistry
from nbflow.errors import NameClashError, NodeError


class Keys(TypedDict, total=False):
    x: int


T = TypeVar("T")
AnyMapping = TypeVar("AnyMapping", bound=Mapping)  # type: ignore[type-arg]
Whole = NewType("Whole", dict)  # type: ignore[type-arg]
Name = NewType("Name", str)

WHOLE = [
    Any, object, dict, dict[str, Any], Mapping, Mapping[str, Any], MutableMapping[str, Any], typing.Dict, Keys,  # noqa: UP006
    Annotated[dict[str, Any], "the state"], dict[str, Any] | None, Optional[Mapping[str, Any]],  # noqa: UP045
    Union[str, Annotated[Keys, ""]], T, AnyMapping, Whole, "dict[str, Any]", "Nowhere", "dict[str, Nowhere]",  # noqa: UP007
]  # fmt: skip
KEY = [
    str,
    int,
    Literal["open"],
    list,
    list[dict[str, Any]],
    str | None,
    Annotated[str, "code"],
    Name,
    "str",
    tuple,
    set,
]


def takes(annotation: Any) -> Any:
    def tool(state: Any) -> dict[str, Any]:
        return {"got": sorted(state) if isinstance(state, dict) else state}

    tool.__annotations__["state"] = annotation
    return tool


def numbered(annotations: list[Any]) -> list[str]:
    return [str(index) for index, _ in enumerate(annotations)]


@pytest.mark.parametrize("annotation", WHOLE, ids=numbered(WHOLE))
def test_an_annotation_that_allows_a_mapping_or_anything_gives_the_whole_state(annotation: Any) -> None:
    assert run("tool", takes(annotation), x=1, state="Ohio").state["got"] == ["state", "x"]


def test_no_annotation_gives_the_whole_state() -> None:
    def tool(state):  # type: ignore[no-untyped-def]
        return {"got": sorted(state)}

    assert run("tool", tool, x=1).state["got"] == ["x"]


@pytest.mark.parametrize("annotation", KEY, ids=numbered(KEY))
def test_any_other_annotation_makes_it_a_key(annotation: Any) -> None:
    assert run("tool", takes(annotation), x=1, state="Ohio").state["got"] == "Ohio"


def test_a_key_that_is_missing_is_an_error_that_names_it_and_its_default_counts() -> None:
    def needs(state: str) -> None: ...
    def has(state: str = "Iowa") -> dict[str, str]:
        return {"got": state}

    assert run("has", has).state["got"] == "Iowa"
    with pytest.raises(NodeError, match="tool 'needs' needs 'state', which is neither in the node's params nor"):
        run("needs", needs, x=1)


def test_an_annotation_beside_one_that_does_not_resolve_counts_for_itself() -> None:
    def tool(state: str, other: Nowhere = None) -> dict[str, str]:  # type: ignore[name-defined]  # noqa: F821
        return {"got": state}

    assert run("tool", tool, state="Ohio").state["got"] == "Ohio"


def test_a_class_of_the_functions_own_surroundings_resolves() -> None:
    class Code(str):
        pass

    def tool(state: Code) -> dict[str, str]:
        return {"got": str(state), "kind": Code.__name__}

    assert run("tool", tool, state="OH").state["got"] == "OH"


def test_a_param_of_the_node_or_the_maps_item_is_passed_in_place_of_the_whole_state() -> None:
    def tool(state: Any) -> dict[str, Any]:
        return {"got": state}

    assert run("tool(state='Ohio')", tool, x=1).state["got"] == "Ohio"
    mapped = run("tool [map=states, as=state, into=out]", tool, states=["Ohio", "Iowa"]).state["out"]
    assert mapped == [{"got": "Ohio"}, {"got": "Iowa"}]


def test_a_key_named_state_is_a_maps_first_parameter() -> None:
    def tool(state: str) -> str:
        return state[:2]

    assert run("tool [map=states, into=out]", tool, states=["Ohio", "Iowa"]).state["out"] == ["Oh", "Io"]


class Model(pydantic.BaseModel):
    x: int
    names: list[str] = []


class Strict(pydantic.BaseModel, extra="forbid"):
    x: int


class Open(pydantic.BaseModel, extra="allow"):
    x: int


class Aliased(pydantic.BaseModel):
    x: int = pydantic.Field(alias="the x")


@dataclass
class Data:
    x: int
    names: list[str] = field(default_factory=list)


@pydantic.dataclasses.dataclass
class Checked:
    x: int
    names: list[str] = pydantic.Field(default_factory=list)


@pytest.mark.parametrize("annotation", [Model, Data, Checked, Model | None, Annotated[Data, ""], "Model"], ids=range(6))
def test_a_model_or_dataclass_is_made_of_the_whole_state(annotation: Any) -> None:
    def tool(state: Any) -> dict[str, Any]:
        state.names.append("new")
        return {"got": (type(state).__name__, state.x, state.names)}

    tool.__annotations__["state"] = annotation
    state = run("tool", tool, x=1, names=["a"], other=2).state

    kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    assert state["got"][1:] == (1, ["a", "new"])
    assert not isinstance(annotation, type) or state["got"][0] == kind
    assert state["names"] == ["a"]


def test_a_model_gets_the_keys_that_it_takes() -> None:
    def strict(state: Strict) -> dict[str, Any]:
        return {"strict": state.x}

    def everything(state: Open) -> dict[str, Any]:
        return {"open": state.model_extra}

    def aliased(state: Aliased) -> dict[str, Any]:
        return {"aliased": state.x}

    given = {"x": 1, "the x": 2}
    engine = engine_of(strict, everything, aliased)
    found = asyncio.run(engine.execute(graph("strict -> everything -> aliased"), given)).state

    assert (found["strict"], found["open"], found["aliased"]) == (1, {"the x": 2, "strict": 1}, 2)


@pytest.mark.parametrize("model", [Model, Data, Checked])
def test_a_state_that_does_not_fit_the_model_fails_the_node_once_naming_fields_and_no_values(model: Any) -> None:
    def tool(state: Any) -> None: ...

    tool.__annotations__["state"] = model
    found = finished("tool [retries=3]", tool, y="the canary")

    assert [row.attempt for row in found.logs] == [1]
    assert f"tool 'tool' takes the state as {model.__name__}, which it does not fit: x" in str(found.error)
    assert str(found.error).endswith("keys there are: y")
    assert "canary" not in repr(found.error) + repr(found.error.__cause__)


def test_the_log_shows_the_whole_state_as_the_input_of_a_model() -> None:
    def tool(state: Model) -> dict[str, int]:
        return {"y": state.x}

    assert run("tool", tool, x=1, other=2).logs[0].input == {"state": {"x": 1, "other": 2}}


class Votes(pydantic.BaseModel):
    votes: int = 0
    names: list[str] = []


def test_a_tool_with_a_model_counts_under_a_reducer_and_hands_back_what_did_not_change() -> None:
    def vote(state: Votes) -> dict[str, Any]:
        return {"votes": 1, "names": state.names}

    engine = engine_of()
    engine.registry.register("vote", vote)
    text = "a = vote\nb = vote\na -> b\nreduce votes with add\nreduce names with extend"
    result = asyncio.run(engine.execute(graph(text), {"names": ["x"]}))

    assert result.state == {"names": ["x"], "votes": 2}


def test_what_is_returned_under_a_key_named_state_is_an_update_of_that_key() -> None:
    def whole(state: dict[str, Any]) -> dict[str, Any]:
        return {"state": state["state"] + "!", "x": state["x"]}

    def key(state: str) -> dict[str, Any]:
        return {"state": state, "seen": state}

    found = finished("whole -> key", whole, key, x=1, state="Ohio")

    assert found.state == {"x": 1, "state": "Ohio!", "seen": "Ohio!"}
    ends = {e.node: e.data.get("unchanged", ()) for e in found.events if e.kind == "node_complete"}
    assert {node: list(names) for node, names in ends.items()} == {"whole": ["x"], "key": ["state"]}


MICRO, MU = "\u00b5", "\u03bc"


def test_names_are_compared_in_the_form_that_python_gives_identifiers() -> None:
    space: dict[str, Any] = {}
    exec(f"def tool({MICRO}, file=0): return {{'got': ({MICRO}, file)}}", space)
    tool = space["tool"]

    assert run("tool", tool, **{MICRO: 1, "\ufb01le": 2}).state["got"] == (1, 2)
    with pytest.raises(NameClashError, match="are one name"):
        run("tool", tool, **{MICRO: 1, MU: 3})


def test_params_and_map_items_are_compared_so_too() -> None:
    space: dict[str, Any] = {}
    exec(f"def tool({MICRO}): return {MICRO}", space)
    engine = engine_of()
    engine.registry.register("tool", space["tool"])
    node = {"node_id": "n", "tool": "tool"}

    def state_of(**more: Any) -> Any:
        from nbflow import GraphDefinition

        definition = GraphDefinition.model_validate({"nodes": [{**node, **more}]})
        return asyncio.run(engine.execute(definition, {MU: 9, "items": [1, 2]})).state["n"]

    assert state_of(params={MICRO: 1}) == 1
    assert state_of(map="items", **{"as": MICRO}) == [1, 2]


def test_a_key_handed_back_under_its_own_name_is_no_update() -> None:
    space: dict[str, Any] = {}
    exec(
        f"def tool({MICRO}): return {{'{MICRO}': {MICRO}}}\nasync def later({MICRO}): return {{'{MICRO}': {MICRO}}}",
        space,
    )
    for tool in space["tool"], space["later"]:
        found = finished(tool.__name__, tool, **{MICRO: 1})
        assert [e.data.get("unchanged") for e in found.events if e.kind == "node_complete"] == [[MU]]


def test_kwargs_get_the_params_left_over_and_a_state_among_them_is_a_param() -> None:
    def tool(x: int, **rest: Any) -> dict[str, Any]:
        return {"got": rest}

    assert run("tool(state='Ohio', y=2)", tool, x=1).state["got"] == {"state": "Ohio", "y": 2}
    assert run("tool", tool, x=1, y=2).state["got"] == {}


def test_a_spec_says_what_state_is() -> None:
    registry = ToolRegistry()

    whole = registry.register("whole", takes(dict))
    key = registry.register("key", takes(str))
    assert (whole.takes_state, [p.name for p in whole.params]) == (True, [])
    assert (key.takes_state, [p.name for p in key.params]) == (False, ["state"])
