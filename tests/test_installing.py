"""The installation of nbflow: under one name, by commands that work, with extras that exist."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import nbflow
from nbflow.errors.extras import DISTRIBUTION, UPGRADE, install, needs

ROOT = Path(nbflow.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STRANGER = re.compile(
    r"\b(?:pip3?|pipx|uv)\b[^\n`]*?(?:\b(?:install|add)|--with)\s+(?:-\S+\s+)*['\"]?nbflow\b(?![\w./-])"  # a command that installs `nbflow`
    r"|(?<![\w-])nbflow\[[a-z,]+\]"  # an extra of it
)


def texts() -> list[tuple[str, str]]:
    """Return the path and the text of each file of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("the files of the repository are listed by git, and this is no clone")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    suffixes = {"", ".py", ".md", ".toml", ".yaml", ".js", ".html", ".ipynb", ".flow", ".example"}
    kept = [path for path in paths if path.suffix in suffixes and path.is_file() and path != Path(__file__)]
    return [(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in kept]


@pytest.mark.parametrize(
    "text",
    [
        "pip install nbflow",
        "pip install 'nbflow[server]'",
        "uv pip install -U nbflow",
        "uv run --with nbflow x",
        "nbflow[a]",
    ],
)
def test_the_search_for_the_name_of_the_other_project_finds_it(text: str) -> None:
    assert STRANGER.search(text)
    assert not STRANGER.search(text.replace("nbflow", DISTRIBUTION))


def test_no_text_installs_the_package_of_another_project() -> None:
    found = [f"{name}: {match[0]}" for name, text in texts() for match in STRANGER.finditer(text)]

    assert found == []


def test_the_project_and_its_own_extras_have_the_name_of_the_distribution() -> None:
    extras = PROJECT["optional-dependencies"].values()
    own = {line.partition("[")[0] for extra in extras for line in extra if "nbflow" in line}

    assert PROJECT["name"] == DISTRIBUTION
    assert own == {DISTRIBUTION}


def test_the_installed_distribution_has_the_version_of_the_package() -> None:
    assert importlib.metadata.version(DISTRIBUTION) == nbflow.__version__


def test_an_extra_that_a_message_names_exists() -> None:
    named = {
        call.args[-1].value
        for path in (ROOT / "nbflow").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("install", "needs")
        if call.args and isinstance(call.args[-1], ast.Constant)
    }

    assert {"frames", "review", "server", "otel", "postgres"} <= named <= PROJECT["optional-dependencies"].keys()


def test_a_message_names_the_extra_and_the_command_that_installs_it() -> None:
    assert install("server") == "pip install -e '.[server]' in your clone of nbflow"
    assert needs("serving", "server") == f"serving needs the extra 'server': {install('server')}"
    assert UPGRADE.startswith("git pull")
