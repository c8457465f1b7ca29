"""Asking a person for the secrets that a run had, where they resume it.

Rule: what is typed is shown nowhere and gets into no cell and no history, as an expression on the magic's line would.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from getpass import getpass
from typing import TYPE_CHECKING, Any

from nbflow.errors import SecretsNeededError

if TYPE_CHECKING:
    from nbflow.engine import Run


async def with_secrets(reopen: Callable[[str | None, Mapping[str, Any]], Awaitable[Run]], run_id: str | None) -> Run:
    """Reopen a run, and once more with its secrets where it lacks some and somebody is there to type them.

    Args:
        reopen: Reopens a run by its id with some secrets.
        run_id: Which one; None for the last, which is looked for once, as people are told which it is.

    Raises:
        SecretsNeededError: Nobody is.
    """
    try:
        return await reopen(run_id, {})
    except SecretsNeededError as error:
        given = _typed(error)
        if given is None:
            raise
        run_id = error.run_id
    return await reopen(run_id, given)


def _typed(error: SecretsNeededError) -> dict[str, str] | None:
    """Return the secrets as they are typed; None where the frontend has no prompt, or nothing is typed."""
    given: dict[str, str] = {}
    for name in error.names:
        try:
            given[name] = getpass(f"{name} of run {error.run_id}: ")
        except Exception:  # noqa: BLE001 - ipykernel raises StdinNotImplementedError, and a terminal EOFError
            return None
        if not given[name]:
            return None
    return given
