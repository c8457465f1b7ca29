"""`ask`: a tool waits for a person.

Rule: an answer is known by the firing that asked and the question's number there, so that whatever calls the tool again
(a retry, a resume after a crash) gets the same answers in the same order, and asks only what was not answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from nbflow.engine.context import NODE
from nbflow.engine.forms import Form
from nbflow.errors import ExecutionError


async def ask(
    question: str = "", *, details: str = "", choices: Sequence[Any] | None = None, schema: Any = None
) -> Any:
    """Ask a person, and wait for the answer: from the form in the live view, `%flow_answer`, `run.answer` or REST.

    The time it takes does not count for the node's timeout. An answer outlives the process like all that a run did.

    Args:
        question: What to ask; by default the schema's title.
        details: What a person needs to know to answer, as plain text.
        choices: Texts, numbers or booleans, of which one is to be chosen.
        schema: A type that the answer is to be of, such as a pydantic model, or a JSON schema as a dict.

    Returns:
        The choice; a value of the type; else the answer's plain JSON data.

    Raises:
        ExecutionError: It is not called within a tool of a run.
        ToolError: The choices or the schema are not what can be asked for.
    """
    attempt = NODE.get()
    if attempt is None:
        raise ExecutionError("ask() waits for a person within a run; call it in an async tool that a graph runs")
    form = Form(str(question), str(details), choices, schema)
    answer = asyncio.wrap_future(attempt.ask(form, form.told()))
    if isinstance(schema, Mapping):
        # What checks it takes a second to import, for which the loop would stand still when the answer comes.
        asyncio.get_running_loop().run_in_executor(None, import_module, "jsonschema")
    return form.value(await answer)


async def ask_node(
    question: str, details: str = "", choices: Sequence[Any] | None = None, schema: Mapping[str, Any] | None = None
) -> Any:
    """Ask a person, as a node of its own: what ran before it never runs again, whatever happens meanwhile."""
    return await ask(question, details=details, choices=choices, schema=schema)


TOOLS = {"ask": ask_node}
"""What the package offers as a tool of its own."""
