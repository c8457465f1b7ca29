"""A run's events gone through again: the scheduler as it stood after any of them.

Rule: what came from outside is fed to the scheduler, which derives the rest anew; there is no second way to know a
state. What a stored event leaves out because it can be derived is put back on the way.


What a resumed run goes on from.

Rule: it is all of what is known to have happened, replayed; nothing else is taken over from the run that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from nbflow.engine.ownership import without
from nbflow.engine.result import Key, key_of
from nbflow.events import ENDINGS, Event, Kind
from nbflow.names import identifier, key_for
from nbflow.reducers import MISSING, Unstored
from nbflow.scheduler import RULES, Answer, Close, Open, Outcome, Plan, Scheduler, Task
from nbflow.scheduler.commands import prefix_of
from nbflow.scheduler.tokens import Routes
from nbflow.secrets import Redacted
from nbflow.state_parameter import NAME as STATE

_DECIDED = (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN, Kind.EXECUTION_ERROR)


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a tool as a store keeps them: their names, and the values of those left at their defaults.

    `whole` says that an argument `state` that no param of the node gives is the whole state, not a key of it. `item` is
    the parameter that a map's item was given to where the node names none; None where that was not stored.
    """

    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    whole: bool = True
    item: str | None = None

    def of(self, task: Task) -> dict[str, Any]:
        """Return the arguments as they were for the task."""
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
    """Return what an event tells the scheduler; None for one that is derived, or tells it nothing."""
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
    """Return whether an event tells what was decided together with the one before it; a replay is fed both at once."""
    return event.kind in _DECIDED or bool(event.data.get("derived"))


def _routes(events: list[Event], at: int) -> Routes:
    """Return the ways taken by what was decided together with the event before `at`."""
    routes: Routes = {}
    for event in takewhile(is_decided, (events[later] for later in range(at, len(events)))):
        if event.kind in (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN):
            taken = routes.setdefault(event.node or "", [])
            if event.kind is Kind.EDGE_TAKEN:
                taken.append((event.data["to"], event.data["type"], event.data["condition"]))
        elif event.kind is Kind.EXECUTION_ERROR:
            return {}  # a condition that could not be evaluated chose nothing
    return routes


def rules_of(events: Sequence[Event]) -> int:
    """Return which version of the rules a run began with, by its events; the present one before the first event."""
    return int(events[0].data.get("rules", 1)) if len(events) else RULES


class Replay:
    """The scheduler of a run, brought forward event by event.

    `tried` counts the attempts at each firing, `answers` are those to its questions, by their numbers.

    `rules` are those that the run began with, as by `rules_of`. With `as_told` it goes the ways that the events tell,
    and evaluates no condition that they tell of.
    """

    def __init__(self, plan: Plan, initial: Mapping[str, Any], *, rules: int = RULES, as_told: bool = False) -> None:
        self.scheduler = Scheduler(plan, initial, rules=rules)
        self.tried: dict[Key, int] = {}
        self.answers: dict[tuple[Key, int], Any] = {}
        self._opened: dict[Key, dict[str, Any]] = {}
        self._closed: dict[Key, Any] = {}
        self._as_told = as_told or lacks(dict(initial))
        self._note(self.scheduler.begin())

    def feed(self, events: Iterable[Event]) -> None:
        """Take events in, in their order, and put back what they leave out.

        Raises:
            RunStateError: An event does not fit the graph; it is named.
        """
        events = list(events)
        for at, event in enumerate(events):
            if event.kind is Kind.EXECUTION_RESUMED:
                self.scheduler.rules = event.data.get("rules", self.scheduler.rules)
            outcome = outcome_of(event)
            if event.data.get("unchanged"):
                self._put_back_unchanged(event)
            if outcome is not None:
                self._as_told = self._as_told or lacks(outcome.value)
                routes = _routes(events, at + 1) if self._as_told else None
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
        """Complete a stored output by the keys that are no update: they have the state's values."""
        scope, firing, item = key_of(event)
        task = self.scheduler.find(scope, firing, node_of(event), item)
        if task is not None:
            left = [key for key in event.data["unchanged"] if key not in event.data["output"] and key in task.path]
            event.data["output"] |= {key: task.path[key] for key in left}

    def _note(self, answers: list[Answer]) -> None:
        # A map of an empty list has ended before its start is told.
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

    def standing(self) -> list[Answer]:
        """Return what is to be carried out to go on, each task knowing how often it was tried."""
        answers = self.scheduler.standing()
        for answer in answers:
            task = answer if isinstance(answer, Task) else getattr(answer, "task", None)
            if task is not None:
                task.tried = self.tried.get(_key(task), 0)
        return answers


def _key(task: Task) -> Key:
    return task.scope, task.firing, task.item


def given_of(task: Task) -> dict[str, Any]:
    """Return what a map or a subgraph starts from, as its start tells it."""
    key = task.node.definition.map
    if key is not None and task.item is None:
        return {key: task.path.get(key)}
    return task.composite.run.initial if task.composite is not None else {}


@dataclass(frozen=True, slots=True)
class Past:
    """The events so far and the scheduler that they lead to.

    `kept` counts those that a store has already, `seconds` is how long the run has run, `told` what the event of its
    resumption says.
    """

    replay: Replay
    events: Sequence[Event]
    kept: int = 0
    seconds: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)
