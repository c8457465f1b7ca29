"""What a user may set once for all runs, by environment variables.

Rule: an argument of a call wins over a setting; a setting that is not understood is refused, and never passed over.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Literal

from pydantic import ByteSize, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nbflow.errors import NbflowError, StoreError
from nbflow.store.location import parsed

_PREFIX = "NBFLOW_"
Durability = Literal["sync", "async", "off"]


class Settings(BaseSettings):
    """The settings; each is read from `NBFLOW_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    durability: Durability = "async"
    """Whether runs are kept: each event before what follows from it, in groups behind the run, or not at all."""
    database_url: str | None = None
    """Where: a URL of SQLAlchemy; by default a file under `.nbflow/` beside the notebook."""
    allow_unstored: bool = False
    """Whether a run kept with `sync` goes on where a value cannot be stored."""
    large_value: ByteSize = Field(ByteSize(64 * 2**20), gt=0)
    """From which size on a value is named in a notice, as bytes or a text such as `200MB`."""
    retain_runs: int = Field(50, ge=0)
    """How many runs that have ended stay in memory, beside the last one; the store still has the others."""
    retain_bytes: ByteSize = Field(ByteSize(32 * 2**20), ge=0)
    """How many bytes they may take, about, as bytes or a text such as `100MB`."""
    prune_keep_last: int | None = Field(None, ge=1)
    """How many runs stay when a store is opened; by default all."""
    prune_older_than_days: float | None = Field(None, gt=0)
    """How old the others have to be to go; by default they go whatever their age."""

    @field_validator("database_url")
    @classmethod
    def _is_understood(cls, url: str | None) -> str | None:
        """Refuse a URL that names no store; not as a ValueError, whose report pydantic would give, password and all."""
        try:
            return url if url is None or parsed(url) else None
        except StoreError as error:
            raise StoreError(f"the setting NBFLOW_DATABASE_URL: {error}") from error


def settings() -> Settings:
    """Return the settings as the environment has them now.

    Raises:
        NbflowError: One of them has a value that is not allowed.
        ImportError: The driver of the database that one of them names is not installed.
    """
    return _as_set(tuple(map(os.environ.get, _NAMES)))


_NAMES = tuple(_PREFIX + name.upper() for name in Settings.model_fields)


@lru_cache(maxsize=1)
def _as_set(_: tuple[str | None, ...]) -> Settings:
    """Read the settings anew where a variable has changed: it takes as long as a short run does."""
    try:
        return Settings()
    except ValidationError as error:
        raise setting_error(error) from error


def setting_error(error: ValidationError) -> NbflowError:
    """Return in words which setting has a value that is not allowed; of a token's value nothing is told."""
    first = error.errors(include_url=False)[0]
    name = _PREFIX + "_".join(map(str, first["loc"])).upper()
    value = "not allowed" if name.endswith("_TOKEN") else repr(first.get("input"))
    return NbflowError(f"the setting {name} is {value}: {first['msg']}")
