"""The fingerprint of a function: the same for the same, another for whatever may do something else."""

from __future__ import annotations

import dataclasses
import enum
import functools
import logging
import operator
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cached_runs import define, exact
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from nbflow import progress
from nbflow.fingerprint import Unknown, fingerprint


def of(source: str, name: str = "tool", **names: Any) -> str:
    return fingerprint(define(textwrap.dedent(source), **names)[name], name=name)


# -- laws ---------------------------------------------------------------------------------------------------------

numbers = st.lists(st.integers() | st.floats(allow_nan=False) | st.text(), min_size=1, max_size=6)


def chain(constants: list[Any], *, noise: str = "") -> str:
    """Return functions each of which calls the next; `tool` calls the first."""
    calls = [f"f{index + 1}()" for index in range(len(constants) - 1)] + ["None"]
    parts = [f"def f{i}():{noise}\n    return {value!r}, {calls[i]}\n" for i, value in enumerate(constants)]
    return "def tool(x):\n    return x, f0()\n" + "\n".join(parts)


@given(numbers)
def test_the_same_source_run_again_has_the_same_fingerprint(constants: list[Any]) -> None:
    assert of(chain(constants)) == of(chain(constants))


@given(numbers, st.data())
def test_a_change_of_any_function_that_is_called_changes_it(constants: list[Any], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(constants) - 1))
    changed = [*constants[:at], ["changed"], *constants[at + 1 :]]

    assert of(chain(constants)) != of(chain(changed))


@given(numbers, st.text("ab \n", max_size=5))
def test_comments_blank_lines_and_docstrings_do_not_matter(constants: list[Any], words: str) -> None:
    spaced = chain(constants, noise=f"\n    {words!r}\n\n    # words\n").replace("def f0", "\n\n# more\n\ndef f0")

    assert of(chain(constants)) == of(spaced)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
plain = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.frozensets(st.integers() | st.text(), max_size=3)
    ),
    max_leaves=8,
)


@given(plain, plain)
def test_values_have_the_same_fingerprint_if_and_only_if_they_are_the_same(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (exact(one) == exact(other))


# -- what matters -------------------------------------------------------------------------------------------------

PAIRS = {
    "a constant that it reads": ("LIMIT = 3\ndef tool(): return LIMIT", "LIMIT = 4\ndef tool(): return LIMIT"),
    "the type of a constant": ("def tool(): return 1", "def tool(): return True"),
    "a list that it reads": ("L = [1, 2]\ndef tool(): return L", "L = [1, 3]\ndef tool(): return L"),
    "a default": ("def tool(x=1): return x", "def tool(x=2): return x"),
    "a keyword's default": ("def tool(*, x=1): return x", "def tool(*, x=2): return x"),
    "a parameter's name": ("def tool(x): return 1", "def tool(y): return 1"),
    "an attribute": ("def tool(x): return x.a", "def tool(x): return x.b"),
    "a builtin that it calls": ("def tool(x): return min(x)", "def tool(x): return max(x)"),
    "a lambda inside": ("def tool(x): return sorted(x, key=lambda y: y)", "def tool(x): return sorted(x, key=lambda y: -y)"),
    "what is caught": (
        "def tool():\n    try: return 1/0\n    except ValueError: return 1",
        "def tool():\n    try: return 1/0\n    except ZeroDivisionError: return 1",
    ),
    "whether it is async": ("def tool(): return 1", "async def tool(): return 1"),
    "a closure": (
        "def make(n):\n    def tool(): return n\n    return tool\ntool = make(1)",
        "def make(n):\n    def tool(): return n\n    return tool\ntool = make(2)",
    ),
    "what it decorates": (
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def g(): return f()\n    return g\n@d\ndef tool(): return 1",
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def g(): return f()\n    return g\n@d\ndef tool(): return 2",
    ),
    "a method of a class": (
        "class C:\n    def m(self): return 1\ndef tool(): return C().m()",
        "class C:\n    def m(self): return 2\ndef tool(): return C().m()",
    ),
    "a method of a base": (
        "class B:\n    def m(self): return 1\nclass C(B): pass\ndef tool(): return C().m()",
        "class B:\n    def m(self): return 2\nclass C(B): pass\ndef tool(): return C().m()",
    ),
    "what an object holds": (
        "class C:\n    def __init__(self, n): self.n = n\nc = C(1)\ndef tool(): return c.n",
        "class C:\n    def __init__(self, n): self.n = n\nc = C(2)\ndef tool(): return c.n",
    ),
    "a function in a table": ("T = {'a': lambda: 1}\ndef tool(): return T", "T = {'a': lambda: 2}\ndef tool(): return T"),
    "a pattern": ("import re\nP = re.compile('a')\ndef tool(): return P", "import re\nP = re.compile('b')\ndef tool(): return P"),
    "a cached helper": (
        "import functools\n@functools.cache\ndef h(): return 1\ndef tool(): return h()",
        "import functools\n@functools.cache\ndef h(): return 2\ndef tool(): return h()",
    ),
    "a partial's argument": (
        "from functools import partial\ndef h(x): return x\np = partial(h, 1)\ndef tool(): return p()",
        "from functools import partial\ndef h(x): return x\np = partial(h, 2)\ndef tool(): return p()",
    ),
    "a member of an enum": (
        "import enum\nclass E(enum.Enum):\n    A = 1\ndef tool(): return E.A",
        "import enum\nclass E(enum.Enum):\n    A = 2\ndef tool(): return E.A",
    ),
    "a field's default": (
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int = 1\ndef tool(): return D()",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int = 2\ndef tool(): return D()",
    ),
    "a model's limit": (
        "from pydantic import BaseModel, Field\nclass M(BaseModel):\n    x: int = Field(1, gt=0)\ndef tool(): return M()",
        "from pydantic import BaseModel, Field\nclass M(BaseModel):\n    x: int = Field(1, gt=1)\ndef tool(): return M()",
    ),
    "a model's validator": (
        "from pydantic import BaseModel, field_validator\nclass M(BaseModel):\n    x: int = 1\n    @field_validator('x')\n    def v(cls, x): return x\ndef tool(): return M()",
        "from pydantic import BaseModel, field_validator\nclass M(BaseModel):\n    x: int = 1\n    @field_validator('x')\n    def v(cls, x): return -x\ndef tool(): return M()",
    ),
    "a model's pattern": (
        "from pydantic import BaseModel, Field\nclass M(BaseModel):\n    x: str = Field('a', pattern='a')\ndef tool(): return M()",
        "from pydantic import BaseModel, Field\nclass M(BaseModel):\n    x: str = Field('a', pattern='b')\ndef tool(): return M()",
    ),
    "a function's own attribute": (
        "def h(): return 1\nh.most = 1\ndef tool(): return h.most",
        "def h(): return 1\nh.most = 2\ndef tool(): return h.most",
    ),
    "a name that was not there": ("def tool(): return helper()", "def helper(): return 1\ndef tool(): return helper()"),
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_what_may_change_the_result_changes_the_fingerprint(pair: tuple[str, str]) -> None:
    one, other = pair

    assert of(one) == of(one)
    assert of(one) != of(other)


SAME = {
    "a function that is not called": ("def other(): return 1\n", "def other(): return 2\n"),
    "a constant that is not read": ("LIMIT = 1\n", "LIMIT = 2\n"),
    "where it stands": ("", "\n\n\n"),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_what_cannot_change_the_result_does_not(pair: tuple[str, str]) -> None:
    tool = "def tool(x):\n    return len(x)\n"

    assert of(pair[0] + tool) == of(pair[1] + tool)


def test_functions_that_call_each_other_come_to_an_end() -> None:
    ring = "def tool(n): return other(n) if n else {}\ndef other(n): return tool(n - 1)"

    assert of(ring.format(1)) == of(ring.format(1))
    assert of(ring.format(1)) != of(ring.format(2))


def test_a_long_chain_of_calls_is_no_trouble() -> None:
    assert of(chain([0] * 3000)) != of(chain([0] * 2999 + [1]))


# -- modules ------------------------------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give what writes the user's own module `my_helpers`, and forgets that it was imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str) -> None:
        (tmp_path / "my_helpers.py").write_text(text)
        monkeypatch.delitem(sys.modules, "my_helpers", raising=False)

    return write


USES = {
    "by its module": "import my_helpers\ndef tool(): return my_helpers.clean()",
    "by its name": "from my_helpers import clean\ndef tool(): return clean()",
    "imported inside": "def tool():\n    import my_helpers\n    return my_helpers.clean()",
    "by name, imported inside": "def tool():\n    from my_helpers import clean as c\n    return c()",
    "by a module in a closure": (
        "def make():\n    import my_helpers\n    def tool(): return my_helpers.clean()\n    return tool\ntool = make()"
    ),
}


@pytest.mark.parametrize("source", USES.values(), ids=USES)
def test_a_function_of_a_module_of_the_users_counts_by_its_code(source: str, module: Callable[[str], None]) -> None:
    module("def clean(): return other()\ndef other(): return 1\ndef unused(): return 1")
    before = of(source)
    module("def clean(): return other()\ndef other(): return 1\ndef unused(): return 2")
    unused = of(source)
    module("def clean(): return other()\ndef other(): return 2\ndef unused(): return 1")
    changed = of(source)

    assert before == unused
    assert before != changed


def test_a_module_is_told_by_the_code_that_was_imported_and_not_by_its_file(
    module: Callable[[str], None], tmp_path: Path
) -> None:
    source = "import my_helpers\ndef tool(): return my_helpers.clean()"
    module("def clean(): return 1")
    before = of(source)

    (tmp_path / "my_helpers.py").write_text("def clean(): return 2")

    assert of(source) == before


def test_what_is_installed_counts_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbflow.fingerprint import packages

    source = "import hypothesis\ndef tool(): return hypothesis.given"
    before = of(source)
    monkeypatch.setattr(packages, "version", lambda name: "0.0.0")
    packages._release.cache_clear()
    packages._owner.cache_clear()
    try:
        assert of(source) != before
    finally:
        monkeypatch.undo()
        packages._release.cache_clear()
        packages._owner.cache_clear()
    assert of(source) == before


def test_a_module_that_is_not_there_is_no_trouble() -> None:
    source = "def tool():\n    try:\n        import not_there_at_all\n    except ImportError:\n        return 1"

    assert of(source) == of(source)


# -- what can be known, and what cannot ---------------------------------------------------------------------------


class Color(enum.Enum):
    RED = 1


class Text(enum.StrEnum):
    A = "a"


@dataclasses.dataclass(frozen=True)
class Point:
    x: int = 3
    more: list[int] = dataclasses.field(default_factory=list)


class Model(BaseModel):
    n: int = Field(3, gt=0)
    p: Point | None = None


class Slots:
    __slots__ = ("__hidden", "n")

    def __init__(self, n: int) -> None:
        self.n = self.__hidden = n


Pair = namedtuple("Pair", "a b")

KNOWN = [
    lambda: len, lambda: "".join, lambda: str.upper, lambda: dict.fromkeys, lambda: operator.itemgetter(1),
    lambda: threading.Lock(), lambda: threading.RLock(), lambda: logging.getLogger("x"), lambda: re.compile("a"),
    lambda: functools.partial(print, 1), lambda: object(), lambda: Path, lambda: progress, lambda: Color.RED,
    lambda: Text.A, lambda: Point(4), lambda: Model(), lambda: Slots(1), lambda: Pair(1, 2), lambda: list[int] | None,
    lambda: Callable[[int], str], lambda: Point(4).__eq__, lambda: {1, "a", None}, lambda: slice(1),
]  # fmt: skip


@pytest.mark.parametrize("make", KNOWN)
def test_what_has_no_hidden_state_is_known(make: Callable[[], Any]) -> None:
    assert fingerprint(make()) == fingerprint(make())


@pytest.mark.parametrize(
    "pair", [(Slots(1), Slots(2)), (Point(1), Point(2)), (Model(n=1), Model(n=2)), (Pair(1, 2), Pair(1, 3))]
)
def test_objects_of_the_users_classes_are_told_by_what_they_hold(pair: tuple[Any, Any]) -> None:
    assert fingerprint(pair[0]) != fingerprint(pair[1])


def test_an_object_of_a_class_whose_method_changed_is_another() -> None:
    one = define("class C:\n    def total(self): return 1\nc = C()")["c"]
    other = define("class C:\n    def total(self): return 2\nc = C()")["c"]

    assert fingerprint({"order": [one]}) != fingerprint({"order": [other]})


def test_what_an_object_has_only_remembered_is_no_part_of_it() -> None:
    class Circle:
        def __init__(self, radius: float) -> None:
            self.radius = radius

        @functools.cached_property
        def area(self) -> float:
            return 3 * self.radius**2

    asked, fresh = Circle(2), Circle(2)
    assert asked.area == 12

    assert fingerprint(asked) == fingerprint(fresh)


def test_an_object_met_twice_is_like_two_that_are_equal() -> None:
    shared, apart = Point(1), [Point(1), Point(1)]

    assert fingerprint([shared, shared]) == fingerprint(apart)


def test_what_holds_state_that_nobody_sees_has_no_fingerprint_and_the_way_to_it_is_told(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w") as file:
        cell = define("def helper(): return client.read()\ndef tool(): return helper()", client=file)

        with pytest.raises(Unknown) as caught:
            fingerprint(cell["tool"], name="tool")

    assert caught.value.reason == (
        "tool → helper → client is of _io.TextIOWrapper, whose state cannot be known; create it inside the function "
        "that uses it, or pass plain values"
    )


def test_what_holds_itself_has_no_fingerprint() -> None:
    held: list[Any] = []
    held.append(held)

    with pytest.raises(Unknown, match="nested deeper than 100 levels, or contains itself"):
        fingerprint(held, name="held")


def test_other_values_are_hashed_by_their_registered_form() -> None:
    assert fingerprint(Path("a"), pack=str) != fingerprint(Path("b"), pack=str)
    with pytest.raises(Unknown, match=r"path is of pathlib[\w.]*Path"):
        fingerprint(Path("a"), name="path")


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import re, enum, functools, dataclasses, collections
        from pydantic import BaseModel
        from nbflow.fingerprint import fingerprint
        S = frozenset(["a", "b", "c", "d"])
        class E(enum.Enum):
            A = "a"
        @dataclasses.dataclass
        class D:
            x: int = 1
        N = collections.namedtuple("N", "a b")
        class M(BaseModel):
            d: D | None = None
        @functools.lru_cache
        def cached(x): return x in {"p", "q", "r", "s"}
        class C:
            def m(self): return super().__init__()
        def tool(x, *rest, y=(1, 2), **more):
            import json
            from collections.abc import Mapping
            return S, E.A, D(), N(1, 2), M(), cached(x), C().m, re.compile("a").match, (lambda: rest)()
        print(fingerprint(tool))
    """)
    path = tmp_path / "program.py"
    path.write_text(code)
    printed = {
        subprocess.run(
            [sys.executable, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }

    assert len(printed) == 1
