"""Where a tool's function runs: on the loop, or in a thread.

Rule: an executor runs one call and gives its value or raises; when and how often is the engine's business.
"""

from nbflow.executors.inline import first_step as first_step
from nbflow.executors.inline import rest as rest
from nbflow.executors.thread import ThreadExecutor as ThreadExecutor
