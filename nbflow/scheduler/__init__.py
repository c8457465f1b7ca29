"""The pure half of the engine: it takes outcomes of tasks and returns commands.

Invariant: nothing here awaits, reads a clock or touches a store. A replay uses the same methods as a live run.
"""

from nbflow.scheduler.commands import Cancel as Cancel
from nbflow.scheduler.commands import Close as Close
from nbflow.scheduler.commands import Command as Command
from nbflow.scheduler.commands import EdgeTaken as EdgeTaken
from nbflow.scheduler.commands import EdgeUntaken as EdgeUntaken
from nbflow.scheduler.commands import Ended as Ended
from nbflow.scheduler.commands import Open as Open
from nbflow.scheduler.commands import Retry as Retry
from nbflow.scheduler.commands import Task as Task
from nbflow.scheduler.plan import Plan as Plan
from nbflow.scheduler.plan import compile_plan as compile_plan
from nbflow.scheduler.scheduler import RULES as RULES
from nbflow.scheduler.scheduler import Outcome as Outcome
from nbflow.scheduler.scheduler import Scheduler as Scheduler
