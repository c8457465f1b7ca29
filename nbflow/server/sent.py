"""What was sent, before it is taken: the names of graphs, and data that can be kept and told again.

Rule: what no store and no answer has a form for is refused here, whatever store there is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator

from nbflow.names import identifier
from nbflow.server.problems import RequestError

MOST_OF_A_NAME = 200
MOST_OF_A_KEY = 1000
"""Characters of a key of a state."""
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
NAME = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""No control characters: PostgreSQL keeps no NUL, and the others belong in no address."""


MOST_OF_AN_ID = 1 + (4 * MOST_OF_A_NAME * 4 + 2) // 3
_SAFE = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9_.~ -]*[A-Za-z0-9_.~-])?")
"""Names that mean the same in an address, however it is encoded or normalised."""


def graph_id_of(name: str) -> str:
    """Return the id of a graph: its name, or where an address would change that, `~` and the name in base64url."""
    if _SAFE.fullmatch(name):
        return name
    return "~" + base64.urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def name_of_graph(graph_id: str) -> str:
    """Return the name of a graph that an id, or its name as it is, stands for."""
    if graph_id.startswith("~"):
        try:
            name = base64.urlsafe_b64decode(graph_id[1:] + "=" * (-len(graph_id[1:]) % 4)).decode()
        except ValueError:
            return graph_id
        return name if is_name(name) and graph_id_of(name) == graph_id else graph_id
    return graph_id


def graph_named(graph_id: str) -> str:
    """Return the name, in the form that names have, of the graph that an id in an address stands for."""
    return identifier(name_of_graph(graph_id))


InPath = Annotated[str, Path(max_length=MOST_OF_AN_ID), AfterValidator(graph_named)]


def is_name(text: str) -> bool:
    """Return whether a graph that is sent may have this name."""
    return len(text) <= MOST_OF_A_NAME and re.fullmatch(NAME[1:-1], text) is not None


def check_keys(state: Mapping[str, Any]) -> None:
    """Refuse a state with a key that is too long to be shown.

    Raises:
        RequestError: It names the key by its beginning.
    """
    for key in state:
        if len(key) > MOST_OF_A_KEY:
            raise RequestError(
                422, f"the key {key[:40]!r}… of the state has {len(key)} characters; {MOST_OF_A_KEY} are the most"
            )


def size_of(data: Any, what: str, *, nul: bool = False) -> int:
    """Return the bytes of data as JSON.

    Raises:
        RequestError: It is not JSON as RFC 8259 has it, though Python reads it, or a text of it holds a NUL character
            and `nul` does not allow it.
    """
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        if not nul and "\\u0000" in text and _NUL.search(text):
            raise RequestError(422, f"a text of {what} holds a NUL character, for which a database has no form")
        return len(text.encode())
    except UnicodeEncodeError:
        raise RequestError(422, f"a text of {what} holds half a surrogate pair, which is no character") from None
    except RecursionError:
        raise RequestError(422, f"{what} is nested too deeply") from None
    except ValueError:
        raise RequestError(422, f"a number of {what} is not finite, which JSON has no form for") from None
