"""Validation of requests: JSON bodies, ids and names of graphs, and data that the store and JSON can represent.

The rules are the same for each store. Large bodies are read and measured in a thread.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from email.message import Message
from typing import Annotated, Any

from fastapi import Path, Request
from fastapi.routing import APIRoute
from pydantic import AfterValidator
from starlette.responses import Response

from nbflow.names import identifier
from nbflow.server import large_json
from nbflow.server.errors import RequestError
from nbflow.server.large_json import LARGE, read_json

MOST_OF_A_NAME = 200
MOST_OF_A_KEY = 1000
"""Characters of a key of a state."""
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
NAME = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""No control characters: PostgreSQL stores no NUL, and the others are not valid in an address."""


MOST_OF_AN_ID = 1 + (4 * MOST_OF_A_NAME * 4 + 2) // 3
_SAFE = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9_.~ -]*[A-Za-z0-9_.~-])?")
"""Names that an address can contain without encoding."""


def graph_id_of(name: str) -> str:
    """Return the id of a graph: its name, or `~` and the name in base64url if an address would change the name."""
    if _SAFE.fullmatch(name):
        return name
    return "~" + base64.urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def name_of_graph(graph_id: str) -> str:
    """Return the name of a graph for its id or its name."""
    if graph_id.startswith("~"):
        try:
            name = base64.urlsafe_b64decode(graph_id[1:] + "=" * (-len(graph_id[1:]) % 4)).decode()
        except ValueError:
            return graph_id
        return name if is_name(name) and graph_id_of(name) == graph_id else graph_id
    return graph_id


def graph_named(graph_id: str) -> str:
    """Return the normalised name of the graph for an id or a name in an address."""
    return identifier(name_of_graph(graph_id))


InPath = Annotated[str, Path(max_length=MOST_OF_AN_ID), AfterValidator(graph_named)]


def is_name(text: str) -> bool:
    """Return whether a client may create a graph of this name."""
    return len(text) <= MOST_OF_A_NAME and re.fullmatch(NAME[1:-1], text) is not None


def check_keys(state: Mapping[str, Any]) -> None:
    """Refuse a state with a key of more than `MOST_OF_A_KEY` characters.

    Raises:
        RequestError: A key is too long; the message has its first characters.
    """
    for key in state:
        if len(key) > MOST_OF_A_KEY:
            raise RequestError(
                422, f"the key {key[:40]!r}… of the state has {len(key)} characters; {MOST_OF_A_KEY} are the most"
            )


async def checked_size(data: Any, what: str, *, nul: bool = False) -> int:
    """Return the bytes of data as `size_of` does; large data is measured in a thread.

    Raises:
        RequestError: As by `size_of`.
    """
    if large_json.is_large(data):
        return await asyncio.to_thread(size_of, data, what, nul=nul)
    return size_of(data, what, nul=nul)


def size_of(data: Any, what: str, *, nul: bool = False) -> int:
    """Return the bytes of data as JSON.

    Raises:
        RequestError: The data is not JSON by RFC 8259, although Python reads it, or a text in it has a NUL character
            and `nul` is false.
    """

    def check(text: str) -> None:
        if not nul and "\\u0000" in text and _NUL.search(text):
            raise RequestError(422, f"a text of {what} holds a NUL character, for which a database has no form")

    try:
        return large_json.size(data, check)
    except UnicodeEncodeError:
        raise RequestError(422, f"a text of {what} holds half a surrogate pair, which is no character") from None
    except RecursionError:
        raise RequestError(422, f"{what} is nested too deeply") from None
    except ValueError:
        raise RequestError(422, f"a number of {what} is not finite, which JSON has no form for") from None


MOST_KEYS = 100
"""The keys that a body may have; no model has so many. Of each key too many the validation would make an error."""


class JsonRoute(APIRoute):
    """A route whose body, if it has one, is JSON; it refuses a body of another type before it reads it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the framework, with a request that reads JSON as this module does."""
        handler = super().get_route_handler()
        has_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            request = JsonRequest(request.scope, request.receive)  # it retains the body, which can be received once
            if has_body:
                await _refuse_other_types(request)
            return await handler(request)

        return handle


class JsonRequest(Request):
    """A request whose JSON is read in a thread if it is large."""

    async def json(self) -> Any:
        """Return the value of the body.

        Raises:
            ValueError: The body is not JSON, or cannot be read.
            RecursionError: It is nested too deeply.
            RequestError: It is an object with too many keys.
        """
        data = await read_body(await self.body())
        if isinstance(data, dict) and len(data) > MOST_KEYS:
            raise RequestError(422, f"the body has {len(data)} keys; at most {MOST_KEYS} are allowed")
        return data


async def read_body(body: bytes) -> Any:
    """Return the value of a JSON text, read in a thread if it is large.

    Raises:
        ValueError: It is not JSON, or cannot be read.
        RecursionError: It is nested too deeply.
    """
    return await asyncio.to_thread(read_json, body) if len(body) > LARGE else json.loads(body)


async def _refuse_other_types(request: Request) -> None:
    if not await request.body():
        return
    given = request.headers.get("content-type")
    if not given:
        raise RequestError(422, "the header Content-Type is missing; send 'Content-Type: application/json' with a body")
    parsed = Message()
    parsed["content-type"] = given
    subtype = parsed.get_content_subtype()
    if parsed.get_content_maintype() != "application" or not (subtype == "json" or subtype.endswith("+json")):
        raise RequestError(422, f"the body is of type {given[:100]!r}; send JSON with 'Content-Type: application/json'")
