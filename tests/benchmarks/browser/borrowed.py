"""Load modules of other test folders: the JupyterLab in a browser, and the kernel."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).parents[2]


def borrowed(path: str) -> ModuleType:
    """Return the module at a path under the folder of tests.

    The module gets a unique name, since several folders have a conftest.
    """
    name = "borrowed_" + path.replace("/", "_").removesuffix(".py")
    if name not in sys.modules:
        spec = spec_from_file_location(name, TESTS / path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{TESTS / path} cannot be imported")
        sys.modules[name] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]
