"""The twenty control-flow patterns of van der Aalst, ter Hofstede, Kiepuszewski and Barros, "Workflow Patterns", 2003.

A test runs each pattern as a graph of nbflow, or the table gives the reason why it is out of scope.
"""

from collections.abc import Callable

import pytest
from harness import Drive, computes, prepare, run, takes

from nbflow.errors import ExecutionCancelled
from nbflow.scheduler import Cancel


def sequence() -> None:
    assert run("a -> b -> c").order == "a b c"


def parallel_split() -> None:
    drive = run("a -> b & c", {"b": takes(3), "c": takes(3)})
    assert drive.started("b") == drive.started("c") == [1]
    assert drive.makespan == 4


def synchronization() -> None:
    assert run("a -> b & c -> d", {"b": takes(3), "c": takes(5)}).started("d") == [6]


def exclusive_choice() -> None:
    for n, way in ((1, "a b"), (9, "a c")):
        assert run("a -> c if n > 5 else b", state={"n": n}).order == way


def simple_merge() -> None:
    for n, way in ((1, "a b d"), (9, "a c d")):
        assert run("a -> c if n > 5 else b\nb & c -> d", state={"n": n}).order == way


def multi_choice() -> None:
    text = "a [route=all]\na -> b if n > 1\na -> c if n > 3\na -> d if n > 5"
    assert run(text, state={"n": 4}).order == "a b c"
    assert run(text, state={"n": 0}).order == "a"


def synchronizing_merge() -> None:
    text = "a [route=all]\na -> b if n > 1\na -> c if n > 3\nb & c -> d"
    for n, moment in ((2, 3), (4, 6)):
        drive = run(text, {"b": takes(2), "c": takes(5)}, state={"n": n})
        assert drive.started("d") == [moment]


def multi_merge() -> None:
    drive = run("a -> b & c -> d\nd [join=each]\nd -> e\ne [join=each]", {"b": takes(1), "c": takes(4), "d": takes(9)})
    assert drive.started("d") == [2, 5]
    assert drive.started("e") == [11, 14]


def discriminator() -> None:
    text = "h -> a & b & c -> d\nd [join=first]\nd -> h if n < 2 else END"
    tools = {"a": takes(2), "b": takes(3), "c": takes(4), "d": computes(lambda s: {"n": s["n"] + 1})}
    drive = run(text, tools, state={"n": 0})
    # The head waits for the stragglers, then the discriminator is ready for the next round.
    assert drive.started("d") == [3, 8]
    assert drive.state == {"n": 2}


def arbitrary_cycles() -> None:
    # One cycle with two entries and two exits.
    text = "s -> b if n > 5 else a\na -> b\nb -> c\nc -> a if k < 3\nb -> x if k > 5\nc -> y"
    counting = {"c": computes(lambda s: {"k": s["k"] + 1})}
    assert run(text, counting, state={"n": 9, "k": 0}).order == "s b c a b c a b c y"
    assert run(text, counting, state={"n": 0, "k": 6}).order == "s a b x"


def implicit_termination() -> None:
    drive = run("a -> b & c", {"b": takes(1), "c": takes(7)})
    assert drive.makespan == 8


def instances_without_synchronization() -> None:
    text = "spawn [route=all]\nspawn -> work\nspawn -> spawn if n < 3\nwork [join=each]\nentry spawn"
    drive = run(text, {"spawn": computes(lambda s: {"n": s["n"] + 1}), "work": takes(9)}, state={"n": 0})
    # Each instance starts when it is spawned; only the end of the run waits for them.
    assert drive.started("work") == [1, 2, 3]
    assert drive.makespan == 12


def instances_known_when_designed() -> None:
    text = "w1 = work; w2 = work; w3 = work\na -> w1 & w2 & w3 -> z"
    assert run(text, {"work": takes(3)}).started("z") == [4]


def instances_known_when_begun() -> None:
    drive = run("a -> m -> z\nm = work [map=xs]", {"a": takes(1, xs=[5, 6, 7]), "work": lambda t: (t.value, t.value)})
    assert drive.started("z") == [8]
    assert drive.state["m"] == [5, 6, 7]


def instances_known_while_running() -> None:
    # Further instances start while others run; when no more can start, the join starts.
    text = "spawn [route=all]\nspawn -> work\nspawn -> spawn if n < 3\nwork [join=each]\nwork -> z\nentry spawn"
    drive = run(text, {"spawn": computes(lambda s: {"n": s["n"] + 1}, 4), "work": takes(5)}, state={"n": 0})
    assert drive.started("work") == [4, 8, 12]
    assert drive.started("z") == [17]


def deferred_choice() -> None:
    # The graph waits for both events; the first one withdraws the other.
    text = "a -> mail & call -> taken\ntaken [join=race]\ntaken -> read if by == 'mail' else talk"
    for mail, call, way in ((2, 9, "read"), (9, 2, "talk")):
        drive = run(text, {"mail": takes(mail, by="mail"), "call": takes(call, by="call")})
        assert drive.order == f"a mail call taken {way}"
        assert len(drive.cancelled) == 1


def interleaved_parallel_routing() -> None:
    # Each activity runs once, never two at a time, in an order that is chosen during the run.
    text = "pick -> a if next == 'a'\npick -> b if next == 'b'\npick -> c if next == 'c'\na & b & c -> pick"
    for order in ("abc", "cab"):
        picks = iter([*order, ""])
        drive = run(text, {"pick": lambda task, picks=picks: (0, {"next": next(picks)})})
        assert drive.order.replace("pick", "").split() == list(order)
        assert drive.makespan == 3


def cancel_activity() -> None:
    drive = run("a -> work & withdraw -> on\non [join=race]", {"work": takes(9, x=1), "withdraw": takes(2)})
    assert drive.cancelled == [(3, "work")]
    assert drive.state == {}


def cancel_case() -> None:
    drive: Drive = prepare("a -> b & c -> d", {"b": takes(9), "c": takes(9)})
    drive.carry_out(drive.scheduler.begin())
    drive.step()
    answers = drive.scheduler.stop(ExecutionCancelled("withdrawn"))
    assert [answer.task.name for answer in answers if isinstance(answer, Cancel)] == ["b", "c"]
    assert drive.scheduler.leaves() == []


PATTERNS: dict[str, Callable[[], None] | str] = {
    "WCP-1 Sequence": sequence,
    "WCP-2 Parallel Split": parallel_split,
    "WCP-3 Synchronization": synchronization,
    "WCP-4 Exclusive Choice": exclusive_choice,
    "WCP-5 Simple Merge": simple_merge,
    "WCP-6 Multi-Choice": multi_choice,
    "WCP-7 Synchronizing Merge": synchronizing_merge,
    "WCP-8 Multi-Merge": multi_merge,
    "WCP-9 Discriminator": discriminator,
    "WCP-10 Arbitrary Cycles": arbitrary_cycles,
    "WCP-11 Implicit Termination": implicit_termination,
    "WCP-12 Multiple Instances without Synchronization": instances_without_synchronization,
    "WCP-13 Multiple Instances with a Priori Design-Time Knowledge": instances_known_when_designed,
    "WCP-14 Multiple Instances with a Priori Runtime Knowledge": instances_known_when_begun,
    "WCP-15 Multiple Instances without a Priori Runtime Knowledge": instances_known_while_running,
    "WCP-16 Deferred Choice": deferred_choice,
    "WCP-17 Interleaved Parallel Routing": interleaved_parallel_routing,
    "WCP-18 Milestone": "out of scope: a node sees only what happened on the paths that led to it, so none can be "
    "enabled by where another path stands just now; a race can withdraw it, but not ask",
    "WCP-19 Cancel Activity": cancel_activity,
    "WCP-20 Cancel Case": cancel_case,
}
RUN = {name: pattern for name, pattern in PATTERNS.items() if callable(pattern)}


@pytest.mark.parametrize("pattern", RUN.values(), ids=list(RUN))
def test_workflow_pattern(pattern: Callable[[], None]) -> None:
    pattern()


def test_the_table_has_all_twenty_and_a_reason_for_each_that_does_not_run() -> None:
    assert [name.split()[0] for name in PATTERNS] == [f"WCP-{n}" for n in range(1, 21)]
    assert all(callable(p) or p.startswith("out of scope: ") for p in PATTERNS.values())
