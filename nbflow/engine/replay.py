"""Replay: restore the scheduler of a run from its events, and with it the state that a resumed run starts from.

Invariant: outcomes that came from outside are fed to the scheduler, which derives everything else. There is no second
way to compute a state. Fields that a stored event leaves out because they can be derived are restored on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from nbflow.engine.ownership import without
from nbflow.engine.result import Key, key_of
from nbflow.events import ENDINGS, Event, Kind
from nbflow.functions.arguments import STATE
from nbflow.names import identifier, key_for
from nbflow.scheduler import RULES, Close, Command, Open, Outcome, Plan, Scheduler, Task
from nbflow.scheduler.commands import prefix_of
from nbflow.scheduler.tokens import Routes
from nbflow.secrets import Redacted
from nbflow.state import MISSING, Unstored

_DECIDED = (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN, Kind.EXECUTION_ERROR)


@dataclass(frozen=True, slots=True)
class Given:
    """The stored arguments of a tool: the names of all, and the values of those that had their defaults.

    `whole` says that an argument `state` that is not a param of the node is the whole state, not a key of it. `item` is
    the parameter that got the item of a map, if the node names none; None if it was not stored.
    """

    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    whole: bool = True
    item: str | None = None

    def of(self, task: Task) -> dict[str, Any]:
        """Return the arguments of the task, looked up in its restored state."""
        return {name: value for name in self.names if (value := self._value(task, name)) is not MISSING}

    def _value(self, task: Task, name: str) -> Any:
        definition, path = task.node.definition, task.path
        if task.item is not None and name == identifier(definition.as_ or self.item or ""):
            return task.value
        for values in (definition.params, {} if self.whole and name == STATE else path, self.defaults):
            if (key := key_for(name, values)) is not None:
                return values[key]
        if self.whole and name == STATE:
            return dict(path)
        # A map without `as` binds its items to the tool's first parameter.
        return task.value if task.item is not None else MISSING


def node_of(event: Event) -> str:
    """Return the id of an event's node within its own graph."""
    scope, _, item = key_of(event)
    path = (event.node or "")[len(prefix_of(scope)) :] if scope else event.node or ""
    return path if item is None else path.removesuffix(f"[{item}]")


def outcome_of(event: Event) -> Outcome | None:
    """Return the outcome in an event; None if the event is derived or has no outcome."""
    data = event.data
    if event.kind is Kind.EXECUTION_RESUMED:
        return Outcome("edited", value=data["edited"]) if data.get("edited") else None
    if event.kind is Kind.NODE_START:
        return _outcome("retried", event, data["begun"]) if data.get("begun", 1) > 1 else None
    if data.get("derived"):
        return None
    if event.kind is Kind.NODE_COMPLETE:
        return _outcome("completed", event, without(data["output"], data.get("unchanged", ())))
    if event.kind is Kind.NODE_SKIPPED:
        return _outcome("skipped", event, data["output"])
    if event.kind is Kind.NODE_ERROR and data["handled"]:
        error = data["error"]
        told = {"node": error.get("node", event.node), "type": error["type"], "message": error["message"]}
        if "errors" in error:
            told["errors"] = error["errors"]
        return _outcome("failed", event, told)
    return None


def _outcome(kind: Any, event: Event, value: Any) -> Outcome:
    scope, firing, item = key_of(event)
    return Outcome(kind, scope, firing, node_of(event), item, value)


def lacks(value: Any) -> bool:
    """Return whether a value, or one of a dict or list, could not be stored."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
    return not {Unstored, Redacted}.isdisjoint(map(type, inner))


def is_decided(event: Event) -> bool:
    """Return whether an event follows from the one before it, so that a replay must get both together."""
    return event.kind in _DECIDED or bool(event.data.get("derived"))


def _routes(events: list[Event], at: int) -> Routes:
    """Return the edges that were taken in consequence of the event before `at`."""
    routes: Routes = {}
    for event in takewhile(is_decided, (events[later] for later in range(at, len(events)))):
        if event.kind in (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN):
            taken = routes.setdefault(event.node or "", [])
            if event.kind is Kind.EDGE_TAKEN:
                taken.append((event.data["to"], event.data["type"], event.data["condition"]))
        elif event.kind is Kind.EXECUTION_ERROR:
            return {}  # the condition could not be evaluated, so no edge was chosen
    return routes


def rules_of(events: Sequence[Event]) -> int:
    """Return the version of the rules of a run from its first event; the current version if there is no event."""
    return int(events[0].data.get("rules", 1)) if len(events) else RULES


class Replay:
    """The scheduler of a run, advanced event by event.

    Attributes:
        scheduler: The scheduler after the events so far.
        tried: The number of attempts at each firing.
        answers: The answers to questions, by firing and the number of the question.

    Args:
        plan: The compiled graph.
        initial: The initial state.
        rules: The version of the rules of the run, as from `rules_of`.
        routes_from_log: Take the edges that the events name, and evaluate no condition of theirs.
    """

    def __init__(
        self, plan: Plan, initial: Mapping[str, Any], *, rules: int = RULES, routes_from_log: bool = False
    ) -> None:
        self.scheduler = Scheduler(plan, initial, rules=rules)
        self.tried: dict[Key, int] = {}
        self.answers: dict[tuple[Key, int], Any] = {}
        self._opened: dict[Key, dict[str, Any]] = {}
        self._closed: dict[Key, Any] = {}
        self._routes_from_log = routes_from_log or lacks(dict(initial))
        self._note(self.scheduler.begin())

    def feed(self, events: Iterable[Event]) -> None:
        """Apply events in their order.

        Raises:
            RunStateError: An event does not fit the graph; the error names it.
        """
        events = list(events)
        for at, event in enumerate(events):
            if event.kind is Kind.EXECUTION_RESUMED:
                self.scheduler.rules = event.data.get("rules", self.scheduler.rules)
            outcome = outcome_of(event)
            if event.data.get("unchanged"):
                self._put_back_unchanged(event)
            if outcome is not None:
                self._routes_from_log = self._routes_from_log or lacks(outcome.value)
                routes = _routes(events, at + 1) if self._routes_from_log else None
                self._note(self.scheduler.apply(outcome, f"event {event.seq}", routes))
            if event.kind is Kind.NODE_START:
                self._started(event)
            elif event.kind is Kind.NODE_ANSWERED and "answer" in event.data:
                self.answers[key_of(event), event.data["ordinal"]] = event.data["answer"]
            elif event.kind in ENDINGS:
                event.data.setdefault("result", self.scheduler.state())
            elif event.data.get("derived") and event.kind is Kind.NODE_COMPLETE:
                event.data.setdefault("output", self._closed.pop(key_of(event), None))

    def _put_back_unchanged(self, event: Event) -> None:
        """Add the unchanged keys to a stored output; their values are those of the state."""
        scope, firing, item = key_of(event)
        task = self.scheduler.find(scope, firing, node_of(event), item)
        if task is not None:
            left = [key for key in event.data["unchanged"] if key not in event.data["output"] and key in task.path]
            event.data["output"] |= {key: task.path[key] for key in left}

    def _note(self, answers: list[Command]) -> None:
        # A map over an empty list ends before the event of its start.
        for answer in answers:
            if isinstance(answer, Open):
                self._opened[_key(answer.task)] = given_of(answer.task)
            elif isinstance(answer, Close):
                self._closed[_key(answer.task)] = answer.update

    def _started(self, event: Event) -> None:
        key, data = key_of(event), event.data
        self.tried[key] = max(self.tried.get(key, 0), data["attempt"])
        given, opened = data.get("input"), self._opened.pop(key, None)
        if given is None and opened is not None:
            data["input"] = opened
        elif given is None or isinstance(given, Given):
            task = self.scheduler.find(key[0], key[1], node_of(event), key[2])
            data["input"] = {} if task is None else given_of(task) if given is None else given.of(task)

    def open_commands(self) -> list[Command]:
        """Return the commands that continue the run, with `tried` set on each task."""
        answers = self.scheduler.open_commands()
        for answer in answers:
            task = answer if isinstance(answer, Task) else getattr(answer, "task", None)
            if task is not None:
                task.tried = self.tried.get(_key(task), 0)
        return answers


def _key(task: Task) -> Key:
    return task.scope, task.firing, task.item


def given_of(task: Task) -> dict[str, Any]:
    """Return the input of a map or a subgraph, for the event of its start."""
    key = task.node.definition.map
    if key is not None and task.item is None:
        return {key: task.path.get(key)}
    return task.composite.run.initial if task.composite is not None else {}


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The state that a resumed run starts from: its events so far, and the scheduler that they lead to.

    `stored` is the number of events that the store has, `seconds` the time that the run has run, `data` the data of the
    event `execution_resumed`.
    """

    replay: Replay
    events: Sequence[Event]
    stored: int = 0
    seconds: float = 0.0
    data: dict[str, Any] = field(default_factory=dict)
