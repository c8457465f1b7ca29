"""Unpack trees and blobs into values.

Invariant: the content of a store is data, never code. A tag names a form of this package, a class is one that the
session knows, and the codec of a blob is one of this package or the user's own. No text in a store causes an import, a
call or an allocation beyond these.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from nbflow.errors import words
from nbflow.secrets import Redacted, Supply
from nbflow.store.codecs.arrow import load_split_frame, load_table
from nbflow.store.codecs.builtin import LOADERS, Load
from nbflow.store.codecs.classes import STRUCTURE_LOADERS, Classes
from nbflow.store.codecs.errors import Refused, Said, Step, Unstored, short
from nbflow.store.codecs.images import load_figure, load_image
from nbflow.store.codecs.json_text import DEEPEST, TAG, decode
from nbflow.store.codecs.numpy import load_array, load_array_scalar
from nbflow.store.codecs.packer import blob_hash
from nbflow.store.codecs.pandas import load_na, load_nat, load_pandas, load_timedelta, load_timestamp
from nbflow.store.codecs.polars import load_polars
from nbflow.store.rows import Blob

T = TypeVar("T")
_MOST_REPEATED = 2**30
_REPEATS = 32  # frames share columns, and each restored frame has its own copy


class Unpacker:
    """Unpacks a value or a state. `path` leads to the current part; `top` is the path's length at a whole value."""

    def __init__(
        self, classes: Classes, blobs: Callable[[str], Blob], notes: list[str] | None, *, top: int = 0,
        supply: Supply | None = None,
    ) -> None:  # fmt: skip
        self.classes = classes
        self.path: list[Step] = []
        self.degraded = False
        """True if an object was restored as a dict, which is not hashable as the object may have been."""
        self._blobs, self._notes, self._top, self._supply = blobs, notes, top, supply
        self._in_json = False
        self._seen: set[str] = set()
        self._repeated = self._columns = 0

    def note(self, line: str) -> None:
        """Add a note about a value that was restored as something else than it was, once."""
        if self._notes is not None and line not in self._notes:
            self._notes.append(line)

    def value(self, node: Any) -> Any:
        """Return the value of a tree."""
        kind = type(node)
        if kind is list:
            return self.items(node)
        if kind is not dict:
            return node
        return self._tagged(node) if "$" in node else self.fields(node)

    def items(self, nodes: list[Any], step: str | None = None) -> list[Any]:
        """Return the values of trees in order; the path to each ends with its index, or with `step`."""
        self._deeper(0 if step is None else Said(step))
        values = []
        for index, node in enumerate(nodes):
            if type(node) is list or type(node) is dict:
                if step is None:
                    self.path[-1] = index
                node = self.value(node)
            values.append(node)
        self.path.pop()
        return values

    def fields(self, nodes: dict[str, Any], *, lead: str | None = None) -> dict[str, Any]:
        """Return the values of trees by key; the path to each ends with its key, after `lead` if given."""
        self._deeper("")
        values = {}
        for key, node in nodes.items():
            if type(node) is list or type(node) is dict:
                self.path[-1] = key if lead is None else Said(lead + key)
                node = self.value(node)
            values[key] = node
        self.path.pop()
        return values

    def pairs(self, nodes: list[Any]) -> list[tuple[Any, Any]]:
        """Return the keys and values of `[key, value]` trees."""
        self._deeper(0)
        pairs = []
        for index, node in enumerate(nodes):
            self.path[-1] = index
            if type(node) is not list or len(node) != 2:
                raise Refused("is not the key and value that a dict has there")
            pairs.append((self.value(node[0]), self.value(node[1])))
        self.path.pop()
        return pairs

    def hashed(self, kind: Callable[[Any], T], parts: Iterable[Any], *, else_: Callable[[Any], Any] = list) -> T | Any:
        """Return `kind(parts)`; a list of the parts if one is a dict in place of an object, and cannot be hashed."""
        listed = list(parts)
        try:
            return kind(listed)
        except TypeError:
            if not self.degraded:
                raise
        self.note("a set or dict was restored as a list, because its items or keys are of a class not known here")
        return else_(listed)

    def want(self, node: dict[str, Any], key: str, kind: type[T]) -> T:
        """Return a part of a tagged object.

        Raises:
            Refused: The part is not exactly of type `kind`.
        """
        part = node.get(key)
        if type(part) is not kind:
            raise Refused(f"has {key!r} of type {type(part).__name__}, where {kind.__name__} was written")
        return part

    def tree_of(self, text: str) -> Any:
        """Return the value of a text; without tags, the decoded JSON itself."""
        tree = decode(text)
        return self.value(tree) if TAG in text else tree

    def _deeper(self, step: Step) -> None:
        if len(self.path) - self._top >= DEEPEST:
            raise Refused(f"is nested deeper than {DEEPEST} levels")
        self.path.append(step)

    def _tagged(self, node: dict[str, Any]) -> Any:
        tag = node["$"]
        if type(tag) is not str:
            raise Refused(f"has a tag of type {type(tag).__name__}, where str was written")
        match tag:
            case "blob":
                return self._blob(self.want(node, "hash", str))
            case "inline":
                return self._inline(node)
            case "unstored":
                return Unstored(self.want(node, "why", str))
            case "secret":
                name, sort = self.want(node, "n", str), self.want(node, "k", str)
                return Redacted(name) if self._supply is None else self._supply.value(name, sort)
        load = LOADERS.get(tag) or STRUCTURE_LOADERS.get(tag) or FOREIGN_LOADERS.get(tag)
        if load is None:
            raise Refused(f"has the tag {short(tag)}, which this version of nbflow does not know")
        try:
            return load(node, self)
        except (ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
            raise Refused(
                f"has the tag {tag!r}, and what it says cannot be: {str(error)[:200] or type(error).__name__}"
            ) from error

    def _blob(self, name: str) -> Any:
        blob = self._fetch(name)
        if blob.codec != "json":
            return self._load(blob.codec, blob.data, f"blob {name[:12]}")
        # A value has one JSON blob at most. If JSON blobs could refer to others, forty could expand to 2**40 items.
        if self._in_json or len(self.path) > self._top:
            raise Refused(f"names the JSON blob {name[:12]} inside a value, which is never written")
        self._in_json = True
        try:
            return self.tree_of(blob.data.decode("ascii", "replace"))
        finally:
            self._in_json = False

    def _fetch(self, name: str) -> Blob:
        try:
            blob = self._blobs(name)
        except LookupError:
            raise Refused(f"names the blob {short(name)}, which is not in the store") from None
        if name in self._seen:
            self._repeated += len(blob.data)
            if self._repeated > max(_MOST_REPEATED, _REPEATS * self._columns):
                raise Refused(f"names the blob {short(name)} so often that it would not fit in memory")
            return blob
        if blob_hash(blob.codec, blob.data) != name:
            raise Refused(f"names the blob {short(name)}, whose content does not have this hash: it was altered")
        self._seen.add(name)
        return blob

    def content(self, node: Any, codec: str) -> bytes:
        """Return the data of the blob that a part of a value refers to.

        Raises:
            Refused: The part is not a reference, or the blob has another codec.
        """
        if type(node) is not dict or node.get("$") != "blob":
            raise Refused("has a part that is not the reference to a blob that was written")
        name = self.want(node, "hash", str)
        is_new = name not in self._seen
        blob = self._fetch(name)
        self._columns += len(blob.data) if is_new else 0
        if blob.codec != codec:
            raise Refused(f"names the blob {blob.hash[:12]} of the codec {short(blob.codec)} as one of {codec!r}")
        return blob.data

    def _inline(self, node: dict[str, Any]) -> Any:
        try:
            data = base64.b64decode(self.want(node, "v", str), validate=True)
        except ValueError as error:
            raise Refused(f"holds data that is not the base64 that was written: {error}") from None
        return self._load(self.want(node, "codec", str), data, "a value inside it")

    def _load(self, codec: str, data: bytes, what: str) -> Any:
        if codec.startswith("user:"):
            return self.classes.codec_named(codec).value_of(data)
        return load_foreign(codec, data, what, self)


def load_foreign(codec: str, data: bytes, what: str, unpacker: Unpacker) -> Any:
    """Return the value of a blob.

    Raises:
        Refused: The codec is unknown, its library is missing, or the data is not valid.
    """
    load = _LOADS.get(codec)
    if load is None:
        raise Refused(f"is in {what} of the codec {short(codec)}, which this version of nbflow does not know")
    try:
        return load(data, unpacker)
    except Refused:
        raise
    except Exception as error:
        # A library may raise any error for hostile bytes, and all mean the same to a user.
        told = " ".join(words(error).split())[:200]
        raise Refused(f"is in {what} of the codec {codec!r}, which cannot be read: {told}") from error


_LOADS: Mapping[str, Callable[[bytes, Unpacker], Any]] = {
    "npy": load_array,
    "arrow.pandas": load_pandas,
    "arrow.polars": load_polars,
    "arrow.table": load_table,
    "png": load_image,
    "figure": load_figure,
}

_FRAMES: Mapping[str, Any] = {
    "arrow.pandas": load_pandas,
    "arrow.polars": load_polars,
    "arrow.table": load_table,
}


def _load_frame(node: dict[str, Any], unpacker: Unpacker) -> Any:
    try:
        return load_split_frame(node, unpacker, _FRAMES)
    except Refused:
        raise
    except Exception as error:  # as in `load_foreign`
        told = " ".join(words(error).split())[:200]
        raise Refused(f"is a frame of which a column cannot be read: {told}") from error


FOREIGN_LOADERS: Mapping[str, Load] = {
    "frame": _load_frame,
    "np.scalar": load_array_scalar,
    "pd.Timestamp": load_timestamp,
    "pd.Timedelta": load_timedelta,
    "pd.NaT": load_nat,
    "pd.NA": load_na,
}
