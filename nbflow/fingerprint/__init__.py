"""Content hashes of functions and values that are the same in every process, for the cache of node results.

The fingerprint of a function covers its code and everything that it uses: globals, closures, defaults, other functions
and classes of the user. Installed packages count by their version.

Invariant: two functions with equal fingerprints do the same. If that cannot be guaranteed, `Unknown` is raised with a
reason, and there is no fingerprint.

The bytecode is hashed, not the source. The source on disk may be newer than the imported code, that of a lambda is its
whole line, and often there is none; comments, blank lines and docstrings would change the hash without need. The price
is that another version of Python, which compiles differently, gives another fingerprint.
"""

from nbflow.fingerprint.hashers import fingerprint as fingerprint
from nbflow.fingerprint.walk import Unknown as Unknown
