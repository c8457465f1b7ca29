"""Values and who holds them: copies, comparisons and read-only arguments (SEMANTICS rule 9).

A tool owns what it receives and gives up what it returns. The engine therefore copies every mutable value where it
crosses that boundary, and its own values never change. Objects of classes that the engine does not know are *handles*:
they pass as they are.
"""

from nbflow.values.adoption import adopt as adopt
from nbflow.values.atoms import ATOMS as ATOMS
from nbflow.values.copies import ValueChangedError as ValueChangedError
from nbflow.values.copies import own as own
from nbflow.values.copies import pure as pure
from nbflow.values.equality import same as same
from nbflow.values.kinds import is_mutable as is_mutable
from nbflow.values.kinds import register_codec as register_codec
from nbflow.values.kinds import register_type as register_type
from nbflow.values.rows import Compact as Compact
from nbflow.values.rows import whole as whole
from nbflow.values.snapshots import Snapshots as Snapshots
from nbflow.values.weight import is_heavy as is_heavy
from nbflow.values.weight import is_heavy_to_take as is_heavy_to_take
