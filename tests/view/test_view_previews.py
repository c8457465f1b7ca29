"""Previews of values that a person inspects while the run is running."""

from __future__ import annotations

import threading

import pytest

from nbflow.view.values.time_limit import Previews


class Slow:
    """A value whose repr blocks until it is released."""

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


def test_a_slow_value_is_not_waited_for_again_and_the_others_are_shown(slow: Slow) -> None:
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


def test_what_there_was_no_time_for_is_shown_the_next_time() -> None:
    kinds = [type(f"Slow{n}", (Slow,), {}) for n in range(3)]
    slow = [kind() for kind in kinds]
    held = {"a": slow[0], "b": slow[1], "c": slow[2], "list": [1, 2, 3]}
    previews = Previews()

    first, second = (previews.of(held)[3]["preview"] for _ in range(2))
    for each in slow:
        each.go.set()

    assert (first, second) == ("<list: takes too long to show>", "[1, 2, 3]")
