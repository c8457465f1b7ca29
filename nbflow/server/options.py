"""The options of a server: its address, who may connect, and the limits.

Each option is read from the environment variable `NBFLOW_` and its name in capitals. The error of a limit names the
variable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from nbflow.settings import setting_error


def _listed(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class Options(BaseSettings):
    """The options of one server, whose workers each hold the limits. Sizes are in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="NBFLOW_", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8765, ge=0, le=65_535)
    token: str | None = Field(None, min_length=8)
    """What a request must bring; without one, one is made at the start."""
    logins: Path | None = None
    """The folder of login links that were not used yet; `nbflow serve` sets it for its workers."""
    allowed_hosts: Names = ()
    """Names that the server may be called by, besides this machine's own and `host`; `*` for any."""
    allowed_origins: Names = ()
    """Origins, such as `https://example.org`, whose pages may call it; its own page always may."""
    max_body: int = Field(4_000_000, ge=1)
    """How large the body of a request, or a message of a WebSocket, may be."""
    max_nodes: int = Field(10_000, ge=1)
    """How many nodes a graph that is sent may have; of edges five times as many."""
    max_state: int = Field(2_000_000, ge=1)
    """How large the JSON of an initial state may be."""
    max_result: int = Field(1_000_000, ge=1_000)
    """How large the JSON of a result, an event, or a page of events may be; what is larger is truncated."""
    max_runs: int = Field(200, ge=1)
    """How many runs may go on at once."""
    max_watchers: int = Field(2_000, ge=1)
    """How many WebSockets and event streams may be open at once."""
    max_connections: int = Field(4_000, ge=1)
    """How many connections may be open at once; at most three quarters of the files that the process may open."""
    max_rate: float = Field(500.0, gt=0)
    """How many requests a second one client may make, over ten seconds."""
    max_silence: float = Field(10.0, gt=0)
    """How long a watcher may take nothing before it is let go."""
    drain: float = Field(10.0, ge=0)
    """How long the end of the server waits for runs to end by themselves; the others can be resumed."""


def options(**given: Any) -> Options:
    """Return the options as the environment has them, with those given in their place.

    Raises:
        NbflowError: One has a value that is not allowed.
    """
    try:
        return Options(**given)
    except ValidationError as error:
        raise setting_error(error) from error
