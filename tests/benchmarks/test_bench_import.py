"""The time of an import, in a new process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from figures import Figures, micro, ratio
from timing import AsyncWay, awaitable, interleave

import nbflow

MODELS = """
import asyncio
from pydantic import BaseModel
class Node(BaseModel):
    node_id: str
    tool: str | None = None
class Edge(BaseModel):
    from_node: str
    to_node: str
class Graph(BaseModel):
    nodes: list[Node]
    edges: list[Edge]
"""


def running(script: str) -> AsyncWay:
    search = os.pathsep.join(filter(None, [str(Path(nbflow.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    command, env = [sys.executable, "-c", script], {**os.environ, "PYTHONPATH": search}
    return awaitable(lambda: subprocess.run(command, env=env, check=True))


def test_import(figures: Figures) -> None:
    engine = running("from nbflow import GraphDefinition, WorkflowEngine")
    found = asyncio.run(interleave(9, running("import nbflow"), engine, running(MODELS), running("pass")))
    note = f"{micro(found.median())}, the script {micro(found.median(2))}, bare Python {micro(found.median(3))}"
    figures.at_most("import nbflow / asyncio and three pydantic models", found.ratio(0, 2), 1.6, note)
    figures.add("import of the engine / the same script", ratio(found.ratio(1, 2)), micro(found.median(1)))
    assert found.median() > 0
