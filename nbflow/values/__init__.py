"""Copies and comparisons of values (SEMANTICS rule 9).

A tool owns the values that it receives, and the engine owns the values that a tool returns. The engine therefore copies
every mutable value when it passes from one to the other, and never changes its own values. An object of a class that
the engine does not know is a *handle*: the engine passes the object itself, without a copy.

- `own` copies a value, `copy_sharing` copies it and reuses the unchanged parts of an older value.
- `Snapshots` makes repeated copies of the same value fast.
- `same` compares two values without calling the `__eq__` of a user's class.
- `is_heavy` finds the values whose copy is made outside the event loop.
- `register_type` and `register_codec` define how the instances of a class are copied.
"""

from nbflow.values.atoms import ATOMS as ATOMS
from nbflow.values.copies import Owned as Owned
from nbflow.values.copies import ValueChangedError as ValueChangedError
from nbflow.values.copies import copy_sharing as copy_sharing
from nbflow.values.copies import own as own
from nbflow.values.copies import pure as pure
from nbflow.values.equality import same as same
from nbflow.values.kinds import is_mutable as is_mutable
from nbflow.values.kinds import register_codec as register_codec
from nbflow.values.kinds import register_type as register_type
from nbflow.values.rows import Compact as Compact
from nbflow.values.rows import expanded as expanded
from nbflow.values.snapshots import Snapshots as Snapshots
from nbflow.values.weight import is_heavy as is_heavy
from nbflow.values.weight import is_heavy_to_take as is_heavy_to_take
