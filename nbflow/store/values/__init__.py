"""How any Python value becomes a JSON text and blobs, and comes back as what it was.

Rule: pure; no clock, no I/O, no database, and no library loaded that the value does not need.
"""

from nbflow.store.values.codecs import Codecs, Packed
from nbflow.store.values.faults import Unstorable, Unstored
from nbflow.store.values.pictures import Picture

__all__ = ["Codecs", "Packed", "Picture", "Unstorable", "Unstored"]
