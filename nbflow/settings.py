"""What a user may set once for all runs, by environment variables.

Rule: an argument of a call wins over a setting; a setting that is not understood is refused, and never passed over.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from nbflow.errors import NbflowError

Durability = Literal["sync", "async", "off"]


class Settings(BaseSettings):
    """The settings; each is read from `NBFLOW_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="NBFLOW_", extra="ignore")

    durability: Durability = "async"
    """Whether runs are kept: each event before what follows from it, in groups behind the run, or not at all."""
    database_url: str | None = None
    """Where: a URL of SQLAlchemy; by default a file under `.nbflow/` beside the notebook."""
    allow_unstored: bool = False
    """Whether a run kept with `sync` goes on where a value cannot be stored."""
    prune_keep_last: int | None = Field(None, ge=1)
    """How many runs stay when a store is opened; by default all."""
    prune_older_than_days: float | None = Field(None, gt=0)
    """How old the others have to be to go; by default they go whatever their age."""


def settings() -> Settings:
    """Return the settings as the environment has them now.

    Raises:
        NbflowError: One of them has a value that is not allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(["NBFLOW", *map(str, first["loc"])]).upper()
        raise NbflowError(f"the setting {name} is {first.get('input')!r}: {first['msg']}") from error
