"""The scheduler and a naive second implementation of the rules agree on random graphs.

They agree on every start, its moment and its state, and on the final state or the error.
"""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import Kinds, compare, random_case

CALM = Kinds(failures=0.02, shared_writes=0.03, odd_conditions=False)
KINDS = {
    "every join": Kinds(),
    "all only": Kinds(joins=("all",)),
    "small": Kinds(most_nodes=4),
    "calm": CALM,
    "large": Kinds(failures=0, shared_writes=0, odd_conditions=False, most_nodes=12),
}


@pytest.mark.parametrize("kinds", KINDS.values(), ids=list(KINDS))
@settings(max_examples=50)
@given(random=st.randoms(use_true_random=False))
def test_the_scheduler_and_the_oracle_agree(kinds: Kinds, random: Random) -> None:
    compare(random_case(random, kinds))


@pytest.mark.parametrize("kinds", KINDS.values(), ids=list(KINDS))
def test_the_random_graphs_reach_every_ending(kinds: Kinds) -> None:
    seeded = [Random(seed) for seed in range(150)]
    endings = [compare(random_case(random, kinds)) for random in seeded]
    assert endings.count("completed") > 30
    assert {"LoopError", "StateConflictError"} <= set(endings)
