"""The facts that `extract_functions` returns about a source."""

import ast
import inspect
import textwrap

import pytest

from nbflow.review import extract_functions, list_sources, read_source

NESTED = '''\
import functools

class Outer:
    """Not a function."""

    class Inner:
        def method(self, a, /, b, *rest, c=1, **more):
            """Do it.

            Twice.
            """

    @property
    def size(self): return 1

async def main(code: str) -> None:
    def helper(): ...
    if code:
        def late(): ...
'''


def test_every_function_is_listed_with_its_qualified_name_in_order_of_lines():
    rows = extract_functions(NESTED, "pkg/mod.py")["functions"]

    assert [(row["name"], row["line"]) for row in rows] == [
        ("Outer.Inner.method", 7),
        ("Outer.size", 14),
        ("main", 16),
        ("main.<locals>.helper", 17),
        ("main.<locals>.late", 19),
    ]
    assert {row["file"] for row in rows} == {"pkg/mod.py"}
    assert [row["is_async"] for row in rows] == [False, False, True, False, False]


def test_a_row_has_the_lines_arguments_and_docstring():
    row = extract_functions(NESTED)["functions"][0]

    assert (row["line"], row["end_line"]) == (7, 11)
    assert row["arguments"] == ["self", "a", "b", "*rest", "c", "**more"]
    assert row["docstring"] == "Do it.\n\nTwice."
    assert extract_functions(NESTED)["functions"][1]["docstring"] is None


def test_a_module_of_the_standard_library_is_listed_as_python_itself_knows_it():
    rows = extract_functions(inspect.getsource(textwrap))["functions"]

    by_name = {row["name"]: row for row in rows}
    wrap = by_name["TextWrapper.wrap"]
    lines, start = inspect.getsourcelines(textwrap.TextWrapper.wrap)
    assert (wrap["line"], wrap["end_line"]) == (start, start + len(lines) - 1)
    assert wrap["docstring"] == inspect.getdoc(textwrap.TextWrapper.wrap)
    assert by_name["dedent"]["arguments"] == list(inspect.signature(textwrap.dedent).parameters)


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("x = 1\ndef f(:\n", 2, "invalid syntax"),
        ("if x:\npass\n", 2, "indented block"),
        ("ok = 1\nx = 'a\0b'\n", 2, "null byte"),
        ("ok = 1\nx = '\ud800'\n", 2, "surrogates"),
        ("-" * 200_000 + "1", 1, "nested too deeply"),
    ],
)
def test_a_source_that_does_not_parse_is_reported_with_its_line(code, line, said):
    answer = extract_functions(code, "broken.py")

    assert answer["functions"] == []
    assert answer["syntax_error"]["file"] == "broken.py"
    assert answer["syntax_error"]["line"] == line
    assert said in answer["syntax_error"]["message"]


@pytest.mark.parametrize("code", ["", "\n", "\ufeff", "# only a comment"])
def test_an_empty_source_has_no_functions_and_no_error(code):
    assert extract_functions(code) == {"functions": [], "syntax_error": None}


def test_byte_order_marks_and_windows_line_ends_do_not_move_lines():
    plain, windows = extract_functions(NESTED), extract_functions("\ufeff" + NESTED.replace("\n", "\r\n"))

    assert windows["functions"] == plain["functions"]


def test_a_chain_deeper_than_the_recursion_limit_is_listed():
    depth = 1500
    chain = "if x == 0: pass\n" + "".join(f"elif x == {i}: pass\n" for i in range(1, depth)) + "def after(): ...\n"
    if _unparsable(chain):
        pytest.skip("this Python's own parser does not take the chain")

    assert [row["line"] for row in extract_functions(chain)["functions"]] == [depth + 1]


def _unparsable(code):
    try:
        ast.parse(code)
    except (RecursionError, MemoryError):
        return True
    return False


def test_a_huge_source_is_listed_whole():
    code = "".join(f"def f{i}(a, b):\n    return a\n\n" for i in range(5000))

    rows = extract_functions(code)["functions"]

    assert (len(rows), rows[-1]["name"], rows[-1]["line"]) == (5000, "f4999", 14998)


def test_listed_files_can_be_read_and_extracted(tmp_path):
    (tmp_path / "a.py").write_text("def f(): ...\n")

    (path,) = list_sources(str(tmp_path))["files"]

    assert extract_functions(**read_source(path))["functions"][0]["file"] == path
