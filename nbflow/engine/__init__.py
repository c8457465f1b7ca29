"""The impure half of the engine: executes the scheduler's commands on the running event loop.

Invariant: the scheduler decides what follows from an outcome. The engine decides only when, where and how often a tool
is called.
"""

from nbflow.engine.engine import WorkflowEngine as WorkflowEngine
from nbflow.engine.result import ExecutionLog as ExecutionLog
from nbflow.engine.result import ExecutionResult as ExecutionResult
from nbflow.engine.run import Run as Run
