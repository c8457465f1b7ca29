"""Tables of rows under headings, as text and as pandas frames."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest

from nbflow.tables import Records, Table, shown


@dataclass
class Pair:
    name: str
    value: Any


class Pairs(Records[Pair]):
    kind = Pair

    def table(self) -> Table:
        return Table(("name", "value"), [(row.name, shown(row.value)) for row in self])


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert repr(Table(("a", "bb"), [("long", "x"), ("s", "y")])) == "a     bb\nlong  x\ns     y"


def test_a_cell_is_one_bounded_line_of_data_and_no_markup() -> None:
    table = Table(("a",), [("<b>\n\x1b[31m & " + "x" * 500,)])

    assert table.rows[0][0].startswith("<b> \ufffd[31m & xxx")
    assert len(table.rows[0][0]) == 120
    assert "&lt;b&gt;" in table._repr_html_()


def test_a_list_of_rows_is_a_list_that_shows_as_a_table() -> None:
    pairs = Pairs([Pair("x", 1)])

    assert pairs == [Pair("x", 1)]
    assert repr(pairs) == "name  value\nx     1"
    assert pairs._repr_html_().startswith("<table>")


def test_a_frame_has_a_column_for_each_field_with_or_without_rows() -> None:
    pytest.importorskip("pandas")
    value = object()

    frame = Pairs([Pair("x", value)]).to_pandas()

    assert frame["value"][0] is value
    assert list(Pairs().to_pandas().columns) == ["name", "value"]


def test_without_pandas_the_error_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(ImportError, match="pip install pandas"):
        Pairs().to_pandas()


def test_a_value_is_abbreviated_and_one_without_a_repr_shown_by_its_type() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise ValueError("no")

    assert len(shown({"rows": ["x" * 1000] * 1000})) < 400
    assert "Mute" in shown(Mute())
    assert "Mute" in shown([Mute()])
