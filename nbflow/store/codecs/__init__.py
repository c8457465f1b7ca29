"""How any Python value becomes a JSON text and blobs, and comes back as what it was.

Rule: pure; no clock, no I/O, no database, and no library loaded that the value does not need.
"""

from nbflow.store.codecs.codecs import Codecs, Packed
from nbflow.store.codecs.errors import Unstorable, Unstored
from nbflow.store.codecs.images import Picture

__all__ = ["Codecs", "Packed", "Picture", "Unstorable", "Unstored"]
