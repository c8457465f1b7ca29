"""Secrets: values that tools get and that nothing else may show or store.

A value is a secret if it is one of pydantic's secret types (anything with `get_secret_value`), or if it is under a key
that the environment variable NBFLOW_SECRET_KEYS names: a comma-separated list of names or shell-style patterns such as
`*_token`, compared without regard to case. That applies to keys of the state and of dicts inside it, to the params of a
node, and to fields of models and dataclasses. None, booleans and empty texts are never secrets.

Invariant: when values leave the process, a secret is replaced by `***`. Texts that tools produce (prints, error
messages) cannot be attributed to a value, so every known secret of at least `SHORTEST` characters is masked in them, as
CI systems do; a value that contains a known secret is treated as a secret itself.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import lru_cache
from itertools import chain
from types import SimpleNamespace
from typing import Any

MASK = "***"
KEYS_VARIABLE = "NBFLOW_SECRET_KEYS"
VALUE_VARIABLE = "NBFLOW_SECRET_"
SHORTEST = 6
"""Characters; masking a shorter text would make ordinary output unreadable."""
_MOST_KNOWN = 10_000
_ATOMS = frozenset({str, int, float, bool, type(None), bytes, complex})
_SECRET_TYPES = ("SecretStr", "SecretBytes", "Secret")
_PLAIN = frozenset({bool, type(None)})
_SEQUENCES = (list, tuple, set, frozenset, deque)
_CONTAINERS = (Mapping, *_SEQUENCES)


@dataclass(frozen=True, slots=True, repr=False)
class Redacted:
    """The placeholder of a secret that was not stored; `name` is its path, such as `config.api_key`."""

    name: str

    def __repr__(self) -> str:
        return MASK


def is_secret(value: object) -> bool:
    """Return whether a value is a secret by its type."""
    return is_secret_type(type(value))


def is_secret_type(cls: type) -> bool:
    """Return whether all instances of a class are secrets."""
    return cls is Redacted or hasattr(cls, "get_secret_value")


def revealed(value: Any) -> Any:
    """Return the content of a secret of pydantic's types; any other value unchanged."""
    return value.get_secret_value() if is_secret(value) and type(value) is not Redacted else value


def has_names() -> bool:
    """Return whether NBFLOW_SECRET_KEYS names any key."""
    return bool(os.environ.get(KEYS_VARIABLE))


def covers(key: object, value: object) -> bool:
    """Return whether the value of a key is a secret by the key's name; each part of `config.api_key` counts."""
    if type(key) is not str or type(value) in _PLAIN or (type(value) in (str, bytes) and not value):
        return False
    names = os.environ.get(KEYS_VARIABLE)
    return bool(names) and _matches(names or "", key)


@lru_cache(maxsize=4096)
def _matches(names: str, key: str) -> bool:
    pattern, key = _pattern_of(names), _folded(key)
    return any(map(pattern.match, [key, *re.split(r"[^\w-]+", key)]))


def _folded(name: str) -> str:
    # NFKC, as keys of the state are normalised, and keys inside values are not.
    return unicodedata.normalize("NFKC", name).casefold()


@lru_cache(maxsize=16)
def _pattern_of(names: str) -> re.Pattern[str]:
    given = [_folded(name.strip()) for name in names.split(",") if name.strip()]
    return re.compile("|".join(map(fnmatch.translate, given)) or r"(?!)")


def covered(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return values by key, with `Redacted` for those that are secrets by their key."""
    if not has_names():
        return values
    return {key: Redacted(key) if covers(key, value) else value for key, value in values.items()}


class _Known:
    """The texts of the secrets that this process has met, and the pattern that finds them."""

    def __init__(self) -> None:
        self.texts: dict[str, None] = {}
        self._pattern: tuple[int, re.Pattern[str]] | None = None

    def add(self, text: str) -> None:
        """Add a text, each of its lines, and its forms in Python and JSON."""
        forms = {text, repr(text)[1:-1], json.dumps(text)[1:-1], *text.splitlines()}
        for form in forms:
            if len(form.strip()) >= SHORTEST and form not in self.texts and len(self.texts) < _MOST_KNOWN:
                self.texts[form] = None

    def pattern(self) -> re.Pattern[str]:
        """Return the pattern that matches any of the texts, the longest first."""
        if self._pattern is None or self._pattern[0] != len(self.texts):
            texts = sorted(self.texts, key=len, reverse=True)
            self._pattern = len(texts), re.compile("|".join(map(re.escape, texts)))
        return self._pattern[1]


_known = _Known()


def are_known() -> bool:
    """Return whether this process has met any secret that is masked in texts."""
    return bool(_known.texts)


def mask(text: str) -> str:
    """Return a text with `***` for each known secret in it."""
    return _known.pattern().sub(MASK, text) if _known.texts else text


def contains(value: Any) -> bool:
    """Return whether plain data (texts, lists, dicts) contains a known secret, or is one."""
    if isinstance(value, str):
        return bool(_known.texts) and _known.pattern().search(value) is not None
    return any(_texts(value, contains))


def _texts(value: Any, look: Any) -> Iterator[bool]:
    if is_secret(value):
        yield True
    elif isinstance(value, Mapping):
        yield from (covers(key, part) or look(part) for key, part in value.items())
    elif isinstance(value, _SEQUENCES):
        yield from map(look, value)


def learn(values: Mapping[str, Any]) -> None:
    """Record the secrets among values by key, and inside the values, so that texts are masked from now on."""
    named = has_names()
    if not named and _ATOMS.issuperset(map(type, values.values())):
        return
    seen: set[int] = set()
    left: list[Any] = [values]
    while left:
        value = left.pop()
        if is_secret(value):
            learn_value(value)
            continue
        parts = _parts_of(value)
        if parts is None or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(parts, Mapping):
            if named:
                for key, part in parts.items():
                    if covers(key, part):
                        learn_value(part)
            parts = parts.values()
        inner = [part for part in parts if type(part) not in _ATOMS]
        if set(map(type, inner)) != {dict} or _may_hold_secrets(inner, named=named):
            left += inner


def _may_hold_secrets(rows: list[dict[Any, Any]], *, named: bool) -> bool:
    """Return whether any of the dicts, such as rows or messages, may have a secret; tests all of them at once."""
    if not _ATOMS.issuperset(map(type, chain.from_iterable(map(dict.values, rows)))):
        return True
    names = os.environ.get(KEYS_VARIABLE, "") if named else ""
    return bool(names) and any(type(key) is not str or _matches(names, key) for key in set(chain.from_iterable(rows)))


def learn_value(value: Any) -> None:
    """Record a secret: a text, or all texts inside the value."""
    left = [value]
    while left:
        part = left.pop()
        if type(part) is Redacted:
            continue
        if is_secret(part):
            left.append(revealed(part))
        elif isinstance(part, bytes | bytearray):
            _known.add(bytes(part).decode("utf-8", "replace"))
        elif isinstance(part, str):
            _known.add(part)
        elif isinstance(part, int | float) and not isinstance(part, bool):
            _known.add(str(part))
        elif (parts := _parts_of(part)) is not None:
            left += parts.values() if isinstance(parts, Mapping) else parts


def _parts_of(value: Any) -> Mapping[Any, Any] | Iterable[Any] | None:
    """Return the parts of a container, model or dataclass; None for any other value."""
    if isinstance(value, _CONTAINERS):
        return value
    kind = type(value)
    if hasattr(kind, "__pydantic_fields__"):
        return {**value.__dict__, **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
    if hasattr(kind, "__dataclass_fields__") or hasattr(kind, "__attrs_attrs__"):
        names = getattr(kind, "__dataclass_fields__", None) or [each.name for each in kind.__attrs_attrs__]
        return {name: getattr(value, name, None) for name in names}
    return value.__dict__ if isinstance(value, SimpleNamespace) else None


def hidden(value: Any) -> Any:
    """Return a value for display, with `***` in place of secrets in dicts, lists, tuples and texts."""
    if not (_known.texts or has_names()):
        return value
    if is_secret(value):
        return Redacted("")
    if isinstance(value, str):
        return mask(value)
    with suppress(RecursionError):
        if type(value) is dict:
            return {key: Redacted("") if covers(key, part) else hidden(part) for key, part in value.items()}
        if type(value) in (list, tuple):
            return type(value)(map(hidden, value))
        if not isinstance(value, _CONTAINERS) and _parts_of(value) is not None and contains(_parts_of(value)):
            return Redacted("")
        return value
    return Redacted("")


def redacted_in(value: Any) -> Iterator[Redacted]:
    """Yield the missing secrets within a value."""
    seen: set[int] = set()
    left = [value]
    while left:
        part = left.pop()
        if type(part) is Redacted:
            yield part
        elif (parts := _parts_of(part)) is not None and id(part) not in seen:
            seen.add(id(part))
            left += parts.values() if isinstance(parts, Mapping) else parts


def masked_repr(record: Any) -> str:
    """Return the repr of a dataclass with `***` for the secrets among its values."""
    shown = (f"{each.name}={hidden(getattr(record, each.name))!r}" for each in fields(record) if each.repr)
    return mask(f"{type(record).__name__}({', '.join(shown)})")


@dataclass(slots=True)
class Supply:
    """The secrets of a run that resumes, by name.

    The environment variable of `config.api_key` is NBFLOW_SECRET_CONFIG_API_KEY.

    Attributes:
        given: Values, by name.
        lacking: The names of the secrets for which there is neither a value nor an environment variable; each with its
            type, as `kind_of` returns it.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)

    def value(self, name: str, kind: str) -> Any:
        """Return a secret in its original type; `Redacted` if it is missing."""
        given = self.given[name] if name in self.given else os.environ.get(variable_of(name))
        if given is None:
            if self.lacking.get(name) not in _SECRET_TYPES:
                self.lacking[name] = kind
            return Redacted(name)
        raw = revealed(given)
        learn_value(raw)
        return _typed(raw, kind)

    def is_secret_itself(self, name: str) -> bool:
        """Return whether a missing value is a secret by its type or key; others only contain one, as a URL may."""
        return self.lacking.get(name) in _SECRET_TYPES or covers(name, MASK)


def variable_of(name: str) -> str:
    """Return the environment variable that a secret is read from."""
    return VALUE_VARIABLE + re.sub(r"\W+", "_", name).strip("_").upper()


def kind_of(value: Any) -> str:
    """Return the type of a secret, as `Supply.value` takes it."""
    if is_secret(value):
        names = [each.__name__ for each in type(value).__mro__]
        return next((name for name in _SECRET_TYPES if name in names), "SecretStr")
    return type(value).__name__ if type(value) in (str, bytes, int, float) else "json"


def _typed(raw: Any, kind: str) -> Any:
    if kind in _SECRET_TYPES:
        import pydantic

        if kind == "SecretBytes" and isinstance(raw, str):
            raw = raw.encode()
        return getattr(pydantic, kind)(raw)
    if not isinstance(raw, str) or kind == "str":
        return raw
    makers: dict[str, Any] = {"bytes": str.encode, "int": int, "float": float, "json": json.loads}
    with suppress(ValueError, KeyError):
        return makers[kind](raw)
    return raw
