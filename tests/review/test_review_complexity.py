"""The numbers are radon's, for every function there is."""

import inspect
import json.decoder
import textwrap

import pytest
from radon.complexity import cc_visit
from radon.metrics import mi_visit
from radon.raw import analyze

from nbflow.errors import ToolError
from nbflow.review import check_complexity, extract_functions, find_hotspots
from nbflow.review.maintainability import count_lines

CLOSURE = """\
def outer(x):
    class Local:
        def method(self):
            return 1 if self else 2
    def inner(y):
        while y:
            y -= 1 if x and y else 2
    return inner
"""

LONG = """\
def load(rows, strict):
    total = 0
    for row in rows:
        if row is None:
            continue
        if row < 0:
            total -= row
        elif row > 10 and strict:
            total += 10
        else:
            total += row
    while total > 100:
        if strict and total % 2 or rows:
            total //= 2
        else:
            total -= 1
    return total if total else None
"""


@pytest.mark.parametrize("module", [textwrap, json.decoder, inspect])
def test_what_radon_lists_has_radons_number(module):
    source = inspect.getsource(module)

    ours = {row["line"]: row["complexity"] for row in check_complexity(source)["complexity"] if row["name"][0] != "<"}

    radons = {block.lineno: block.complexity for block in cc_visit(source) if block.letter != "C"}
    assert radons
    assert radons.items() <= ours.items()


@pytest.mark.parametrize("module", [textwrap, json.decoder, inspect])
def test_maintainability_is_radons_index(module):
    source = inspect.getsource(module)

    assert check_complexity(source)["maintainability"] == round(mi_visit(source, multi=True), 2)


@pytest.mark.parametrize(
    "code",
    [
        "",
        '"""Doc.\n\nMore.\n"""\n\n# one\nx = 1  # two\n',
        "x = {\n  'a': 1,  # inside\n\n  # alone inside\n  'b': 2,\n}\nif x: y = 1; z = 2\nif x:\n    pass\n",
        "def f(a: int = 1, *, b): return lambda: a\nx = 1 + \\\n    2\n",
        "s = '''one\n\ntwo'''\n'free'\n",
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_lines_are_counted_as_radon_counts_them(code, ends):
    radons = analyze(code)

    assert count_lines(code.replace("\n", ends)) == (radons.lloc, radons.sloc, radons.comments, radons.multi)


def test_a_statement_of_many_lines_is_read_once():
    """Read once per line, as radon by itself does, this table would take the test beyond any timeout."""
    table = "TABLE = {\n" + "".join(f"    'k{i}': {i},\n" for i in range(30_000)) + "}\n"

    assert count_lines(table) == (2, 30_002, 0, 0)


def test_nested_functions_are_measured_under_the_names_they_are_listed_by():
    rows = check_complexity(CLOSURE)["complexity"]

    assert [(row["name"], row["complexity"], row["rank"]) for row in rows] == [
        ("outer", 1, "A"),
        ("outer.<locals>.Local.method", 2, "A"),
        ("outer.<locals>.inner", 4, "A"),
    ]
    assert [row["name"] for row in extract_functions(CLOSURE)["functions"]] == [row["name"] for row in rows]


def test_maximum_and_average_are_over_the_rows():
    answer = check_complexity(CLOSURE)

    assert (answer["max_complexity"], answer["average_complexity"]) == (4, 2.33)


def test_branches_outside_functions_are_a_row_of_the_module():
    answer = check_complexity("import os\nif os.name and os.sep:\n    x = 1\n", "script.py")

    assert answer["complexity"] == [
        {"file": "script.py", "name": "<module>", "line": 1, "end_line": 3, "complexity": 3, "rank": "A"}
    ]


@pytest.mark.parametrize("code", ["", "x = 1\n", "\ufeff# nothing\n"])
def test_a_source_without_branches_has_no_rows_and_can_be_maintained(code):
    assert check_complexity(code) == {
        "complexity": [],
        "max_complexity": 0,
        "average_complexity": 0.0,
        "maintainability": 100.0,
    }


def test_a_source_that_does_not_parse_is_not_measured():
    answer = check_complexity("def f(:\n")

    assert (answer["complexity"], answer["max_complexity"], answer["maintainability"]) == ([], 0, None)
    assert find_hotspots("def f(:\n") == {"hotspots": []}


@pytest.mark.parametrize("measure", [check_complexity, lambda code, path: find_hotspots(code, path, 1)])
def test_a_chain_too_deep_for_radon_is_an_error_that_names_the_file(measure):
    chain = "def f(x):\n    if x == 0: pass\n" + "".join(f"    elif x == {i}: pass\n" for i in range(1, 2000))

    with pytest.raises(ToolError, match=r"deep\.py.*nested too deeply"):
        measure(chain, "deep.py")


def test_a_hotspot_names_the_block_nearest_to_half_of_the_decisions():
    (spot,) = find_hotspots(LONG, "load.py", complexity_limit=10)["hotspots"]

    assert (spot["file"], spot["name"], spot["complexity"]) == ("load.py", "load", 11)
    assert spot["part"] == {"line": 3, "end_line": 11, "kind": "for", "decisions": 5}


def test_an_elif_is_never_the_part_to_move():
    chain = "def f(x):\n    if x == 0:\n        pass\n" + "".join(f"    elif x == {i}: pass\n" for i in range(1, 8))

    (spot,) = find_hotspots(chain, complexity_limit=5)["hotspots"]

    assert spot["part"] is None


def test_hotspots_are_above_the_limit_most_complex_first():
    code = "def small(x):\n    return x or 1\n\n" + CLOSURE + LONG

    spots = find_hotspots(code, complexity_limit=3)["hotspots"]

    assert [spot["name"] for spot in spots] == ["load", "outer.<locals>.inner"]
    assert find_hotspots(code, complexity_limit=11)["hotspots"] == []
