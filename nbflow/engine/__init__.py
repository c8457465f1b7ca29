"""The impure half: performs the scheduler's answers on the running event loop.

Rule: what follows from what is decided by the scheduler; here is only when, where and how often a tool is called.
"""

from nbflow.engine.engine import WorkflowEngine as WorkflowEngine
from nbflow.engine.result import ExecutionLog as ExecutionLog
from nbflow.engine.result import ExecutionResult as ExecutionResult
from nbflow.engine.run import Run as Run
