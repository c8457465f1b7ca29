"""The two ready graphs run on real code, and end."""

import asyncio
import inspect
import textwrap

import pytest

from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine
from nbflow.errors import ToolError
from nbflow.review import CODE_REVIEW, REVIEW, TOOLS

FLAWED = (
    '''\
import os
import sys


def plan(rows, seen=[]):
    """Do too much at once."""
    total = 0
    for row in rows:
'''
    + "".join(f"        if row == {i}:\n            total += {i}\n" for i in range(12))
    + '    print(f"done")\n    return total\n'
)

CLEAN = "def double(x):\n    return 2 * x\n"


def run(text, tools=TOOLS, **state):
    registry = ToolRegistry()
    for name, function in tools.items():
        registry.register(name, function)
    graph = GraphDefinition.from_text(text)
    return asyncio.run(WorkflowEngine(registry).execute(graph, state))


def ran(result):
    return [log.node_id for log in result.logs if log.status == "completed"]


@pytest.mark.parametrize("text", [CODE_REVIEW, REVIEW])
def test_flawed_code_is_fixed_until_nothing_safe_is_left(text):
    result = run(text, code=FLAWED, path="plan.py")

    assert result.state["fixable"] == 0
    assert [(row["rule"], row["count"]) for row in result.state["fixes_applied"]] == [("F401", 2), ("F541", 1)]
    assert result.state["code"].lstrip().startswith("def plan")
    assert [issue["rule"] for issue in result.state["issues"]] == ["B006"]
    assert {row["rule"] for row in result.state["suggestions"]} == {"B006", "complexity"}


@pytest.mark.parametrize("text", [CODE_REVIEW, REVIEW])
def test_every_suggestion_is_at_its_line_in_the_text_as_it_is_now(text):
    state = run(text, code=FLAWED, path="plan.py").state

    lines = state["code"].splitlines()
    assert {lines[row["line"] - 1] for row in state["suggestions"]} == {"def plan(rows, seen=[]):"}


@pytest.mark.parametrize("text", [CODE_REVIEW, REVIEW])
def test_clean_code_is_left_as_it_is(text):
    result = run(text, code=CLEAN)

    assert result.state["code"] == CLEAN
    assert result.state["suggestions"] == []
    assert not {"apply_fixes", "find_hotspots"} & set(ran(result))


@pytest.mark.parametrize("text", [CODE_REVIEW, REVIEW])
def test_a_syntax_error_reaches_the_end_as_an_issue(text):
    state = run(text, code="x = 1\ndef f(:\n", path="broken.py").state

    assert state["syntax_error"]["line"] == 2
    first = state["suggestions"][0]
    assert (first["file"], first["line"], first["rule"]) == ("broken.py", 2, "invalid-syntax")
    assert state["code"] == "x = 1\ndef f(:\n"


@pytest.mark.parametrize("text", [CODE_REVIEW, REVIEW])
def test_the_review_continues_when_fixes_exceed_the_limit(text):
    def apply_fixes(code, rounds=0):
        return {"code": code + "# again\n", "rounds": rounds + 1}

    result = run(text, {**TOOLS, "apply_fixes": apply_fixes}, code=FLAWED)

    assert result.state["rounds"] == 6
    assert result.state["error"]["type"] == "LoopError"
    assert "F401" in {row["rule"] for row in result.state["suggestions"]}


@pytest.mark.parametrize("text", [CODE_REVIEW, REVIEW])
def test_the_review_continues_when_fixes_fail(text):
    def apply_fixes(code):
        raise ToolError("no ruff today")

    state = run(text, {**TOOLS, "apply_fixes": apply_fixes}, code=FLAWED).state

    assert state["error"]["message"] == "no ruff today"
    assert "F401" in {row["rule"] for row in state["suggestions"]}


def test_complex_code_takes_the_branch_that_names_the_block_to_move():
    result = run(REVIEW, code=FLAWED)

    assert ran(result).count("find_hotspots") == 1
    assert [spot["name"] for spot in result.state["hotspots"]] == ["plan"]


def test_each_round_looks_at_the_changed_text_again():
    result = run(REVIEW, code=FLAWED)

    order = ran(result)
    assert order.count("extract_functions") == order.count("check_complexity") == order.count("detect_issues") == 2
    assert result.state["functions"][0]["line"] == result.state["complexity"][0]["line"]


def test_a_module_of_the_standard_library_is_reviewed():
    state = run(REVIEW, code=inspect.getsource(textwrap), path="textwrap.py").state

    assert "TextWrapper.wrap" in {row["name"] for row in state["functions"]}
    assert state["syntax_error"] is None
    assert state["fixable"] == 0
