"""Graphs as data: their models, their validation, and analyses of them.

Invariant: a `GraphDefinition` that exists is valid in itself. Its references to tools and other graphs are checked when
it runs.
"""

from nbflow.graph.model import END as END
from nbflow.graph.model import EdgeDefinition as EdgeDefinition
from nbflow.graph.model import GraphDefinition as GraphDefinition
from nbflow.graph.model import NodeDefinition as NodeDefinition
from nbflow.graph.model import reachable as reachable
