"""Previews of values that a person looks at while their run goes on."""

from __future__ import annotations

import threading

import pytest

from nbflow.view.previews import Previews


class Slow:
    """A value that shows itself only once it is let go."""

    def __init__(self) -> None:
        self.looked, self.go = 0, threading.Event()

    def __repr__(self) -> str:
        self.looked += 1
        self.go.wait()
        return "slow"


@pytest.fixture
def slow() -> Slow:
    made = Slow()
    yield made
    made.go.set()


def test_a_value_that_takes_its_time_is_not_waited_for_again_and_what_stands_beside_it_is_shown(slow: Slow) -> None:
    previews = Previews()

    for _ in range(3):
        first, second = previews.of({"slow": slow, "n": 1})
        assert first["preview"] == "<Slow: takes too long to show>"
        assert (second["key"], second["preview"]) == ("n", "1")

    assert slow.looked == 1


def test_a_value_is_rendered_once_however_often_it_is_looked_at() -> None:
    slow, previews = Slow(), Previews()
    slow.go.set()
    held = {"slow": slow}

    assert [previews.of(held)[0]["preview"] for _ in range(3)] == ["slow"] * 3
    assert slow.looked == 1
