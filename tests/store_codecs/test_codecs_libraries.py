"""Libraries of values: each is imported only for a value that needs it, and a missing one is named with its cure."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from nbflow.errors import StoreError
from nbflow.store.codecs import Unstorable

HEAVY = ("numpy", "pandas", "polars", "pyarrow", "PIL", "matplotlib")


def test_plain_values_load_no_library() -> None:
    program = (
        "import sys; from nbflow.store.codecs import Codecs; c = Codecs(); c.unpack(c.pack({'a': (1, {2})}).text, {}.get)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_frame_without_pyarrow_is_refused_with_the_cure(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pd = pytest.importorskip("pandas")
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(
        Unstorable, match=r"\['df'\].* needs pyarrow, which is not installed: pip install -e '\.\[frames\]'"
    ):
        shelf.put({"df": pd.DataFrame({"a": [1]})})


@pytest.mark.parametrize(
    ("module", "package", "make"),
    [
        ("numpy", "numpy", lambda np: np.arange(3)),
        ("pandas", "pandas", lambda pd: pd.Series([1])),
        ("polars", "polars", lambda pl: pl.Series([1])),
        ("PIL.Image", "pillow", lambda image: image.new("L", (1, 1))),
    ],
)
def test_a_stored_value_whose_library_is_missing_is_refused_with_the_cure(
    shelf: Any, monkeypatch: pytest.MonkeyPatch, module: str, package: str, make: Any
) -> None:
    library = pytest.importorskip(module)
    if module == "pandas":
        pytest.importorskip("pyarrow")
    text = shelf.put([make(library)])
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(StoreError) as refused:
        shelf.get(text)

    assert str(refused.value) == (
        f"a stored value cannot be read: [0] needs {package}, which is not installed: pip install {package}"
    )


def test_a_pyarrow_that_would_unpickle_is_refused(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    text = shelf.put(pd.Series([1]))
    monkeypatch.setattr(pa, "__version__", "14.0.0")

    with pytest.raises(StoreError, match=r"needs pyarrow 15 or newer, and here is 14\.0\.0: pip install -U pyarrow"):
        shelf.get(text)
