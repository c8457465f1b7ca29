"""The JupyterLab and the browser of tests/browser, for the benchmarks that run in them."""

from __future__ import annotations

import pytest
from borrowed import borrowed

_lab = borrowed("browser/conftest.py")
lab, notebook = _lab.lab, _lab.notebook


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "notebook" in getattr(item, "fixturenames", ()) and item.path.name.startswith("test_bench_"):
            item.add_marker("browser")
            if _lab.CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium here"))
