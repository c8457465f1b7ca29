"""Advice says what to change, where and why, and comes from the findings alone."""

import json

import pytest

from nbflow.review import (
    apply_fixes,
    check_complexity,
    detect_issues,
    find_hotspots,
    findings_table,
    suggest_improvements,
)

MESSY = "def f(seen=[]):\n    try:\n        return undefined\n    except:\n        pass\n"
BRANCHY = "import os\nimport sys\n\ndef g(x):\n" + "".join(f"    if x == {i}:\n        x += 1\n" for i in range(12))


def test_every_issue_has_one_suggestion_at_its_place():
    issues = detect_issues(MESSY, "a.py")["issues"]

    rows = suggest_improvements(issues)["suggestions"]

    assert issues
    assert [(row["file"], row["line"], row["rule"]) for row in rows] == [
        (issue["file"], issue["line"], issue["rule"])
        for issue in sorted(issues, key=lambda issue: (issue["line"], issue["rule"]))
    ]


def test_ruffs_own_fix_is_what_to_change_where_it_has_one():
    issues = {issue["rule"]: issue for issue in detect_issues(MESSY)["issues"]}
    rows = {row["rule"]: row for row in suggest_improvements(list(issues.values()))["suggestions"]}

    assert rows["B006"]["change"] == issues["B006"]["fix"]["message"]
    assert rows["B006"]["fix"] == issues["B006"]["fix"]
    assert (rows["F821"]["change"], rows["F821"]["fix"]) == ("Undefined name `undefined`", None)


def test_the_reason_and_the_example_are_those_of_the_rules_documentation():
    rows = {row["rule"]: row for row in suggest_improvements(detect_issues(MESSY)["issues"])["suggestions"]}

    assert rows["B006"]["why"].startswith("Function defaults are evaluated once")
    assert "some_list=None" in rows["B006"]["example"]
    assert all(row["why"] and "##" not in row["why"] and "\n" not in row["why"] for row in rows.values())


def test_a_syntax_error_is_the_first_suggestion():
    (row,) = suggest_improvements(detect_issues("x = (\n", "a.py", "E9")["issues"])["suggestions"]

    assert (row["file"], row["rule"], row["fix"]) == ("a.py", "invalid-syntax", None)
    assert "does not parse" in row["why"]


def test_only_functions_above_the_limit_are_suggested_to_be_split():
    measured = check_complexity(BRANCHY, "g.py")

    (row,) = suggest_improvements([], complexity=measured["complexity"])["suggestions"]

    assert (row["file"], row["line"], row["rule"]) == ("g.py", 4, "complexity")
    assert "g has a cyclomatic complexity of 13 (rank C)" in row["finding"]
    assert suggest_improvements([], complexity=measured["complexity"], complexity_limit=13) == {"suggestions": []}


def test_a_function_moved_by_a_fix_is_suggested_where_it_is_now():
    measured = check_complexity(BRANCHY)
    fixed = apply_fixes(BRANCHY)["code"]

    (row,) = suggest_improvements([], code=fixed, complexity=measured["complexity"])["suggestions"]

    assert fixed.splitlines()[row["line"] - 1] == "def g(x):"
    assert row["line"] < 4


def test_functions_of_the_same_name_are_distinguished():
    twice = (
        "class C:\n    @property\n    def v(self): return 1\n    @v.setter\n    def v(self, x): return x and 2 or 3\n"
    )
    measured = check_complexity("import os\n" + twice)["complexity"]

    (row,) = suggest_improvements([], code=twice, complexity=measured, complexity_limit=2)["suggestions"]

    assert row["line"] == 5


def test_a_hotspot_says_which_block_to_move():
    code = "def h(x, rows):\n    for row in rows:\n" + "".join(f"        if row == {i}: x += 1\n" for i in range(6))
    code += "".join(f"    if x == {i}: x += 1\n" for i in range(6))
    state = {**check_complexity(code), **find_hotspots(code)}

    (row,) = suggest_improvements([], code, complexity=state["complexity"], hotspots=state["hotspots"])["suggestions"]

    assert row["change"].startswith("move the for block of lines 2 to 8 (7 decisions)")


@pytest.mark.parametrize(("index", "rules"), [(None, []), (100.0, []), (20.0, []), (19.99, ["maintainability"])])
def test_a_module_of_low_maintainability_is_reported(index, rules):
    rows = suggest_improvements([], path="a.py", maintainability=index)["suggestions"]

    assert [row["rule"] for row in rows] == rules


def test_no_findings_give_no_suggestions():
    assert suggest_improvements([]) == {"suggestions": []}


def test_the_table_is_flat_and_ready_for_a_frame():
    pandas = pytest.importorskip("pandas")
    rows = suggest_improvements(detect_issues("import os\n" + MESSY)["issues"])["suggestions"]

    table = findings_table(rows)

    assert json.loads(json.dumps(table)) == table
    assert list(pandas.DataFrame(table).columns) == ["file", "line", "rule", "finding", "change", "why", "fix"]
    assert {row["rule"]: row["fix"] for row in table}.items() >= {"F401": "safe", "B006": "unsafe", "F821": ""}.items()
    assert findings_table([]) == []
