"""Import the libraries that values need, by names that are written in this package.

The error for a missing library names the command that installs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nbflow.errors.extras import install
from nbflow.store.codecs.errors import Refused

FRAMES = install("frames")
"""The command that installs the libraries for storing frames."""
_PACKAGES = {
    "numpy": "numpy",
    "pandas": "pandas",
    "polars": "polars",
    "pyarrow": "pyarrow",
    "PIL.Image": "pillow",
    "attr": "attrs",
}
_INSTALLED_BY = {"pyarrow": FRAMES}


def need(module: str) -> Any:
    """Import a module of a library.

    Raises:
        Refused: The library is not installed, or too old to read data of a store safely.
    """
    package = _PACKAGES[module]
    try:
        found = import_module(module)
    except ImportError as error:
        cure = _INSTALLED_BY.get(package, f"pip install {package}")
        raise Refused(f"needs {package}, which is not installed: {cure}") from error
    if module == "pyarrow":
        import_module("pyarrow.ipc")
        if tuple(map(int, found.__version__.split(".")[:2])) < (15, 0):
            # Before 14.0.1 a stream could name a type that is unpickled (CVE-2023-47248).
            raise Refused(f"needs pyarrow 15 or newer, and here is {found.__version__}: pip install -U pyarrow")
    return found
