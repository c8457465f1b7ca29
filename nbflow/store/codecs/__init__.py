"""Codecs: store any Python value as JSON text and blobs, and restore the same value.

The package has no clock, I/O or database, and imports a library only for a value that needs it.
"""

from nbflow.store.codecs.codecs import Codecs, Packed
from nbflow.store.codecs.errors import Unstorable, Unstored
from nbflow.store.codecs.images import Picture

__all__ = ["Codecs", "Packed", "Picture", "Unstorable", "Unstored"]
