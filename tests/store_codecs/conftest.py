"""Packs values and gets them back, as a store would in another session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from nbflow.store.codecs import Codecs
from nbflow.store.rows import Blob
from nbflow.values import kinds


@pytest.fixture(autouse=True)
def _codecs_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a test registers for the whole process: a codec for `object` would copy every later test's handles."""
    for registry in ("_codecs", "_kinds"):
        monkeypatch.setattr(kinds, registry, {})
    monkeypatch.setattr(kinds, "_types", set())


@dataclass
class Shelf:
    """A session's codecs and the blobs that it stored."""

    codecs: Codecs = field(default_factory=Codecs)
    blobs: dict[str, Blob] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, value: Any) -> str:
        packed = self.codecs.pack(value)
        self.blobs |= {blob.hash: blob for blob in packed.blobs}
        return packed.text

    def get(self, text: str) -> Any:
        return self.codecs.unpack(text, self.blobs.__getitem__, self.notes)

    def trip(self, value: Any) -> Any:
        return self.get(self.put(value))

    def only_blob(self) -> Blob:
        (blob,) = self.blobs.values()
        return blob


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()
