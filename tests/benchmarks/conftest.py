"""Benchmarks: `pytest tests/benchmarks` runs them, other calls of pytest skip them.

Invariant: they show figures with their targets. A benchmark fails only if a run has a wrong result, never because of a time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from figures import Figures

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "server"))  # has the module that serves a notebook as users do
FIGURES: pytest.StashKey[Figures] = pytest.StashKey()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = [Path(config.invocation_params.dir, arg.partition("::")[0]).resolve() for arg in config.args]
    if HERE in collection_path.parents and not any(path == HERE or HERE in path.parents for path in asked):
        return True
    return None


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    return request.config.stash.setdefault(FIGURES, Figures())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash.get(FIGURES, None)
    if figures is not None:
        terminalreporter.section("figures")
        terminalreporter.write_line(figures.table())
