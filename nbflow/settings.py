"""Settings for all runs, from environment variables.

Invariant: an argument of a call overrides a setting; an invalid setting raises an error and is never ignored.
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
    """When events are stored: before whatever depends on them starts, in groups behind the run, or not at all."""
    database_url: str | None = None
    """The URL of the store for SQLAlchemy; by default a file under `.nbflow/` beside the notebook."""
    allow_unstored: bool = False
    """True if a run with `sync` continues after a value that cannot be stored."""
    large_value: ByteSize = Field(ByteSize(64 * 2**20), gt=0)
    """The size from which a notice names a value, in bytes or as a text such as `200MB`."""
    retain_runs: int = Field(50, ge=0)
    """The number of ended runs that stay in memory, beside the last one; the store has the others."""
    retain_bytes: ByteSize = Field(ByteSize(32 * 2**20), ge=0)
    """The estimated size of these runs at most, in bytes or as a text such as `100MB`."""
    prune_keep_last: int | None = Field(None, ge=1)
    """The number of newest runs to retain when the store is opened; by default all."""
    prune_older_than_days: float | None = Field(None, gt=0)
    """The age from which other runs are deleted, in days; by default at any age."""

    @field_validator("database_url")
    @classmethod
    def _is_understood(cls, url: str | None) -> str | None:
        """Refuse a URL that names no store; with no ValueError, since pydantic's report of one has the password."""
        try:
            return url if url is None or parsed(url) else None
        except StoreError as error:
            raise StoreError(f"the setting NBFLOW_DATABASE_URL: {error}") from error


def settings() -> Settings:
    """Return the current settings.

    Raises:
        NbflowError: One of them has a value that is not allowed.
        ImportError: The driver of the database that one of them names is not installed.
    """
    return _as_set(tuple(map(os.environ.get, _NAMES)))


_NAMES = tuple(_PREFIX + name.upper() for name in Settings.model_fields)


@lru_cache(maxsize=1)
def _as_set(_: tuple[str | None, ...]) -> Settings:
    """Read the settings; cached until a variable changes, since reading takes as long as a short run."""
    try:
        return Settings()
    except ValidationError as error:
        raise setting_error(error) from error


def setting_error(error: ValidationError) -> NbflowError:
    """Return the error that names an invalid setting and its value, except the value of a token."""
    first = error.errors(include_url=False)[0]
    name = _PREFIX + "_".join(map(str, first["loc"])).upper()
    value = "not allowed" if name.endswith("_TOKEN") else repr(first.get("input"))
    return NbflowError(f"the setting {name} is {value}: {first['msg']}")
