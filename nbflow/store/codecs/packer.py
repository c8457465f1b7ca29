"""Pack a value into a tree of plain JSON values, and blobs.

Invariant: JSON represents a value untagged only if the value has exactly that type. A value of any other type is tagged
with its form, or refused.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

from nbflow import secrets
from nbflow.store.codecs.arrow import dump_table
from nbflow.store.codecs.builtin import FORMS
from nbflow.store.codecs.classes import Classes, dump_structure
from nbflow.store.codecs.errors import Refused, Said, Step, Unstored, a, short
from nbflow.store.codecs.images import Picture, dump_figure, dump_image, dump_picture
from nbflow.store.codecs.json_text import DEEPEST
from nbflow.store.codecs.numpy import dump_array
from nbflow.store.codecs.pandas import dump_pandas
from nbflow.store.codecs.polars import dump_polars
from nbflow.store.rows import Blob

_SIMPLE: frozenset[type] = frozenset({str, bool, type(None)})
_NO_TEXT: frozenset[type] = frozenset({bool, type(None)})
_INT, _FLOAT, _STR = frozenset({int}), frozenset({float}), frozenset({str})
# Below the smallest limit that can be set for the digits of an int (640), so that every session can read the text.
_BIG = 2**1024
_PLAIN_BASES = (str, int, float, bytes, list, tuple, dict, set, frozenset)


def blob_of(codec: str, data: bytes) -> Blob:
    """Return a blob under the hash of its codec and content."""
    return Blob(blob_hash(codec, data), codec, data)


def blob_hash(codec: str, data: bytes) -> str:
    """Return the sha256, in hex, of a codec's name, a NUL, and the data."""
    digest = hashlib.sha256(codec.encode() + b"\0")
    digest.update(data)
    return digest.hexdigest()


class Packer:
    """Packs one value. `path` leads to the current part; `inline` puts blobs into the tree itself."""

    __slots__ = ("_inline", "_named", "_root", "_simple", "blobs", "classes", "path")

    def __init__(
        self, classes: Classes, *, inline: bool = False, path: list[Step] | None = None, root: str = ""
    ) -> None:
        self.classes, self._inline, self._root = classes, inline, root
        # Texts are checked only if the process knows a secret.
        self._simple = _NO_TEXT if secrets.are_known() else _SIMPLE
        self._named = secrets.has_names()
        self.path: list[Step] = path if path is not None else []
        self.blobs: dict[str, Blob] = {}

    @property
    def is_inside(self) -> bool:
        """True if the packed values are inside a blob."""
        return self._inline

    def inside(self) -> Packer:
        """Return a packer for values inside a blob. They refer to no blobs, because such references are not found."""
        return Packer(self.classes, inline=True, path=self.path, root=self._root)

    def tree(self, value: Any) -> Any:
        """Return the value as plain JSON if that is exact, else as a tagged object."""
        kind = type(value)
        if kind in self._simple:
            return value
        if kind is str:
            return self.secret(value) if secrets.contains(value) else value
        if kind is int:
            return value if -_BIG < value < _BIG else {"$": "int", "v": hex(value)}
        if kind is float:
            return value if isfinite(value) else {"$": "float", "v": repr(value)}
        if kind is list:
            return self.items(value)
        if kind is dict:
            return self.fields(value) if _is_object(value) else {"$": "dict", "v": self.pairs(value)}
        return self._tagged(value, kind)

    def items(self, values: Iterable[Any], step: str | None = None) -> list[Any]:
        """Return the trees of values in order; the path to each ends with its index, or with `step`."""
        listed = list(values)
        self._deeper(0 if step is None else Said(step))
        if _is_plain(listed, self._simple):
            self.path.pop()
            return listed
        trees = []
        for index, value in enumerate(listed):
            if type(value) not in self._simple:
                if step is None:
                    self.path[-1] = index
                value = self.tree(value)
            trees.append(value)
        self.path.pop()
        return trees

    def fields(self, values: Mapping[str, Any], *, lead: str | None = None) -> dict[str, Any]:
        """Return the trees of values by key; the path to each ends with its key, after `lead` if given, as `.name`."""
        self._deeper("")
        trees = {}
        for key, value in values.items():
            if self._named and secrets.covers(key, value):
                self.path[-1] = key if lead is None else Said(lead + key)
                value = self.secret(value)
            elif type(value) not in self._simple:
                self.path[-1] = key if lead is None else Said(lead + key)
                value = self.tree(value)
            trees[key] = value
        self.path.pop()
        return trees

    def pairs(self, values: Mapping[Any, Any]) -> list[list[Any]]:
        """Return `[key, value]` trees, in order."""
        self._deeper("")
        trees = []
        for key, value in values.items():
            named = Said(f"[{_shown(key)}]")
            self.path[-1] = Said(f"{named} as a key")
            key_tree = self.tree(key)
            self.path[-1] = named
            hides = self._named and secrets.covers(key, value)
            trees.append([key_tree, self.secret(value) if hides else self.tree(value)])
        self.path.pop()
        return trees

    def blob(self, codec: str, data: bytes) -> dict[str, Any]:
        """Add a blob; return the reference to it for the tree."""
        if self._inline:
            return {"$": "inline", "codec": codec, "v": base64.b64encode(data).decode()}
        blob = blob_of(codec, data)
        self.blobs[blob.hash] = blob
        return {"$": "blob", "hash": blob.hash}

    def secret(self, value: Any) -> dict[str, Any]:
        """Return the tree of a secret: its name and type, without its value."""
        secrets.learn_value(value)
        name = value.name if type(value) is secrets.Redacted else self._root + "".join(map(_step, self.path))
        return {"$": "secret", "n": name.removeprefix("."), "k": secrets.kind_of(value)}

    def _deeper(self, step: Step) -> None:
        if len(self.path) >= DEEPEST:
            raise Refused(f"is nested deeper than {DEEPEST} levels, or holds itself")
        self.path.append(step)

    def _tagged(self, value: Any, kind: type) -> Any:
        if secrets.is_secret(value):
            return self.secret(value)
        codec, form = self.classes.codec_of(kind), FORMS.get(kind)
        if form is not None and not self.classes.has_codec(kind):  # a form takes precedence over a base's codec
            return {"$": form.tag, **form.dump(value, self)}
        if codec is not None:
            return self.blob(codec.name, codec.bytes_of(value))
        if kind is Unstored:
            raise Refused(f"was not stored: {value.why}")
        if kind is Picture:
            return dump_picture(value, self)
        tree = dump_structure(value, kind, self)
        if tree is None:
            tree = dump_foreign(value, kind, self)
        if tree is None:
            raise Refused(_no_form(value, kind))
        return tree


def _is_object(value: dict[Any, Any]) -> bool:
    return set(map(type, value)) <= _STR and "$" not in value


def _step(step: Step) -> str:
    """Return a step of a secret's name: `.key` or `[3]`."""
    if isinstance(step, int):
        return f"[{step}]"
    return step if isinstance(step, Said) else f".{step}"


def _is_plain(values: list[Any], simple: frozenset[type]) -> bool:
    """Return whether JSON represents all items of a list exactly, without a Python loop over the items."""
    kinds = set(map(type, values))
    if kinds <= simple:
        return True
    if kinds == _INT:
        return bool(min(values) > -_BIG and max(values) < _BIG)
    return kinds == _FLOAT and all(map(isfinite, values))


def _shown(key: Any) -> str:
    """Return a key for a path; for a user's class only the class's name, because its `__repr__` may do anything."""
    if type(key) is str:
        return short(key)
    if type(key) is int:
        return str(key) if abs(key) < 10**18 else "int"  # Python may refuse to print a longer one
    return repr(key)[:60] if type(key) in (float, bool, type(None), bytes) else type(key).__name__[:60]


def _no_form(value: Any, kind: type) -> str:
    cure = "register one with nbflow.register_codec"
    base = next((base for base in _PLAIN_BASES if isinstance(value, base)), None)
    if base is not None:
        return f"is {a(kind)}, which would be restored as a plain {base.__name__}, so it has no stored form; {cure}"
    return f"is {a(kind)}, which has no stored form; {cure}"


def dump_foreign(value: Any, kind: type, packer: Packer) -> dict[str, Any] | None:
    """Return the tree of a library's value; None if neither its class nor a base belongs to a known library."""
    for base in kind.__mro__:
        dump = _DUMPS.get(base.__module__.partition(".")[0])
        if dump is not None:
            return dump(value, packer)
    return None


_DUMPS: Mapping[str, Callable[[Any, Packer], dict[str, Any] | None]] = {
    "numpy": dump_array,
    "pandas": dump_pandas,
    "polars": dump_polars,
    "pyarrow": dump_table,
    "PIL": dump_image,
    "matplotlib": dump_figure,
}
