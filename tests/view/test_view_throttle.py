"""The rate at which a feed updates its view, with a clock that a test advances."""

from __future__ import annotations

import pytest

from nbflow.view.fold.throttle import FLAT_OUT, FRAME, REST, SHARE, Throttle


def looked(throttle: Throttle, at: float, took: float, *, came: int, folded: int) -> float:
    """Look once; return how long the next look waits."""
    throttle.start(at, came)
    throttle.end(at + took, folded)
    return throttle.wait(at + took)


def test_looks_take_their_share_of_a_run_that_goes_flat_out() -> None:
    throttle, now, looking = Throttle(), 0.0, 0.0
    while now < 60.0:
        looking += 0.02
        now += 0.02 + looked(throttle, now, 0.02, came=20_000, folded=20_000)

    assert looking / now == pytest.approx(SHARE, rel=0.01)


def test_quick_looks_come_thirty_times_a_second() -> None:
    throttle, now, looks = Throttle(), 0.0, 0
    while now < 60.0:
        looks += 1
        now += 0.001 + looked(throttle, now, 0.001, came=900, folded=900)

    assert looks / now == pytest.approx(1 / FRAME, rel=0.01)


def test_the_second_change_after_a_quiet_time_does_not_wait() -> None:
    assert looked(Throttle(), 10.0, 0.001, came=3, folded=3) == 0.0


def test_a_run_that_waits_for_its_tools_is_not_rested_from() -> None:
    throttle = Throttle()
    looked(throttle, 0.0, 0.05, came=100, folded=100)

    assert looked(throttle, 1.0, 0.05, came=FLAT_OUT - 1, folded=FLAT_OUT - 1) < FRAME
    assert looked(throttle, 2.0, 0.05, came=FLAT_OUT, folded=FLAT_OUT) > FRAME


def test_what_was_left_is_made_up_for_where_the_run_has_time() -> None:
    throttle = Throttle()
    looked(throttle, 0.0, 0.05, came=100_000, folded=4_000)

    assert looked(throttle, 1.0, 0.05, came=1_000, folded=4_000) < FRAME


def test_no_look_waits_for_more_than_a_second() -> None:
    throttle = Throttle()
    looked(throttle, 0.0, 5.0, came=1, folded=1)

    assert looked(throttle, 6.0, 5.0, came=10_000_000, folded=10_000_000) == REST
