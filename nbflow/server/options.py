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
    """The token that requests must send; by default a random one."""
    logins: Path | None = None
    """The folder of login links; `nbflow serve` sets it for its workers."""
    allowed_hosts: Names = ()
    """Allowed host names, besides those of this machine and `host`; `*` allows any."""
    allowed_origins: Names = ()
    """Origins, such as `https://example.org`, whose pages may send requests, besides the server's own page."""
    max_body: int = Field(4_000_000, ge=1)
    """The maximum size of a request's body, and of a WebSocket message."""
    max_nodes: int = Field(10_000, ge=1)
    """The maximum number of nodes of a graph that a client creates; five times as many edges are allowed."""
    max_state: int = Field(2_000_000, ge=1)
    """The maximum size of the JSON of an initial state."""
    max_result: int = Field(1_000_000, ge=1_000)
    """The size beyond which the JSON of a result, an event, or a page of events is truncated."""
    max_runs: int = Field(200, ge=1)
    """The maximum number of concurrent runs."""
    max_watchers: int = Field(2_000, ge=1)
    """The maximum number of open WebSockets and event streams."""
    max_connections: int = Field(4_000, ge=1)
    """The maximum number of open connections; at most three quarters of the limit of open files."""
    max_rate: float = Field(500.0, gt=0)
    """The requests a second that one client may make, averaged over ten seconds."""
    max_silence: float = Field(10.0, gt=0)
    """The time without a read after which a watcher is disconnected."""
    drain: float = Field(10.0, ge=0)
    """The time that a shutdown gives runs to end; the others can be resumed."""


def options(**given: Any) -> Options:
    """Return the options from the environment; options that are given replace these.

    Raises:
        NbflowError: An option has a value that is not allowed.
    """
    try:
        return Options(**given)
    except ValidationError as error:
        raise setting_error(error) from error
