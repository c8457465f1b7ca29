"""What a resumed run goes on from.

Rule: it is all of what is known to have happened, replayed; nothing else is taken over from the run that was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nbflow.engine.replay import Replay
from nbflow.events import Event


@dataclass(frozen=True, slots=True)
class Past:
    """The events so far and the scheduler that they lead to.

    `kept` counts those that a store has already, `seconds` is how long the run has run, `told` what the event of its
    resumption says.
    """

    replay: Replay
    events: Sequence[Event]
    kept: int = 0
    seconds: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)
