"""What tells a function, with all that it uses, from every other: here, and in any other process.

Invariant: two things with one fingerprint do the same. Where that cannot be promised there is none, and a reason
instead.

What is hashed is the code that runs, and not its text. The text on the disk may be newer than what was imported from
it, of a lambda it is the whole line, and often there is none; comments, blank lines and docstrings leave the code as it
is. The price is that another version of Python, which compiles otherwise, gives another fingerprint.
"""

from nbflow.fingerprint.telling import fingerprint as fingerprint
from nbflow.fingerprint.walk import Unknown as Unknown
