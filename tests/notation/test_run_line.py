"""The line of `%flow_run NAME key=expr key2=expr2 --flag value`."""

from __future__ import annotations

import pytest

from nbflow.errors import NotationError
from nbflow.notation import RunLine, hides_value, parse_run_line


@pytest.mark.parametrize(
    ("line", "name", "assignments", "options", "quiet"),
    [
        ("", None, {}, (), False),
        ("g", "g", {}, (), False),
        ("  g  ;  # text", "g", {}, (), True),
        ('"my graph" x=1', "my graph", {"x": "1"}, (), False),
        ("fetch-pages.v2", "fetch-pages.v2", {}, (), False),
        ("7f3a01 x=1", "7f3a01", {"x": "1"}, (), False),
        ("x=1", None, {"x": "1"}, (), False),
        ("g x=1 y = 2 z= 3", "g", {"x": "1", "y": "2", "z": "3"}, (), False),
        ('g code=Path("app.py").read_text()', "g", {"code": 'Path("app.py").read_text()'}, (), False),
        ("g f=lambda k=1: k", "g", {"f": "lambda k=1: k"}, (), False),
        ("g f=lambda a, k=1: k x=2", "g", {"f": "lambda a, k=1: k", "x": "2"}, (), False),
        ("g x=a if b else c y=d", "g", {"x": "a if b else c", "y": "d"}, (), False),
        ("g x=a == b y=c <= d", "g", {"x": "a == b", "y": "c <= d"}, (), False),
        (
            "g x=(1, 2) y={'a': 1, **b} z=f(a, k=1)",
            "g",
            {"x": "(1, 2)", "y": "{'a': 1, **b}", "z": "f(a, k=1)"},
            (),
            False,
        ),
        ("g x='a y=1; # b' y=\"--z\"", "g", {"x": "'a y=1; # b'", "y": '"--z"'}, (), False),
        ("g x='''a' y=1''' y=2", "g", {"x": "'''a' y=1'''", "y": "2"}, (), False),
        ("g x=[i for i in y if i] y=(x := 2)", "g", {"x": "[i for i in y if i]", "y": "(x := 2)"}, (), False),
        ("g x=await f() größe=1", "g", {"x": "await f()", "größe": "1"}, (), False),
        ("g x=a - b --background", "g", {"x": "a - b"}, ("--background",), False),
        ("g x=a --b", "g", {"x": "a"}, ("--b",), False),
        ("g --from extract x=1 --limit=5", "g", {"x": "1"}, ("--from", "extract", "--limit=5"), False),
        ("r --from extract#3 x=1  # text", "r", {"x": "1"}, ("--from", "extract#3"), False),
        ("g --label 'a b' c --x", "g", {}, ("--label", "a b", "c", "--x"), False),
        ("--background", None, {}, ("--background",), False),
        ("g x=1;", "g", {"x": "1"}, (), True),
        ("g x=1 # y=2;", "g", {"x": "1"}, (), False),
        ("g x=r'\\d'", "g", {"x": "r'\\d'"}, (), False),
    ],
)
def test_a_line_is_a_name_keys_and_options(
    line: str, name: str | None, assignments: dict[str, str], options: tuple[str, ...], quiet: bool
) -> None:
    assert parse_run_line(line) == RunLine(name, tuple(assignments.items()), options, quiet)


COMMA = "',' separates nothing here; put a space between two keys"


@pytest.mark.parametrize(
    ("line", "column", "problem"),
    [
        ("x=1, y=2", 4, COMMA + ", and brackets around a tuple"),
        ("g x=1, 2", 6, COMMA + ", and brackets around a tuple"),
        ("g x=(1, 2), 3", 11, COMMA + ", and brackets around a tuple"),
        ("g, x=1", 2, COMMA),
        ("g x=1; y=2", 6, "';' is allowed only at the end of the line, where it hides the result"),
        ("g x", 3, "'x' is neither key=expression nor --option; did you mean 'x=…'?"),
        ("g 1x=3", 3, "'1x=3' is neither key=expression nor --option; did you mean 'key=…'?"),
        ("g x==1", 3, "'==' gives no value; did you mean 'x=…'?"),
        ("g -x 1", 3, "an option starts with '--'"),
        ("g x=", 4, "'x' has no value; write 'x=EXPRESSION'"),
        ("g x= y=1", 4, "'x' has no value; write 'x=EXPRESSION'"),
        ("g x=1 x=2", 7, "the key 'x' appears twice, both on line 1; keep one"),
        ("g x=(1", 5, "'(' is never closed"),
        ("g x=1)", 6, "')' closes no bracket"),
        ("g x=(1]", 7, "']' closes no bracket"),
        ("g x='a", 5, "this quote is never closed"),
        ("g x=1 +* 2", 8, "the value of 'x' is no expression of Python: invalid syntax"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_at_its_column(line: str, column: int, problem: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_run_line(line)

    assert (caught.value.line, caught.value.column, caught.value.problem) == (1, column, problem)


def test_an_expression_is_tried_at_few_places_only() -> None:
    with pytest.raises(NotationError, match="no expression of Python"):
        parse_run_line("g x=" + "lambda a=1 " * 80_000)


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ("g;", True),
        ("g x=1 ;  # text", True),
        ("--status failed;", True),
        ("g --from 'a b';", True),
        ("", False),
        ("g", False),
        ("g x=';'", False),
        ("g # text;", False),
        ("it's;", True),
    ],
)
def test_a_last_semicolon_hides_the_value(line: str, hidden: bool) -> None:
    assert hides_value(line) is hidden
