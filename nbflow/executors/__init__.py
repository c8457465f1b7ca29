"""Executors: run the function of a tool on the loop or in a thread.

Invariant: an executor runs one call, and returns its value or raises. The engine decides when and how often.
"""

from nbflow.executors.inline import first_step as first_step
from nbflow.executors.inline import rest as rest
from nbflow.executors.thread import ThreadExecutor as ThreadExecutor
