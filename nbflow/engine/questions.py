"""Questions to a person: `ask` for tools, the form of a question, the open questions of a run, and their answers.

Invariants:

- The key of an answer is the firing that asked and the number of the question in it. So a tool that runs again (after a
  retry, a resume or a crash) gets the same answers in the same order, and asks only the remaining questions.
- An answer is plain JSON until its tool gets it, so the page, the wire and the store have the same data. It is checked
  before it is accepted; a rejected answer changes nothing.
- Questions change on the run's loop only, and each change is an event.
- A JSON schema of a graph is untrusted. Checking against it fetches nothing, since references resolve inside the schema
  only, and takes linear time in the text of an answer, since patterns run in a linear engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.engine.attempt import NODE
from nbflow.engine.result import Key
from nbflow.errors import AnswerError, ExecutionError, RunStateError, ToolError, name_list
from nbflow.events import Kind, Status
from nbflow.names import node_path
from nbflow.secrets import learn_value, revealed
from nbflow.values import own

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

    from nbflow.engine.attempt import Attempt
    from nbflow.scheduler import Task


def faults_by_schema(schema: Mapping[str, Any], data: Any) -> dict[str, str]:
    """Return the faults of data under a JSON schema, by path: `items.0.name`, "" for the whole.

    Raises:
        ToolError: The schema is invalid, or uses an unsupported keyword.
    """
    from jsonschema import Draft202012Validator, SchemaError, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    def pattern(_validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not _matches(wanted, instance):
            yield ValidationError(f"{instance!r} does not match {wanted!r}")

    def unsupported(*_: Any) -> Iterator[ValidationError]:
        raise ToolError("the schema of a question has patternProperties, which is not supported; name the properties")

    own: Any = extend(Draft202012Validator, {"pattern": pattern, "patternProperties": unsupported})  # type: ignore[no-untyped-call]
    try:
        Draft202012Validator.check_schema(schema)
        found = list(own(schema, registry=Registry()).iter_errors(data))
    except (SchemaError, Unresolvable, RecursionError) as error:
        raise ToolError(f"the schema of a question is not a valid JSON schema: {error}") from error
    return dict(each for error in found for each in _placed(error))


def _placed(error: Any) -> Iterator[tuple[str, str]]:
    place = [str(part) for part in error.absolute_path]
    if error.validator != "required":
        yield ".".join(place), error.message
        return
    for name in error.validator_value:
        if name not in error.instance:
            yield ".".join([*place, name]), "is required"


def _matches(wanted: str, text: str) -> bool:
    from pydantic_core import SchemaError, SchemaValidator, ValidationError

    try:
        SchemaValidator({"type": "str", "pattern": wanted, "regex_engine": "rust-regex"}).validate_python(text)
    except SchemaError as error:
        raise ToolError(f"the schema of a question has the pattern {wanted!r}, which is not supported") from error
    except ValidationError:
        return False
    return True


PLAIN = (str, int, float, bool)


@dataclass(frozen=True)
class Form:
    """A question as the tool asks it; `schema` is a type that pydantic supports, or a JSON schema."""

    question: str
    details: str = ""
    choices: Sequence[Any] | None = None
    schema: Any = None

    def __post_init__(self) -> None:
        if self.choices is None:
            return
        if self.schema is not None:
            raise ToolError("a question has choices or a schema, not both; an Enum in a schema is a choice")
        if isinstance(self.choices, str) or not self.choices:
            raise ToolError(f"the choices of a question are a list of one or more, got {self.choices!r}")
        if odd := [choice for choice in self.choices if type(choice) not in PLAIN]:
            raise ToolError(f"choices are texts, numbers or booleans, got {type(odd[0]).__name__}; use a schema")

    @cached_property
    def _adapter(self) -> TypeAdapter[Any] | None:
        from pydantic import TypeAdapter

        return None if self.schema is None or isinstance(self.schema, Mapping) else TypeAdapter(self.schema)

    def event_data(self) -> dict[str, Any]:
        """Return the data of the question's event; absent fields are left out."""
        schema = self.schema if self._adapter is None else self._adapter.json_schema()
        choices = None if self.choices is None else list(self.choices)
        question = self.question or (schema or {}).get("title") or "What is the answer?"
        about = {"question": question, "details": self.details or None, "choices": choices, "schema": schema}
        return {key: value for key, value in about.items() if value is not None}

    def accepted(self, answer: Any, node: str) -> Any:
        """Return an answer as plain JSON.

        Raises:
            AnswerError: The answer does not fit the question; the error lists every fault by its path.
        """
        from pydantic_core import PydanticSerializationError, to_jsonable_python

        try:
            data = to_jsonable_python(revealed(answer))
        except PydanticSerializationError as error:
            raise AnswerError(node, {"": f"it is not JSON data: {error}"}) from None
        data = self._chosen(data)
        if faults := self._faults(data):
            raise AnswerError(node, faults)
        return data

    @cached_property
    def is_secret(self) -> bool:
        """True if the answer, or a part of it, is secret: its schema has `writeOnly`, as for pydantic's secrets."""
        return b'"writeOnly":true' in _json(self.event_data().get("schema"))

    def _chosen(self, data: Any) -> Any:
        """Return the choice whose text equals a text; any other data unchanged."""
        if self.choices is None or not isinstance(data, str) or data in self.choices:
            return data
        return next((choice for choice in self.choices if str(choice) == data), data)

    def value(self, data: Any) -> Any:
        """Return the value that the tool gets for an accepted answer."""
        return data if self._adapter is None else self._adapter.validate_json(_json(data))

    def _faults(self, data: Any) -> dict[str, str]:
        if self.choices is not None:
            fits = any(type(data) is type(choice) and data == choice for choice in self.choices)
            return {} if fits else {"": f"{data!r} is none of {name_list(map(repr, self.choices))}"}
        if self._adapter is not None:
            return _by_pydantic(self._adapter, data)
        return {} if self.schema is None else faults_by_schema(self.schema, data)


def _json(data: Any) -> bytes:
    from pydantic_core import to_json

    return to_json(data)


def _by_pydantic(adapter: TypeAdapter[Any], data: Any) -> dict[str, str]:
    from pydantic import ValidationError

    try:
        adapter.validate_json(_json(data))
    except ValidationError as error:
        return dict(faults_of(error))
    return {}


def faults_of(error: ValidationError) -> list[tuple[str, str]]:
    """Return the faults that pydantic found, as (path, message); the path of the whole is empty."""
    found = error.errors(include_url=False, include_input=False)
    return [(".".join(map(str, each["loc"])), each["msg"]) for each in found]


AnswerKey = tuple[Key, int]
"""The firing that asked, and the number of the question in it, from 1."""


@dataclass(slots=True, eq=False)
class Question:
    """An open question; `told` is the data of its event: question, details, choices, schema.

    `seq` is the number of that event, which identifies the question. `clocks` stops the timeouts of the attempt and of
    the subgraphs around it until the question is closed.
    """

    task: Task
    ordinal: int
    form: Form
    told: Mapping[str, Any]
    answer: Future[Any]
    seq: int = 0
    clocks: ExitStack = field(default_factory=ExitStack)

    @property
    def node(self) -> str:
        """The path of the node that asks."""
        return self.task.name


class QuestionHost(Protocol):
    """The members of an execution that its questions use."""

    loop: asyncio.AbstractEventLoop

    @property
    def run_id(self) -> str:
        """The id of the run."""

    @property
    def status(self) -> Status:
        """The status of the run."""

    def stopped_clocks(self, task: Task) -> AbstractContextManager[None]:
        """Stop the timeouts of a task's attempt and of the subgraphs around it inside the `with` block."""

    def log_question(self, kind: Kind, task: Task, data: dict[str, Any]) -> int:
        """Log a question of a task, or the answer; return the `seq` of the event."""


class Questions:
    """The questions of one run; `open` are those without an answer, in the order in which they were asked."""

    def __init__(self, host: QuestionHost, answers: Mapping[AnswerKey, Any]) -> None:
        self._host, self._answers = host, dict(answers)
        self.open: list[Question] = []

    def release(self, host: QuestionHost) -> None:
        """Replace the reference to the execution, which has ended, by `execution`, a weak proxy of it."""
        self._host = host

    def ask(self, attempt: Attempt, task: Task, ordinal: int, form: Form, data: Mapping[str, Any]) -> Future[Any]:
        """Ask a question, from any thread; return a future for the data of the answer."""
        question, loop = Question(task, ordinal, form, data, Future()), self._host.loop
        question.answer.add_done_callback(lambda answer: self._answered_or_cancelled(answer, question))
        loop.call_soon_threadsafe(self._asked, attempt, question)
        return question.answer

    def _asked(self, attempt: Attempt, question: Question) -> None:
        if question.task.attempt is not attempt:
            question.answer.cancel()  # the attempt has ended, and its thread may wait for the answer
            return
        known = self._answers.get(_key(question), self)
        if known is not self:
            _give(question, known)
            return
        self.open.append(question)
        question.clocks.enter_context(self._host.stopped_clocks(question.task))
        question.seq = self._log(Kind.NODE_WAITING, question, question.told)

    def answer(self, value: Any, node: str | None, seq: int | None) -> None:
        """Accept an answer to an open question.

        Raises:
            RunStateError: No such question is open, or more than one.
            AnswerError: The answer does not fit the question.
        """
        question = self._matching(None if node is None else node_path(node), seq)
        data = own(question.form.accepted(value, question.node))
        self._answers[_key(question)] = data
        self._close(question)
        # Nothing shows or stores a secret answer, so a resumed run asks the question again.
        fields = {"secret": True} if question.form.is_secret else {"answer": data}
        if question.form.is_secret:
            learn_value(data)
        self._log(Kind.NODE_ANSWERED, question, fields)
        _give(question, data)

    def drop(self, task: Task) -> None:
        """Close the questions of a task that has ended, and cancel the wait of its thread."""
        for question in [question for question in self.open if question.task is task]:
            self._close(question)
            question.answer.cancel()

    def _answered_or_cancelled(self, answer: Future[Any], question: Question) -> None:
        """Withdraw a cancelled question; on the run's loop at once, since the tool may return in this turn."""
        if not answer.cancelled():
            return
        loop = self._host.loop
        if asyncio._get_running_loop() is loop:
            self._withdrawn(question)
        else:
            loop.call_soon_threadsafe(self._withdrawn, question)

    def _withdrawn(self, question: Question) -> None:
        """Log that the tool has stopped waiting, for example after its own timeout."""
        if question in self.open:
            self._close(question)
            self._log(Kind.NODE_ANSWERED, question, {"withdrawn": True})

    def _matching(self, node: str | None, seq: int | None) -> Question:
        found = [each for each in self.open if node in (None, each.node) and seq in (None, each.seq)]
        if len(found) == 1:
            return found[0]
        host = self._host
        if not self.open:
            raise RunStateError(f"run {host.run_id} has no open question (status: {host.status})")
        asking = name_list(f"{each.seq} of {each.node!r}" for each in found or self.open)
        if not found:
            named = f"question {seq}" if seq is not None else f"the question of {node!r}"
            raise RunStateError(f"{named} is not open in run {host.run_id}; open are {asking}")
        raise RunStateError(
            f"run {host.run_id} asks {len(found)} questions: {asking}; name one by its node or its number"
        )

    def _close(self, question: Question) -> None:
        """Remove a question from the open ones, and continue the timeouts that it has stopped."""
        self.open.remove(question)
        question.clocks.close()

    def _log(self, kind: Kind, question: Question, data: Mapping[str, Any]) -> int:
        return self._host.log_question(kind, question.task, {"ordinal": question.ordinal, **data})


def _key(question: Question) -> AnswerKey:
    task = question.task
    return (task.scope, task.firing, task.item), question.ordinal


def _give(question: Question, data: Any) -> None:
    with suppress(InvalidStateError):  # the thread has just stopped waiting
        question.answer.set_result(own(data))


async def ask(
    question: str = "", *, details: str = "", choices: Sequence[Any] | None = None, schema: Any = None
) -> Any:
    """Ask a person and wait for the answer: from the form in the live view, `%flow_answer`, `run.answer` or REST.

    The waiting time does not count for the timeout of the node. The answer is stored with the run, so a resumed run
    does not ask again.

    Args:
        question: The question; by default the title of the schema.
        details: Plain text with the information that a person needs for the answer.
        choices: Strings, numbers or booleans, of which the person chooses one.
        schema: The type of the answer, such as a pydantic model, or a JSON schema as a dict.

    Returns:
        The choice, a value of the type, or else the plain JSON data of the answer.

    Raises:
        ExecutionError: The call is not inside a tool of a run.
        ToolError: The choices or the schema are invalid.
    """
    attempt = NODE.get()
    if attempt is None:
        raise ExecutionError("ask() waits for a person inside a run; call it in an async tool that a graph runs")
    form = Form(str(question), str(details), choices, schema)
    answer = asyncio.wrap_future(attempt.ask(form, form.event_data()))
    if isinstance(schema, Mapping):
        # The import of jsonschema takes about a second, and would block the loop when the answer arrives.
        asyncio.get_running_loop().run_in_executor(None, import_module, "jsonschema")
    return form.value(await answer)


async def ask_node(
    question: str, details: str = "", choices: Sequence[Any] | None = None, schema: Mapping[str, Any] | None = None
) -> Any:
    """Ask a person, as the tool of a node: a retry or a resume does not repeat the nodes before it."""
    return await ask(question, details=details, choices=choices, schema=schema)


TOOLS = {"ask": ask_node}
"""The tools of the entry-point group `nbflow.tools`."""
