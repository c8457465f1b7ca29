"""Annotations that name classes that are not defined yet."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine
from nbflow.functions.signatures import annotations_of, signature

DEFERRED = pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated at once before Python 3.14")
LATER = ["'Later'", pytest.param("Later", marks=DEFERRED)]


def defined(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, "<cell>", "exec", dont_inherit=True), names)  # without the __future__ import of this module
    return names


@pytest.mark.parametrize("later", LATER)
def test_a_tool_may_name_a_class_that_is_defined_later(later: str) -> None:
    names = defined(f"def work(x: {later}, y: int = 1) -> {later}: return x")
    registry = ToolRegistry()
    registry.register("work", names["work"])

    types, complete = registry.get("work").signature.types()
    assert (types, complete) == ({"y": int}, False)

    exec("class Later: pass", names)
    types, complete = registry.get("work").signature.types()
    assert (types, complete) == ({"x": names["Later"], "y": int, "return": names["Later"]}, True)


@pytest.mark.parametrize("later", LATER)
def test_a_state_is_converted_to_a_class_that_is_defined_later(later: str) -> None:
    names = defined(f"def work(state: {later}): return {{'kind': type(state).__name__}}")
    registry = ToolRegistry()
    registry.register("work", names["work"])
    exec("import dataclasses\n@dataclasses.dataclass\nclass Later:\n    x: int", names)

    result = asyncio.run(WorkflowEngine(registry).execute(GraphDefinition.from_text("work"), {"x": 1}))

    assert result.state["kind"] == "Later"


@pytest.mark.parametrize("later", LATER)
def test_an_annotation_that_cannot_be_evaluated_is_a_text(later: str) -> None:
    work = defined(f"def work(x: {later}) -> {later}: pass")["work"]

    assert annotations_of(work) == {"x": "Later", "return": "Later"}
    assert str(signature(work)) == "(x: 'Later') -> 'Later'"
