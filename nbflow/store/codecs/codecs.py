"""Pack values into texts and blobs, and unpack them: the interface of this package.

Invariant: an unpacked value equals the packed one, with the same types; otherwise an error or a note names the
difference. Nothing in a store runs code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nbflow import secrets, values
from nbflow.errors import StoreError, words
from nbflow.secrets import Supply
from nbflow.store.codecs.classes import Classes, name_of, sort_of
from nbflow.store.codecs.errors import Refused, Unstorable, Unstored, place
from nbflow.store.codecs.json_text import SECRET_TAG, TAG, decode, encode, named_blobs, quote
from nbflow.store.codecs.packer import Packer, blob_of
from nbflow.store.codecs.unpacker import Unpacker
from nbflow.store.rows import Blob

T = TypeVar("T")
MOST_INLINE = 1024
"""The most characters of a value's text that is stored in its row; a longer one is a blob, which is stored once."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A value as JSON text, and the blobs that the text refers to."""

    text: str
    blobs: tuple[Blob, ...]


class Codecs:
    """The codecs and classes of a session. Safe for several threads at once."""

    def __init__(self) -> None:
        self._classes = Classes()

    def pack(self, value: Any) -> Packed:
        """Return the stored form of a value.

        Raises:
            Unstorable: The value, or a part of it, has none; the reason names the path to it.
        """
        blobs: dict[str, Blob] = {}
        text, _ = self._text(value, blobs)
        return Packed(text, tuple(blobs.values()))

    def pack_state(
        self, state: Mapping[str, Any], *, sizes: dict[str, int] | None = None
    ) -> tuple[str, tuple[Blob, ...], dict[str, str]]:
        """Return a state as a JSON object by key, its blobs, and the reason for each key that cannot be stored.

        Such a key has the value `{"$": "unstored", "why": ...}` in the text. A key that starts with `$` gets another
        `$` in front. The method adds to `sizes`, by key, the uncompressed bytes of each value that has blobs.
        """
        blobs: dict[str, Blob] = {}
        reasons: dict[str, str] = {}
        parts = []
        known, named = secrets.are_known(), secrets.has_names()
        for key, value in state.items():
            if named and secrets.covers(key, value):
                text = encode(Packer(self._classes, root=key).secret(value))
            elif type(value) is str and len(value) < 100 and not known:
                text = quote(value)
            else:
                text, size = self._text_or_mark(key, value, blobs, reasons)
                if size and sizes is not None:
                    sizes[key] = size
            name = quote(key) if key[:1] != "$" else quote("$" + key)
            parts.append(f"{name}:{text}")
        return "{" + ",".join(parts) + "}", tuple(blobs.values()), reasons

    def unpack(self, text: str, blobs: Callable[[str], Blob], notes: list[str] | None = None) -> Any:
        """Return the value of a text.

        Args:
            text: The text of a packed value.
            blobs: Returns the blob with a hash, or raises LookupError.
            notes: Receives a sentence for each value that is restored in another form.

        Raises:
            StoreError: The text or a blob was altered, or a codec or library for it is missing.
        """
        unpacker = Unpacker(self._classes, blobs, notes)
        return _guarded(unpacker, lambda: unpacker.tree_of(text))

    def unpack_state(
        self, text: str, blobs: Callable[[str], Blob], notes: list[str] | None = None, supply: Supply | None = None
    ) -> dict[str, Any]:
        """Return the values by key of a text of `pack_state`; a value that was not stored is an `Unstored`.

        A secret is taken from `supply`; without one it is a `Redacted`.

        Raises:
            StoreError: As for `unpack`.
        """
        unpacker = Unpacker(self._classes, blobs, notes, top=1, supply=supply)
        return _guarded(unpacker, lambda: _state(unpacker, text))

    @staticmethod
    def has_secret(text: str, blobs: Iterable[Blob] = ()) -> bool:
        """Return whether a stored form leaves out a secret, so that different values may have the same form."""
        return SECRET_TAG in text or any(blob.codec == "json" and SECRET_TAG.encode() in blob.data for blob in blobs)

    def refs(self, text: str) -> set[str]:
        """Return the hashes of the blobs that a text refers to, without those that its JSON blobs refer to."""
        return named_blobs(text)

    def refs_of(self, blob: Blob) -> set[str]:
        """Return the hashes of the blobs that a JSON blob refers to; blobs of other codecs refer to none."""
        return named_blobs(blob.data.decode("ascii", "replace")) if blob.codec == "json" else set()

    def register(self, cls: type, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> None:
        """Store values of a class, and of its subclasses without a nearer codec, by `dump`; restore them by `load`.

        The codec has the name of the class, so it is the same in every session.

        Raises:
            StoreError: `cls` is not a class, or one that JSON represents itself.
        """
        self._classes.register_codec(cls, dump, load)
        values.register_codec(cls, dump, load)

    def register_type(self, cls: type[T]) -> type[T]:
        """Rebuild objects of a model, dataclass, attrs class, enum or named tuple, and of the classes of its fields.

        Raises:
            StoreError: `cls` is none of these.
        """
        if sort_of(cls) is None:
            shown = name_of(cls) if isinstance(cls, type) else repr(cls)
            raise StoreError(
                f"{shown} is no pydantic model, dataclass, attrs class, enum or named tuple; "
                "nbflow.register_codec(cls, dump, load) stores any other class"
            )
        self._classes.know(cls)
        values.register_type(cls)
        return cls

    def know_annotation(self, annotation: Any) -> None:
        """Rebuild objects of the classes in an annotation, as `register_type` does; ignore everything else."""
        self._classes.know(annotation)

    def _text_or_mark(
        self, key: str, value: Any, blobs: dict[str, Blob], reasons: dict[str, str]
    ) -> tuple[str, int]:  # fmt: skip
        try:
            return self._text(value, blobs, key)
        except Unstorable as error:
            why = reasons[key] = value.why if type(value) is Unstored else error.reason
            return encode({"$": "unstored", "why": why}), 0

    def _text(self, value: Any, blobs: dict[str, Blob], key: str = "") -> tuple[str, int]:
        """Return the text of a value and the bytes of its blobs; add them to `blobs` once the whole value is packed."""
        if type(value) is str and not secrets.are_known():
            text, inner = quote(value), {}
        else:
            packer = Packer(self._classes, root=key)
            text, inner = _packed(packer, value), packer.blobs
        if len(text) > MOST_INLINE:
            whole = blob_of("json", text.encode())
            inner[whole.hash] = whole
            text = encode({"$": "blob", "hash": whole.hash})
        if not inner:
            return text, 0
        blobs.update(inner)
        return text, sum(len(blob.data) for blob in inner.values())


def _packed(packer: Packer, value: Any) -> str:
    try:
        return encode(packer.tree(value))
    except Refused as refused:
        raise Unstorable(f"{place(packer.path)} {refused.reason}") from refused.__cause__
    except RecursionError:
        raise Unstorable(f"{place(packer.path)} is nested too deep, or holds itself") from None
    except Exception as error:
        # A user's properties run here, and another thread may change a dict during the iteration.
        raise Unstorable(f"{place(packer.path)} raised {type(error).__name__}: {words(error)[:200]}") from error


def _guarded(unpacker: Unpacker, read: Callable[[], T]) -> T:
    try:
        return read()
    except Refused as refused:
        reason, cause = refused.reason, refused.__cause__
    except StoreError:
        raise
    except RecursionError:
        reason, cause = "is nested too deep to be read from here", None
    except Exception as error:  # noqa: BLE001 - hostile data may raise any error
        reason, cause = f"raised {type(error).__name__}: {words(error)[:200]}", error
    raise StoreError(f"a stored value cannot be read: {place(unpacker.path)} {reason}") from cause


def _state(unpacker: Unpacker, text: str) -> dict[str, Any]:
    nodes = decode(text)
    if type(nodes) is not dict:
        raise Refused(f"is {type(nodes).__name__}, where a JSON object of values by key was written")
    if TAG not in text:
        return nodes
    return {key.removeprefix("$"): value for key, value in unpacker.fields(nodes).items()}
