"""Jobs: a node with its current tool, and the options of both.

Invariant: an option of the node wins; an option that the node does not set comes from the tool.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Mapping
from typing import Any

from nbflow import secrets
from nbflow.errors import GraphError, ToolError, name_list
from nbflow.functions.arguments import STATE
from nbflow.graph import NodeDefinition
from nbflow.graph.params import lacking
from nbflow.names import by_identifier, identifier
from nbflow.scheduler import Plan, Task
from nbflow.scheduler.plan import NodePlan
from nbflow.tools import ToolRegistry, ToolSpec
from nbflow.values import is_mutable


class Job:
    """The tool and the options of a node; `quick` if an attempt is a single call on the loop."""

    __slots__ = (
        "asks", "awaits_in_thread", "backoff", "checked", "definition", "function", "item_name", "mode",
        "mutable_defaults", "parameters", "params", "quick", "read_only", "retries", "spec", "stays_on_loop", "timeout",
        "unchanged", "whole",
    )  # fmt: skip

    def __init__(self, definition: NodeDefinition, spec: ToolSpec) -> None:
        self.definition, self.spec, self.function = definition, spec, spec.callable
        self.unchanged = spec.unchanged
        """Returns whether the function of the tool is still the one that this job was created for."""
        self.parameters, self.params = spec.parameters, by_identifier(definition.params)
        said = definition.model_fields_set
        self.retries: int = definition.retries if "retries" in said or spec.retries is None else spec.retries
        self.backoff: float = definition.backoff if "backoff" in said or spec.backoff is None else spec.backoff
        self.timeout = definition.timeout if "timeout" in said or spec.timeout is None else spec.timeout
        executor = _executor_of(definition, spec)
        self.mode = _mode(executor, spec)
        self.awaits_in_thread, self.stays_on_loop = executor == "thread", executor == "inline"
        self.asks = definition.map is not None or bool(spec.signature.params) or spec.takes_kwargs
        """True if a call needs any argument from the state or the params."""
        self.checked = os.environ.get("NBFLOW_CHECK_MUTATION") == "1"
        """True if arguments are compared before and after a call, to name a tool that changes one in place."""
        plain = self.retries == 0 and self.timeout is None and not self.checked and not definition.cache
        self.quick = plain and self.mode == "inline" and spec.is_coroutine
        self.read_only = self.parameters.read_only
        self.mutable_defaults = tuple(
            (param.name, param.default)
            for param in spec.params
            if not param.required and param.name not in self.read_only and is_mutable(param.default)
        )
        self.item_name = identifier(definition.as_) if definition.as_ else spec.first_param()
        is_given = STATE in self.params or (definition.map is not None and self.item_name == STATE)
        self.whole = None if is_given else self.parameters.whole
        """The parameter `state` that gets the whole state; None if there is no such parameter."""

    def arguments(self, task: Task) -> dict[str, Any]:
        """Return the arguments of the tool for a task.

        Raises:
            ToolError: A parameter has no value, or the tool has no parameter for the item of a map.
        """
        if task.item is None:
            return self.parameters.arguments(task.path, self.params, node=task.name)
        if self.item_name is None:
            name = self.spec.name
            raise ToolError(f"node {task.name!r}: tool {name!r} has no parameter for the item of the map")
        item = (self.item_name, task.value)
        given = self.parameters.arguments(task.path, self.params, node=task.name, item=item)
        if self.item_name not in given:
            known = name_list(param.name for param in self.spec.params)
            raise ToolError(
                f"node {task.name!r}: tool {self.spec.name!r} has no parameter {self.item_name!r}, which 'as' names "
                f"for the map's item; its parameters: {known}"
            )
        return given


class Jobs:
    """The jobs of the nodes of a plan; created again after a tool was registered or its function changed in place."""

    def __init__(self, registry: ToolRegistry) -> None:
        self._registry = registry
        self._revision = registry.revision
        self._jobs: dict[NodePlan, Job] = {}

    def of(self, node: NodePlan) -> Job:
        """Return the job of a node.

        Raises:
            ToolError: The tool of the node is no longer registered.
        """
        job = self._jobs.get(node)
        if job is not None and self._revision == self._registry.revision and job.unchanged():
            return job
        spec = self._registry.get(node.definition.tool or "")
        if self._revision != self._registry.revision:
            self._revision = self._registry.revision
            self._jobs.clear()
        job = self._jobs[node] = Job(node.definition, spec)
        return job


def _executor_of(definition: NodeDefinition, spec: ToolSpec) -> str:
    """Return the executor that the node or its tool names."""
    if "executor" in definition.model_fields_set or spec.executor is None:
        return definition.executor
    return spec.executor


def _mode(executor: str, spec: ToolSpec) -> str:
    if spec.is_async and (executor == "auto" or spec.is_generator):
        return "inline"
    return "thread" if executor == "auto" else executor


def check_tools(plan: Plan, registry: ToolRegistry) -> None:
    """Check that the tools of all nodes exist, also in subgraphs.

    Raises:
        GraphError: Tools do not exist; the error lists all of them, each with similar names.
    """
    faults: list[str] = []
    _tool_faults(plan, registry, faults, set())
    if faults:
        raise GraphError(faults, graph=plan.definition.name or None)


def _tool_faults(plan: Plan, registry: ToolRegistry, faults: list[str], seen: set[int]) -> None:
    seen.add(id(plan))
    for node in plan.nodes:
        secrets.learn(node.definition.params)
        faults += [
            f"node {node.id!r} needs the secret {name!r}, which is not stored; "
            f"set {secrets.variable_of(name)} or define the graph again"
            for name in lacking(node.definition.params)
        ]
        if node.subplan is not None:
            if id(node.subplan) not in seen:
                _tool_faults(node.subplan, registry, faults, seen)
            continue
        try:
            registry.get(node.definition.tool or "")
        except ToolError as error:
            faults.append(f"node {node.id!r} names {error}")


def delay(backoff: float, attempt: int) -> float:
    """Return the wait (s) before an attempt (2 is the first retry): doubled each time, with up to 10 % jitter."""
    return backoff * 2.0 ** min(attempt - 2, 30) * random.uniform(1.0, 1.1)  # noqa: S311 - jitter is not a secret


def fingerprints(values: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the pickled form of the values that can be pickled."""
    prints = {}
    for key, value in values.items():
        try:
            prints[key] = pickle.dumps(value)
        except Exception:  # noqa: BLE001, S112 - a value that cannot be pickled is not checked
            continue
    return prints


def check_mutation(name: str, before: Mapping[str, bytes], values: Mapping[str, Any]) -> None:
    """Raise a ToolError if a value has changed."""
    now = fingerprints({key: values[key] for key in before})
    changed = [key for key in before if now.get(key) != before[key]]
    if changed:
        raise ToolError(
            f"node {name!r} changed {name_list(map(repr, changed))} in place, which was not copied for it: a handle, "
            "or a parameter annotated as read-only; return a new value instead"
        )
