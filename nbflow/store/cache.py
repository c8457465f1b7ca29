"""Outputs of tools kept by what made them: the tool with all that it uses, and its inputs.

Rule: an output is taken only if it comes back as what it was; in any doubt the tool is called, and a notice says once
why. So a row that was altered or damaged is passed over and written anew, and never ends a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from nbflow.engine.ownership import Taken
from nbflow.errors import StoreError
from nbflow.fingerprint import Unknown, fingerprint
from nbflow.functions.arguments import STATE
from nbflow.names import identifier
from nbflow.store.archive import Blobs
from nbflow.store.codecs import Unstorable, Unstored
from nbflow.store.session_store import SessionStore
from nbflow.tools import ToolSpec

_WHOLE = "="
"""Stands for the keys where the output is no dict with texts as keys; the others begin with one of these."""
_VALUE, _GIVEN, _STATE = "v", "g", "s"


@dataclass(frozen=True, slots=True)
class _Place:
    cached: Taken | None
    keep: Callable[[Taken], None]


class OutputCache:
    """The engine's cache in the store of a session.

    Args:
        history: Opens the store when an output is first asked for, and takes the notices.
        reads: Whether outputs are taken from it, or only kept anew.
    """

    def __init__(self, history: SessionStore, *, reads: bool = True) -> None:
        self._history, self._codecs, self._reads = history, history.codecs, reads
        self._told: set[str] = set()

    def anew(self) -> OutputCache:
        """Return the same cache as one that finds nothing, and keeps what is computed in place of what it has."""
        other = OutputCache(self._history, reads=False)
        other._told = self._told
        return other

    def find(self, spec: ToolSpec, given: Mapping[str, Any], whole: bool = False) -> _Place | None:
        """Return the place of a call, None where it cannot have one; blocks.

        `whole` says that the argument `state` is the whole state.
        """
        state = given[STATE] if whole else {}
        try:
            tool = self._fingerprint(spec.function, spec.name)
            key = sha256(f"{tool} {self._fingerprint(dict(given), '')}".encode()).hexdigest()
            cached = self._cached(key, spec, given, state) if self._reads else None
        except Unknown as unknown:
            self._tell(f"the output of tool {spec.name!r} is not cached: {unknown.reason}")
            return None
        except Exception as error:  # noqa: BLE001 - whatever a store or a user's codec raises, the tool can be called
            self._tell(f"the cache cannot be used for tool {spec.name!r}: {error}")
            return None
        return _Place(cached, partial(self._keep, key, tool, spec, state))

    def _fingerprint(self, thing: Any, name: str) -> str:
        return fingerprint(thing, name=name, pack=self._packed)

    def _packed(self, value: Any) -> str | None:
        try:
            packed = self._codecs.pack(value)
        except Unstorable:
            return None
        return None if self._codecs.has_secret(packed.text, packed.blobs) else packed.text

    def _cached(
        self, key: str, spec: ToolSpec, given: Mapping[str, Any], state: Mapping[str, Any]
    ) -> Taken | None:  # fmt: skip
        store = self._history.open()
        text = store.cached(key).result()
        if text is None:
            return None
        self._history.know_types()
        blobs, notes = Blobs(store, self._codecs), list[str]()
        try:
            blobs.fetch([text])
            taken = _restored(self._codecs.unpack_state(text, blobs.get, notes), given, state)
        except StoreError as error:
            taken, notes = None, [str(error)]
        if notes:
            self._tell(f"a cached output of tool {spec.name!r} is not used, and computed anew: {notes[0]}")
            return None
        return taken

    def _keep(self, key: str, tool: str, spec: ToolSpec, state: Mapping[str, Any], taken: Taken) -> None:
        try:
            if self._fingerprint(spec.function, spec.name) != tool:
                self._tell(f"the output of tool {spec.name!r} is not cached: what the tool uses changed while it ran")
                return
            text, blobs, reasons = self._codecs.pack_state(_split(taken, state))
            for why in reasons.values():
                self._tell(f"the output of tool {spec.name!r} is not cached: {why}")
            if self._codecs.has_secret(text, blobs):
                self._tell(f"the output of tool {spec.name!r} is not cached: it contains a secret")
            elif not reasons:
                self._history.open().cache(key, spec.name, text, blobs).result()
        except Exception as error:  # noqa: BLE001 - as above; the output is there, and the run goes on with it
            self._tell(f"the output of tool {spec.name!r} is not cached: {error}")

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._history.notices.append(line)


def _split(taken: Taken, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output by keys, without the values of those that are no update: a later call has them as inputs."""
    output = taken.output
    if taken.bare:
        return {_WHOLE: next(iter(output.values()))}
    if type(output) is not dict or not all(type(key) is str for key in output):
        return {_WHOLE: output}
    parts: dict[str, Any] = {}
    for key, item in output.items():
        if key in taken.unchanged:
            parts[(_STATE if key in state else _GIVEN) + key] = None
        else:
            parts[_VALUE + key] = item
    return parts


def _restored(stored: Mapping[str, Any], given: Mapping[str, Any], state: Mapping[str, Any]) -> Taken:
    """Return an output from what `_split` made of it.

    Raises:
        StoreError: It is not what `_split` makes.
    """
    if any(isinstance(item, Unstored) for item in stored.values()):
        raise StoreError("a part of it was not stored")
    if _WHOLE in stored:
        return Taken(stored[_WHOLE], bare=True)
    sources: dict[str, Callable[[str], Any]] = {
        _VALUE: lambda key: stored[_VALUE + key],
        _GIVEN: lambda key: given[identifier(key)],
        _STATE: lambda key: state[key],
    }
    try:
        output = {name[1:]: sources[name[:1]](name[1:]) for name in stored}
    except (KeyError, TypeError) as error:
        raise StoreError(f"its keys are not as nbflow writes them: {error}") from error
    return Taken(output, tuple(name[1:] for name in stored if name[:1] != _VALUE))
