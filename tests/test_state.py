"""The state of a path: the writes that it sees, and the merge of several states at a join."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.errors import ExecutionError, GraphError, StateConflictError
from nbflow.scheduler.merging import merge, overlaid
from nbflow.state import MISSING, PathState, Write, resolve

FOLDS = resolve({"log": "append", "all": "extend", "n": "add", "d": "merge", "x": "last"}, {})


class Story:
    """Paths of one run, with the counter that numbers all their writes."""

    def __init__(self, **state: Any) -> None:
        self.first = PathState.initial(state)
        self.serial = 0

    def write(self, path: PathState, writer: str, *, alone: bool = False, **update: Any) -> PathState:
        self.serial = path.write(update, writer, self.serial, FOLDS, alone=alone)
        return path


def joined(*paths: PathState, node: str | None = "join") -> PathState:
    return merge(paths, FOLDS, node=node)


def test_a_path_sees_the_initial_state_and_its_own_writes() -> None:
    story = Story(a=1, b=2)
    path = story.write(story.first, "w", b=3, c=4)

    assert dict(path) == {"a": 1, "b": 3, "c": 4}
    assert (path["a"], "c" in path, "z" in path, len(path)) == (1, True, False, 3)
    with pytest.raises(KeyError):
        path["z"]


def test_the_dict_of_a_path_is_a_copy() -> None:
    story = Story(a=1)
    story.first.as_dict()["a"] = 2

    assert story.first["a"] == 1


def test_forks_see_earlier_writes_and_none_of_each_other() -> None:
    story = Story(a=1)
    one = story.write(story.first, "w", b=1)
    two = one.fork()
    story.write(one, "one", c="one")
    story.write(two, "two", c="two", a=9)

    assert dict(one) == {"a": 1, "b": 1, "c": "one"}
    assert dict(two) == {"a": 9, "b": 1, "c": "two"}


def test_many_successive_forks_retain_every_write_and_few_levels() -> None:
    story = Story()
    path = story.first
    for number in range(200):
        story.write(path, "w", **{f"k{number}": number})
        path = path.fork()

    assert dict(path) == {f"k{number}": number for number in range(200)}
    assert len(path.layer.levels) < 12


def test_the_same_write_on_both_paths_stays() -> None:
    story = Story()
    one = story.write(story.first, "w", a=1)
    two = one.fork()

    assert dict(joined(one, two)) == {"a": 1}


def test_a_write_that_saw_the_other_wins_in_either_order() -> None:
    story = Story()
    one = story.write(story.first, "w", a=1)
    two = story.write(one.fork(), "later", a=2)

    assert joined(one, two)["a"] == 2
    assert joined(two, one)["a"] == 2


def test_concurrent_writes_are_a_conflict_that_names_the_key_both_nodes_and_the_join() -> None:
    story = Story(a=0)
    two = story.first.fork()
    one = story.write(story.first, "one", a=1)
    story.write(two, "two", a=2)

    for paths in ((one, two), (two, one)):
        with pytest.raises(StateConflictError) as caught:
            joined(*paths)
        assert (caught.value.key, caught.value.writers, caught.value.node) == ("a", ("one", "two"), "join")
        assert str(caught.value) == (
            "'one' and 'two' wrote 'a' side by side, and it is not known at the join 'join' which to keep; "
            "write 'reduce a with append' (or extend, add, merge, last), or let them write different keys"
        )


def test_equal_values_written_concurrently_are_two_writes() -> None:
    story = Story()
    two = story.first.fork()
    one = story.write(story.first, "one", a=1)
    story.write(two, "two", a=1)

    with pytest.raises(StateConflictError, match="at the end of the run"):
        joined(one, two, node=None)


def test_a_third_write_that_saw_both_settles_it() -> None:
    story = Story()
    two = story.first.fork()
    one = story.write(story.first, "one", log="one")
    story.write(two, "two", log="two")
    both = joined(one, two)
    three = both.fork()
    story.write(three, "three", a=1)

    assert dict(joined(both, three)) == {"log": ["one", "two"], "a": 1}


@pytest.mark.parametrize(
    ("key", "start", "first", "second", "both"),
    [
        ("log", MISSING, 1, 2, [1, 2]),
        ("log", [0], [1], 2, [0, [1], 2]),
        ("all", MISSING, [1], (2, 3), [1, 2, 3]),
        ("all", [0], [1], [2], [0, 1, 2]),
        ("n", MISSING, 1, 2, 3),
        ("n", 10, 1, 2, 13),
        ("d", MISSING, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ("d", {"a": 0, "z": 0}, {"a": 1}, {"a": 2}, {"a": 2, "z": 0}),
        ("x", 0, 1, 2, 2),
    ],
)
def test_a_reducer_folds_each_update_once(key: str, start: Any, first: Any, second: Any, both: Any) -> None:
    story = Story() if start is MISSING else Story(**{key: start})
    two = story.first.fork()
    one = story.write(story.first, "one", **{key: first})
    story.write(two, "two", **{key: second})

    assert joined(one, two)[key] == both


def test_updates_seen_on_several_paths_count_once() -> None:
    story = Story(n=0)
    one = story.write(story.first, "before", n=1, log="before")
    two, three = one.fork(), one.fork()
    story.write(two, "two", n=10, log="two")
    story.write(three, "three", n=100, log="three")

    met = joined(one, two, three)

    assert met["n"] == 111
    assert met["log"] == ["before", "two", "three"]


def test_joins_of_joins_count_each_update_once() -> None:
    story = Story(n=0)
    a, b, c = story.first, story.first.fork(), story.first.fork()
    story.write(a, "a", n=1)
    story.write(b, "b", n=10)
    story.write(c, "c", n=100)
    ab = joined(a, b)
    again = ab.fork()
    story.write(again, "again", n=1000)

    assert joined(ab, again, c)["n"] == 1111


def test_error_is_merged_by_last_unless_a_reducer_is_declared() -> None:
    story = Story()
    two = story.first.fork()
    one = story.write(story.first, "one", error="one")
    story.write(two, "two", error="two")

    assert joined(one, two)["error"] == "two"


def test_a_reducer_that_fails_names_the_key_the_node_and_why() -> None:
    story = Story(all=5)

    with pytest.raises(ExecutionError) as caught:
        story.write(story.first, "w", all=[1])

    assert caught.value.node == "w"
    assert str(caught.value) == (
        "the reducer of 'all' failed on what node 'w' wrote: "
        "TypeError: extend needs a list to add to, and the key holds int"
    )


def test_extend_refuses_a_text_as_a_list() -> None:
    story = Story()

    with pytest.raises(ExecutionError, match="extend takes a list of values, got str; use append for one value"):
        story.write(story.first, "w", all="abc")


def test_a_reducer_does_not_change_the_value_that_others_see() -> None:
    given = [1]
    story = Story(all=given)
    two = story.first.fork()
    story.write(story.first, "w", all=[2])

    assert given == [1]
    assert two["all"] == [1]


def test_an_edit_counts_as_having_seen_all_writes() -> None:
    story = Story()
    two = story.first.fork()
    one = story.write(story.first, "one", a=1)
    story.write(two, "two", a=2)
    edit = Write("edit", story.serial + 1, None, 9, sweeping=True)
    for path in (one, two):
        path.overwrite("a", 9, edit)

    assert joined(one, two)["a"] == 9


def test_a_write_marked_as_alone_is_never_a_conflict() -> None:
    story = Story(a=0)
    story.write(story.first, "w", alone=True, a=1)
    two = story.first.fork()
    story.write(two, "two", a=2)

    assert joined(story.first, two)["a"] == 2


def test_unknown_reducers_are_refused_with_the_most_alike() -> None:
    with pytest.raises(GraphError) as caught:
        resolve({"a": "apend", "b": "max"}, {"maximum": max})

    known = "known reducers: append, extend, add, merge, last, maximum"
    assert caught.value.faults == (
        f"key 'a' names unknown reducer 'apend'; did you mean 'append'?; {known}",
        f"key 'b' names unknown reducer 'max'; did you mean 'maximum'?; {known}",
    )


def test_a_registered_reducer_takes_the_value_and_one_update() -> None:
    folds = resolve({"a": "larger"}, {"larger": max})

    assert folds["a"](MISSING, [3, 5, 4]) == 5
    assert folds["a"](9, [3, 5]) == 9


@settings(max_examples=200)
@given(st.integers(0, 2**32))
def test_forks_and_joins_in_any_shape_count_every_update_exactly_once(seed: int) -> None:
    rng = random.Random(seed)
    story, written = Story(n=0, log=[]), 0
    paths = [story.first]
    for step in range(rng.randint(1, 30)):
        path = rng.choice(paths)
        match rng.choice(["fork", "write", "write", "join"]):
            case "fork":
                paths.append(path.fork())
            case "write":
                story.write(path, f"w{step}", n=1, log=step)
                written += 1
            case "join" if len(paths) > 1:
                some = rng.sample(range(len(paths)), rng.randint(2, len(paths)))
                met = joined(*(paths[i] for i in sorted(some)))
                paths = [p for i, p in enumerate(paths) if i not in some] + [met]

    whole = joined(*paths)
    assert whole["n"] == written
    assert len(whole["log"]) == len(set(whole["log"])) == written


# -- overlays ----------------------------------------------------------------------------------------------------------


def test_an_overlay_uses_the_write_that_saw_the_other_in_any_order_of_paths() -> None:
    story = Story(k="initial", only="initial")
    one = story.write(story.first, "a", k="before")
    two = one.fork()
    story.write(one, "b", k="after", b=1)
    story.write(two, "c", c=1)

    assert overlaid([one, two]) == overlaid([two, one]) == {"k": "after", "only": "initial", "b": 1, "c": 1}


def test_an_overlay_uses_the_last_paths_write_of_concurrent_ones() -> None:
    story = Story(k=0)
    one = story.first
    two, three = one.fork(), one.fork()
    story.write(two, "two", k=2)
    story.write(one, "one", k=1)
    ahead = story.write(two.fork(), "ahead", k=4)

    assert overlaid([one, two, three])["k"] == 2
    assert overlaid([two, one, three])["k"] == 1
    assert overlaid([ahead, one, two])["k"] == 1  # `ahead` has seen `two`
    assert overlaid([one, ahead, two])["k"] == 4


def test_an_overlay_uses_the_fold_that_contains_the_updates_of_another() -> None:
    story = Story()
    one = story.write(story.first, "a", log=0)
    two, waits = one.fork(), one.fork()
    story.write(one, "one", log=1)
    story.write(two, "two", log=2)
    behind = one.fork()
    both = joined(two, one)

    assert overlaid([both, behind, waits])["log"] == [0, 2, 1]
    assert overlaid([waits, both, behind])["log"] == [0, 2, 1]


def test_an_overlay_puts_an_edit_over_earlier_writes_and_under_later_ones() -> None:
    story = Story(k=0)
    one = story.write(story.first, "one", k=1)
    two = one.fork()
    story.write(two, "two", k=2)
    edit = Write("edit", story.serial + 1, None, "edited", sweeping=True)
    story.serial += 1
    for path in (one, two):
        path.overwrite("k", "edited", edit)

    assert overlaid([one, two])["k"] == "edited"
    story.write(one, "one", k="later")
    assert overlaid([one, two])["k"] == overlaid([two, one])["k"] == "later"


def test_an_overlay_never_uses_an_older_write_and_of_one_path_equals_it() -> None:
    for seed in range(200):
        rng, story = random.Random(seed), Story(k=0)
        paths, behind = [story.first], {}
        for step in range(1, 12):
            path = rng.choice(paths)
            if rng.random() < 0.4:
                paths.append(path.fork())
            else:
                behind[step] = path["k"]
                story.write(path, f"w{step}", k=step)
        rng.shuffle(paths)
        shown, older = overlaid(paths)["k"], set()
        for path in paths:
            assert overlaid([path]) == path.as_dict()
            at = path["k"]
            while at in behind:
                at = behind[at]
                older.add(at)
        assert shown not in older
        assert shown == next(path["k"] for path in reversed(paths) if path["k"] not in older)
