"""Data checked against a JSON schema that came with a graph, so from anybody.

Rule: nothing is fetched, and nothing can run long: references lead nowhere but into the schema itself, and patterns are
matched by an engine that takes linear time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbflow.errors import ToolError


def faults_by_schema(schema: Mapping[str, Any], data: Any) -> dict[str, str]:
    """Return what is wrong with data, by its place in it: `items.0.name`, "" for the whole.

    Raises:
        ToolError: The schema is none, or asks for what is not supported here.
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
        raise ToolError(f"the schema of a question is no sound JSON schema: {error}") from error
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
