"""Recorded scientific workflows take as long as their critical path, since no branch waits at a barrier."""

import json
from pathlib import Path
from typing import Any

import pytest
from harness import run, takes

from nbflow.graph import GraphDefinition

DATA = Path(__file__).parents[3] / "shared" / "data" / "wfcommons"
NAMES = ["epigenomics-chameleon-hep-1seq-50k-001", "montage-chameleon-dss-05d-001", "srasearch-chameleon-20a-002"]

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no recorded workflows beside the project")


def load(name: str) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Return the parents and the run time in seconds of each task."""
    workflow: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())["workflow"]
    parents = {task["id"]: task["parents"] for task in workflow["specification"]["tasks"]}
    runtimes = {task["id"]: task["runtimeInSeconds"] for task in workflow["execution"]["tasks"]}
    return parents, runtimes


def ends(parents: dict[str, list[str]], runtimes: dict[str, float]) -> dict[str, float]:
    """Return the end time of each task if it starts as soon as its parents have ended."""
    found: dict[str, float] = {}
    while len(found) < len(parents):
        for task, before in parents.items():
            if task not in found and all(parent in found for parent in before):
                found[task] = max((found[parent] for parent in before), default=0.0) + runtimes[task]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_makespan_is_the_critical_path_and_every_task_runs_once_when_its_parents_have_ended(name: str) -> None:
    parents, runtimes = load(name)
    definition = GraphDefinition.model_validate({
        "nodes": [{"node_id": task, "tool": task} for task in parents],
        "edges": [{"from_node": p, "to_node": task} for task, before in parents.items() for p in before],
        "reducers": {"done": "append"},
    })  # fmt: skip
    drive = run(definition, {task: takes(runtimes[task], done=task) for task in parents})
    expected = ends(parents, runtimes)
    assert drive.makespan == pytest.approx(max(expected.values()))
    assert {task: time for time, task in drive.ends} == pytest.approx(expected)
    assert sorted(drive.state["done"]) == sorted(parents)
