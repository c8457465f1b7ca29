"""The cost of values, and which of them are copied off the event loop: SEMANTICS rule 22."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow.values import Snapshots, is_heavy, is_heavy_to_take, own

NESTED: dict[str, Any] = {f"key{n}": {"id": n, "tags": ["a", "b"]} for n in range(1_000)}


@pytest.mark.parametrize(
    ("value", "heavy"),
    [
        ({n: n for n in range(5_000)}, False),
        ([{"role": "user", "n": n} for n in range(1_000)], False),
        ([{"role": "user", "n": n} for n in range(20_000)], True),
        (NESTED, True),
        ([[n] for n in range(5_000)], True),
    ],
    ids=["flat", "rows", "many rows", "nested", "lists"],
)
def test_weight_counts_the_parts_that_are_copied_one_by_one(value: Any, heavy: bool) -> None:
    assert is_heavy(value) is heavy


def test_a_value_whose_snapshot_is_read_fast_is_no_longer_heavy() -> None:
    snapshots = Snapshots()

    before = snapshots.is_heavy(NESTED)
    for _ in range(2):
        snapshots.copy(NESTED)

    assert (before, snapshots.is_heavy(NESTED)) == (True, False)


def test_a_large_array_is_light_only_where_its_copy_is_a_view() -> None:
    np = pytest.importorskip("numpy")
    array = np.zeros(1_000_000)
    before = is_heavy(array)

    taken = own(array)

    assert (before, is_heavy(taken)) == (True, False)


def test_a_large_frame_that_is_returned_is_light_unless_its_cells_moved() -> None:
    pd = pytest.importorskip("pandas")
    frame = own(pd.DataFrame({"a": range(1_000_000)}))
    handed = own(frame)
    written = own(frame)
    written.iat[0, 0] = 9

    assert not is_heavy_to_take(handed, frame)
    assert is_heavy_to_take(written, frame)
    assert not is_heavy_to_take(written, None)


def test_a_frame_of_objects_is_heavy() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": pd.Series([[n] for n in range(200_000)], dtype=object)})

    assert is_heavy(frame)
    assert is_heavy_to_take(frame, None)
