"""Spans and moments of time as people type them."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.errors import NbflowError
from nbflow.notation.time_spans import parse_since, parse_span

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
        ("45s", 45),
        ("1.5h", 5400),
        (" 3 h ", 10_800),
    ],
)
def test_a_span_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "1d12h", "1e3s", "٣d", "9" * 400 + "d", "nan d"])
def test_anything_else_is_refused_with_what_is_understood(text: str) -> None:
    with pytest.raises(NbflowError, match="is no span of time; write a number and s, m, h, d or w"):
        parse_span(text)


@given(st.text())
def test_any_text_is_a_moment_or_refused_in_words(text: str) -> None:
    try:
        assert isinstance(parse_since(text, now=NOW), float)
    except NbflowError:
        pass


def test_since_a_span_is_so_long_before_now() -> None:
    assert parse_since("2d", now=NOW) == NOW - 172_800


def test_since_a_date_is_its_beginning_here() -> None:
    assert parse_since("2026-01-31", now=NOW) == datetime(2026, 1, 31).astimezone().timestamp()


def test_since_a_time_may_name_its_zone() -> None:
    assert parse_since("2026-01-31T12:00+02:00", now=NOW) == datetime.fromisoformat("2026-01-31T10:00Z").timestamp()


@pytest.mark.parametrize("text", ["yesterday", "2026", "2026-13-01"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(NbflowError, match="is neither a span of time nor a date"):
        parse_since(text, now=NOW)
