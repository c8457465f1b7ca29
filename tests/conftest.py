"""Settings and fixtures of all tests: Hypothesis's profile, one Chromium, and the Python of the kernels.

Playwright allows one Chromium at a time in a process.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# No deadlines: a busy machine is not a failure, and pytest-timeout ends a test that hangs. CI draws the same examples at
# each run; elsewhere they differ from run to run, and a failure prints the code that reproduces it.
settings.register_profile("nbflow", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("nbflow")

# Runs of tests are not stored, unless a test of durability enables the store.
os.environ.setdefault("NBFLOW_DURABILITY", "off")
CHROMIUM = os.environ.get("NBFLOW_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session", autouse=True)
def _kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Run every kernel, including those of JupyterLab and nbclient, with the Python that NBFLOW_KERNEL_PYTHON names."""
    python = os.environ.get("NBFLOW_KERNEL_PYTHON")
    if python is None:
        return
    data = tmp_path_factory.mktemp("jupyter")
    spec = data / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [str(Path(python).absolute()), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "Python 3", "language": "python"}))
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(data), os.environ.get("JUPYTER_PATH")]))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield chromium
        chromium.close()
