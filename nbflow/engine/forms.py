"""What a question asks for: a choice, a value of a type, data of a JSON schema, or anything.

Rule: an answer is plain JSON until its tool gets it, so page, wire and store hold the same. It is checked before
anybody is told that it was taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbflow.engine.json_schema import faults_by_schema
from nbflow.errors import AnswerError, ToolError, name_list
from nbflow.secrets import revealed

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

PLAIN = (str, int, float, bool)


@dataclass(frozen=True)
class Form:
    """A question as its tool asks it; `schema` is a type that pydantic knows, or a JSON schema."""

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

    def told(self) -> dict[str, Any]:
        """Return the question as its event says it; what is not asked for is left out."""
        schema = self.schema if self._adapter is None else self._adapter.json_schema()
        choices = None if self.choices is None else list(self.choices)
        question = self.question or (schema or {}).get("title") or "What is the answer?"
        about = {"question": question, "details": self.details or None, "choices": choices, "schema": schema}
        return {key: value for key, value in about.items() if value is not None}

    def accepted(self, answer: Any, node: str) -> Any:
        """Return an answer as plain JSON.

        Raises:
            AnswerError: It is not what the question asks for; every fault is told, by its place.
        """
        from pydantic_core import PydanticSerializationError, to_jsonable_python

        try:
            data = to_jsonable_python(revealed(answer))
        except PydanticSerializationError as error:
            raise AnswerError(node, {"": f"it cannot be said in JSON: {error}"}) from None
        data = self._chosen(data)
        if faults := self._faults(data):
            raise AnswerError(node, faults)
        return data

    @cached_property
    def is_secret(self) -> bool:
        """Whether the answer, or a part of it, is a secret: its schema says `writeOnly`, as for pydantic's types."""
        return b'"writeOnly":true' in _json(self.told().get("schema"))

    def _chosen(self, data: Any) -> Any:
        """Return the choice that a text says, as people write texts; anything else as it is."""
        if self.choices is None or not isinstance(data, str) or data in self.choices:
            return data
        return next((choice for choice in self.choices if str(choice) == data), data)

    def value(self, data: Any) -> Any:
        """Return what the tool gets of an accepted answer."""
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
    """Return what pydantic found wrong, each with its place, such as `lines.0`, empty for the whole."""
    found = error.errors(include_url=False, include_input=False)
    return [(".".join(map(str, each["loc"])), each["msg"]) for each in found]
