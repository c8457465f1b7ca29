"""Graphs as data: what a definition may say, and what is wrong with one.

Rule: a `GraphDefinition` that exists is sound in itself; what depends on tools or other graphs is checked when it runs.
"""

from nbflow.graph.model import END as END
from nbflow.graph.model import EdgeDefinition as EdgeDefinition
from nbflow.graph.model import GraphDefinition as GraphDefinition
from nbflow.graph.model import NodeDefinition as NodeDefinition
from nbflow.graph.model import reachable as reachable
