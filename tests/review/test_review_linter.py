"""Issues are ruff's, fixes lead to progress, and nothing on the machine has a say."""

import inspect
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.errors import ToolError
from nbflow.review import apply_fixes, detect_issues, extract_functions, linter

SEEDED = """\
import os
import sys


def greet(name, seen=[]):
    if name == None:
        return f"nobody"
    seen.append(name)
    return "hello " + undefined
"""
FIXED = """\


def greet(name, seen=[]):
    if name == None:
        return "nobody"
    seen.append(name)
    return "hello " + undefined
"""


def test_each_known_issue_is_found_at_its_place():
    answer = detect_issues(SEEDED, "pkg/greet.py")

    assert [(issue["line"], issue["column"], issue["rule"]) for issue in answer["issues"]] == [
        (1, 8, "F401"),
        (2, 8, "F401"),
        (5, 22, "B006"),
        (6, 16, "E711"),
        (7, 16, "F541"),
        (9, 23, "F821"),
    ]
    assert {issue["file"] for issue in answer["issues"]} == {"pkg/greet.py"}
    assert "`os`" in answer["issues"][0]["message"]
    assert answer["issues"][0]["name"] == "unused-import"


def test_fixable_counts_only_issues_with_a_safe_fix():
    answer = detect_issues(SEEDED)

    kinds = {issue["rule"]: issue["fix"] and issue["fix"]["safe"] for issue in answer["issues"]}
    assert kinds == {"F401": True, "B006": False, "E711": False, "F541": True, "F821": None}
    assert answer["fixable"] == 3


def test_fixes_change_the_text_and_are_reported_by_rule():
    answer = apply_fixes(SEEDED, "greet.py", fixable=3)

    assert answer["code"] == FIXED
    assert answer["fixes_applied"] == [
        {"file": "greet.py", "rule": "F401", "name": "unused-import", "count": 2},
        {"file": "greet.py", "rule": "F541", "name": "f-string-missing-placeholders", "count": 1},
    ]


def test_after_a_fix_what_is_left_is_not_fixable():
    left = detect_issues(apply_fixes(SEEDED)["code"])

    assert [issue["rule"] for issue in left["issues"]] == ["B006", "E711", "F821"]
    assert left["fixable"] == 0


def test_fixes_of_earlier_rounds_are_added_up_and_the_given_list_is_not_changed():
    earlier = [{"file": "<code>", "rule": "F401", "name": "unused-import", "count": 5}]

    answer = apply_fixes(SEEDED, fixes_applied=earlier)

    assert [(row["rule"], row["count"]) for row in answer["fixes_applied"]] == [("F401", 7), ("F541", 1)]
    assert earlier[0]["count"] == 5


def test_fixing_twice_changes_nothing_more():
    once = apply_fixes(SEEDED)

    twice = apply_fixes(**once)

    assert twice == once


@settings(max_examples=25)
@given(
    st.lists(
        st.sampled_from(
            [
                "import os",
                "import a, b",
                "x = f'a'",
                "x=1 ;",
                "if not x == 1: pass",
                "y = dict()",
                "try: x\nexcept: pass",
            ]
        ),
        max_size=6,
    ).map("\n".join)
)
def test_a_fixed_text_parses_and_has_nothing_left_to_fix(code):
    fixed = apply_fixes(code)["code"]

    assert extract_functions(fixed)["syntax_error"] is None
    assert detect_issues(fixed)["fixable"] == 0
    assert apply_fixes(fixed)["code"] == fixed


def test_fixes_that_were_promised_and_cannot_be_made_are_an_error():
    with pytest.raises(ToolError, match=r"detect_issues reported 2 fixable issues in a\.py, and ruff fixed none"):
        apply_fixes("x = 1\n", "a.py", fixable=2)


def test_a_syntax_error_is_an_issue_with_file_and_line_and_nothing_is_fixable():
    answer = detect_issues("import os\nx = 1;\ndef f(:\n", "broken.py")

    first = next(issue for issue in answer["issues"] if issue["rule"] == "invalid-syntax")
    assert (first["file"], first["line"], first["fix"]) == ("broken.py", 3, None)
    assert answer["fixable"] == 0


def test_a_source_with_a_syntax_error_is_not_changed():
    broken = "import os\nx = 1;\ndef f(:\n"

    assert apply_fixes(broken)["code"] == broken


def test_what_python_alone_refuses_is_an_issue_too():
    answer = detect_issues("import os\nx = '\ud800'\n", "odd.py")

    assert [(issue["line"], issue["rule"]) for issue in answer["issues"]] == [(1, "F401"), (2, "invalid-syntax")]
    assert answer["fixable"] == 0
    with pytest.raises(ToolError, match=r"odd\.py is not Unicode text"):
        apply_fixes("import os\nx = '\ud800'\n", "odd.py")


@pytest.mark.parametrize("code", ["", "\n", "x = 1\n"])
def test_a_clean_source_has_no_issues(code):
    assert detect_issues(code) == {"issues": [], "fixable": 0}
    assert apply_fixes(code) == {"code": code, "fixes_applied": []}


def test_windows_line_ends_and_byte_order_marks_remain():
    windows = "\ufeff" + SEEDED.replace("\n", "\r\n")

    assert [issue["line"] for issue in detect_issues(windows)["issues"]] == [1, 2, 5, 6, 7, 9]
    assert apply_fixes(windows)["code"].replace("\r\n", "\n").removeprefix("\ufeff") == FIXED
    assert "\n" not in apply_fixes(windows)["code"].replace("\r\n", "")


def test_a_huge_source_is_checked_whole():
    code = "x = 1\n" * 50_000 + "print(undefined)\n"

    assert [(issue["line"], issue["rule"]) for issue in detect_issues(code)["issues"]] == [(50_001, "F821")]


def test_a_module_of_the_standard_library_has_no_undefined_names():
    answer = detect_issues(inspect.getsource(textwrap), select="F,E9")

    assert answer["issues"] == []


def test_answers_are_json_and_the_same_each_time():
    source = inspect.getsource(json.decoder)

    first, second = detect_issues(source), detect_issues(source)

    assert json.loads(json.dumps(first)) == first == second
    assert first["issues"]


def test_configuration_and_environment_of_the_machine_have_no_say(tmp_path, monkeypatch):
    issues, fixes = detect_issues(SEEDED, "a.py"), apply_fixes(SEEDED, "a.py")
    (tmp_path / "ruff").mkdir()
    (tmp_path / "ruff/ruff.toml").write_text('builtins = ["undefined"]\nlint.unfixable = ["F541"]\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("RUFF_OUTPUT_FORMAT", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.setenv(name, "github" if "RUFF" in name else "1")

    assert detect_issues(SEEDED, "a.py") == issues
    assert apply_fixes(SEEDED, "a.py") == fixes


def test_neighbouring_files_have_no_say(tmp_path, monkeypatch):
    """A directory of that name beside the source would make `mine` the project's own, and move it."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)

    assert detect_issues("import mine\nimport zope\n", "a.py", select="I")["issues"] == []


@pytest.mark.parametrize("path", [".venv/a.py", "--help", "book.ipynb", "pyproject.toml", "odd\0\nname", "dir/"])
def test_the_name_of_a_file_is_only_a_label(path):
    issues = detect_issues(SEEDED, path)["issues"]

    assert len(issues) == 6
    assert {issue["file"] for issue in issues} == {path}


def test_imports_of_a_package_file_are_not_taken_for_unused_ones_to_remove():
    assert detect_issues("from a import b\n", "pkg/__init__.py")["fixable"] == 0
    assert detect_issues("from a import b\n", "pkg/mod.py")["fixable"] == 1


def test_select_says_which_rules_are_checked_and_fixed():
    assert {issue["rule"] for issue in detect_issues(SEEDED, select="B")["issues"]} == {"B006"}
    assert [row["rule"] for row in apply_fixes(SEEDED, select="F541")["fixes_applied"]] == ["F541"]


@pytest.mark.parametrize("select", ["NOPE", "--help", "", ["E"]])
def test_an_unknown_rule_is_an_error_in_ruffs_own_words(select):
    with pytest.raises(ToolError, match=r"ruff exited with status 2: "):
        detect_issues(SEEDED, select=select)


def test_noqa_is_respected():
    assert detect_issues("import os  # noqa: F401\n")["issues"] == []


def test_ruff_is_stopped_when_it_does_not_answer(monkeypatch):
    monkeypatch.setattr(linter, "TIMEOUT", 0.0)

    with pytest.raises(ToolError, match="did not answer in 0 s"):
        detect_issues(SEEDED)


@pytest.mark.parametrize(
    ("library", "call"),
    [("ruff", "detect_issues('x')"), ("radon", "check_complexity('x')"), ("radon", "find_hotspots('def f(): ...')")],
)
def test_a_missing_library_says_what_to_install(library, call):
    _run(
        f"import sys; sys.modules[{library!r}] = None\n"
        "from nbflow.review import *\n"
        f"try: {call}\n"
        "except ImportError as error: assert \"pip install -e '.[review]'\" in str(error), error\n"
        "else: raise AssertionError('no error')"
    )


def test_importing_the_tools_loads_neither_library():
    _run(
        "import nbflow.review, sys; heavy = {'radon', 'ruff', 'pydantic', 'IPython'}\n"
        "if sys.version_info < (3, 14): heavy.add('ast')  # a TypedDict loads it since\n"
        "assert not heavy & set(sys.modules)"
    )


def _run(code):
    root = Path(linter.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
