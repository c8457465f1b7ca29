"""The classes that a session knows: those to rebuild, and those with a codec of the user's own.

Rule: a stored name is only a key to look up here; a class comes in by the session's own hand, from its annotations or
a registration.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from nbflow.errors import StoreError, words
from nbflow.store.values.faults import Refused, short

_JSON_TYPES = (str, int, float, bool, type(None), list, dict)


def name_of(cls: type) -> str:
    """Return what a class is stored under."""
    return f"{cls.__module__}.{cls.__qualname__}"


def sort_of(cls: Any) -> str | None:
    """Return the tag of the sort of class that is stored by its fields, None for any other."""
    if not isinstance(cls, type):
        return None
    if issubclass(cls, enum.Enum):
        return "enum"
    if issubclass(cls, BaseModel):
        return "model"
    if dataclasses.is_dataclass(cls):
        return "dataclass"
    if "__attrs_attrs__" in vars(cls):
        return "attrs"
    return "namedtuple" if issubclass(cls, tuple) and hasattr(cls, "_fields") else None


@dataclass(frozen=True, slots=True)
class UserCodec:
    """A form that the user gave to a type; both functions are the user's own code."""

    name: str
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]

    def bytes_of(self, value: Any) -> bytes:
        """Return the stored form of a value."""
        try:
            data = self.dump(value)
        except Exception as error:
            raise Refused(f"is for the codec {self.name!r}, whose dump raised {_told(error)}") from error
        if not isinstance(data, bytes | bytearray | memoryview):
            raise Refused(f"is for the codec {self.name!r}, whose dump gave {type(data).__name__}, not bytes")
        return bytes(data)

    def value_of(self, data: bytes) -> Any:
        """Return the value of a stored form."""
        try:
            return self.load(data)
        except Exception as error:
            raise Refused(f"is for the codec {self.name!r}, whose load raised {_told(error)}") from error


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {words(error)[:200]}"


def _of_main(name: str) -> type | None:
    """Return the class that `__main__`, the user's own notebook or script, defines under a stored name.

    It is looked up in dicts alone: nothing is imported, no attribute hook runs, and what `__main__` imported from
    elsewhere is not taken.
    """
    module, _, path = name.partition(".")
    found: Any = sys.modules.get("__main__") if module == "__main__" else None
    for part in path.split("."):
        found = vars(found).get(part) if isinstance(found, type | ModuleType) else None
    return found if isinstance(found, type) and sort_of(found) and name_of(found) == name else None


class Classes:
    """What a session knows of classes. Of two with the same name, as when a cell runs again, the newer is rebuilt."""

    def __init__(self) -> None:
        self._codecs: dict[type, UserCodec] = {}
        self._codec_names: dict[str, UserCodec] = {}
        self._known: dict[str, type] = {}

    def register_codec(self, cls: type, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> None:
        """Give a type, and those of its subclasses without a nearer one, a form of the user's own."""
        if not isinstance(cls, type) or cls in _JSON_TYPES:
            raise StoreError(f"{cls!r} cannot be given a codec: it is no class, or one that JSON says as it is")
        codec = UserCodec(f"user:{name_of(cls)}", dump, load)
        self._codecs[cls] = self._codec_names[codec.name] = codec

    def has_codec(self, kind: type) -> bool:
        """Tell whether a type has a codec of its own."""
        return kind in self._codecs

    def codec_of(self, kind: type) -> UserCodec | None:
        """Return the codec of a type or of its nearest base that has one."""
        if not self._codecs:
            return None
        return next((self._codecs[base] for base in kind.__mro__ if base in self._codecs), None)

    def codec_named(self, name: str) -> UserCodec:
        """Return the codec that wrote a blob.

        Raises:
            Refused: It is not registered here.
        """
        codec = self._codec_names.get(name)
        if codec is None:
            cls = name.removeprefix("user:")
            raise Refused(
                f"was stored by the codec of {short(cls, 200)}, which is not registered here; "
                f"nbflow.register_codec({cls.rpartition('.')[2][:80]}, dump, load) brings it back"
            )
        return codec

    def known(self, name: str) -> type | None:
        """Return the class that is rebuilt for a stored name: of `__main__` the present one, else one made known."""
        return _of_main(name) or self._known.get(name)

    def know(self, annotation: Any) -> None:
        """Know the classes that an annotation names, in generics, unions and `Annotated` too, and in their fields."""
        waiting: list[Any] = [annotation]
        seen: dict[int, Any] = {}  # with what has the id: an id of something gone is soon another's
        while waiting:
            hint = waiting.pop()
            if id(hint) in seen:
                continue
            seen[id(hint)] = hint
            waiting.extend(typing.get_args(hint))
            waiting.extend(_parts(hint))
            if sort_of(hint) is not None:
                self._known[name_of(hint)] = hint


def _parts(hint: Any) -> list[Any]:
    """Return the annotations of a class's fields, and what an alias or a type variable stands for."""
    if isinstance(hint, type):
        if issubclass(hint, BaseModel):
            return [field.annotation for field in hint.model_fields.values()]
        has_fields = sort_of(hint) in ("dataclass", "attrs", "namedtuple") or typing.is_typeddict(hint)
        return list(_hints(hint).values()) if has_fields else []
    return [part for name in ("__value__", "__bound__", "__supertype__") if (part := getattr(hint, name, None))]


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001 - a name in a user's annotation that is not defined, or not yet
        return {}
