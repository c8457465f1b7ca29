"""Tools of a module that `%autoreload 2` changes in place while the notebook is open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernels import Kernel

MODULE = """
import functools

def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

def plain(x):
    return {"plain": x}

@logged
def wrapped(x):
    return {"wrapped": x}

class Steps:
    def method(self, x):
        return {"method": x}

    def __call__(self, x):
        return {"called": x}
"""
ALL = "run.state['plain'], run.state['wrapped'], run.state['method'], run.state['called']"


class Module:
    """A module in the kernel's folder; each edit has a later time, however fast the edits follow each other."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "steps_module.py"
        self.path.write_text(MODULE)
        self.edits = 0

    def edit(self, *pairs: tuple[str, str]) -> None:
        text = self.path.read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        self.path.write_text(text)
        self.edits += 1
        later = self.path.stat().st_mtime + 2 * self.edits
        os.utime(self.path, (later, later))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("autoreload")


@pytest.fixture(scope="module")
def module(folder: Path) -> Module:
    return Module(folder)


@pytest.fixture(scope="module")
def reloading(folder: Path, module: Module) -> Iterator[Kernel]:
    url = f"sqlite+aiosqlite:///{folder}/runs.db"
    kernel = Kernel({"NBFLOW_DETERMINISTIC": "", "NBFLOW_DURABILITY": "async", "NBFLOW_DATABASE_URL": url}, folder)
    kernel.ok("%load_ext nbflow\n%load_ext autoreload\n%autoreload 2")
    kernel.ok(
        "from nbflow import session\nfrom steps_module import plain, wrapped, Steps\nsteps = Steps()\n"
        "for name, function in dict(plain=plain, wrapped=wrapped, method=steps.method, called=steps).items():\n"
        "    session.current().registry.register(name, function)"
    )
    kernel.ok("%%flow_graph all\nplain -> wrapped -> method -> called")
    yield kernel
    kernel.close()


def versions(kernel: Kernel) -> str:
    return kernel.ok(
        "[session.current().registry.get(n).version for n in ('plain', 'wrapped', 'method', 'called')]"
    ).value


def test_a_run_uses_the_current_code_of_an_edited_module(reloading: Kernel, module: Module) -> None:
    reloading.ok("run = %flow_run all x=1")
    assert reloading.ok(ALL).value == "(1, 1, 1, 1)"
    module.edit(
        ("plain(x):", "plain(x, by=10):"), ('{"plain": x}', '{"plain": x + by}'),
        ("wrapped(x):", "wrapped(x, by=10):"), ('{"wrapped": x}', '{"wrapped": x + by}'),
        ("method(self, x):", "method(self, x, by=10):"), ('{"method": x}', '{"method": x + by}'),
        ("__call__(self, x):", "__call__(self, x, by=10):"), ('{"called": x}', '{"called": x + by}'),
    )  # fmt: skip
    reloading.ok("run = %flow_run all x=1 by=5")
    assert reloading.ok(ALL).value == "(6, 6, 6, 6)"
    assert versions(reloading) == "[2, 2, 2, 2]"
    told = reloading.ok("session.current().registry.get('wrapped').source").value
    assert "x + by" in told


def test_a_second_edit_counts_too_and_may_change_the_kind(reloading: Kernel, module: Module) -> None:
    reloading.ok("run = %flow_run all x=1 by=5")
    module.edit(
        ("def plain", "async def plain"), ("@logged\n", "@logged\n@logged\n"), ('"wrapped": x', '"wrapped": 2 * x')
    )
    reloading.ok("run = %flow_run all x=1 by=5")

    assert reloading.ok(ALL).value == "(6, 7, 6, 6)"


def test_a_resume_names_only_the_edited_tool(reloading: Kernel, module: Module) -> None:
    module.edit(('{"called": x + by}', '{"called": 1 / 0}'))
    failed = reloading.run("%flow_run all x=1 by=5")
    assert "ZeroDivisionError" in failed.traceback
    module.edit(("1 / 0", "x + 2 * by"))
    resumed = reloading.ok("run = %flow_resume")

    assert reloading.ok("run.state['called']").value == "11"
    shown = "\n".join(data["text/plain"] for data in resumed.displays)
    assert "tool 'called' has changed since the run last used it" in shown
    assert "tool 'plain' has changed" not in shown


def test_an_edit_elsewhere_in_the_module_changes_no_source_hash(reloading: Kernel, module: Module) -> None:
    hashes = "[session.current().registry.get(n).source_hash for n in ('plain', 'wrapped', 'method', 'called')]"
    before = reloading.ok(hashes).value
    module.edit(("import functools", "import functools\n\n# a comment that moves all lines\n"))

    assert reloading.ok(hashes).value == before
