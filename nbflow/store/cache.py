"""Cache the outputs of tools under a hash of the tool, everything it uses, and its inputs.

A cached output is used only if it is restored exactly. In any doubt the tool is called, and one notice has the reason.
So a row that was altered or damaged is ignored and replaced, and never ends a run.
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
"""The only stored key of an output that is not a dict with text keys; all other stored keys start with one of these:"""
_VALUE, _GIVEN, _STATE = "v", "g", "s"
"""A new value, one that equals an argument, and one that equals a key of the state."""


@dataclass(frozen=True, slots=True)
class _Place:
    cached: Taken | None
    keep: Callable[[Taken], None]


class OutputCache:
    """The engine's cache in the store of a session.

    Args:
        session_store: Opens the store on first use, and takes the notices.
        reads: True if outputs are read from the cache; if false, they are only written.
    """

    def __init__(self, session_store: SessionStore, *, reads: bool = True) -> None:
        self._session_store, self._codecs, self._reads = session_store, session_store.codecs, reads
        self._told: set[str] = set()

    def anew(self) -> OutputCache:
        """Return the same cache without reads: every call runs its tool, and replaces the cached output."""
        other = OutputCache(self._session_store, reads=False)
        other._told = self._told
        return other

    def find(self, spec: ToolSpec, given: Mapping[str, Any], whole: bool = False) -> _Place | None:
        """Return the cache entry of a call, None if the call cannot be cached; blocks.

        `whole` states that the argument `state` is the whole state.
        """
        state = given[STATE] if whole else {}
        try:
            tool = self._fingerprint(spec.function, spec.name)
            key = sha256(f"{tool} {self._fingerprint(dict(given), '')}".encode()).hexdigest()
            cached = self._cached(key, spec, given, state) if self._reads else None
        except Unknown as unknown:
            self._tell(f"the output of tool {spec.name!r} is not cached: {unknown.reason}")
            return None
        except Exception as error:  # noqa: BLE001 - the store or a user's codec failed, and the tool can be called
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
        store = self._session_store.open()
        text = store.cached(key).result()
        if text is None:
            return None
        self._session_store.know_types()
        blobs, notes = Blobs(store, self._codecs), list[str]()
        try:
            blobs.fetch([text])
            taken = _restored(self._codecs.unpack_state(text, blobs.get, notes), given, state)
        except StoreError as error:
            taken, notes = None, [str(error)]
        if notes:
            self._tell(f"a cached output of tool {spec.name!r} is not used, and the tool runs again: {notes[0]}")
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
                self._session_store.open().cache(key, spec.name, text, blobs).result()
        except Exception as error:  # noqa: BLE001 - as above; the run continues with the output
            self._tell(f"the output of tool {spec.name!r} is not cached: {error}")

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._session_store.notices.append(line)


def _split(taken: Taken, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output by stored key, without values that are not updates: a later call has them as inputs."""
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
    """Return the output that `_split` received.

    Raises:
        StoreError: `_split` did not write the stored keys.
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
