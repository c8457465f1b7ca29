"""A real JupyterLab and Notebook 7, of one server, in a real Chromium, driven from pytest; skipped where there is no
Chromium.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest

import nbflow

ROOT = Path(nbflow.__file__).parents[1]
CHROMIUM = os.environ.get("NBFLOW_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE_MS = 300_000
# Errors of Notebook's own, in every notebook, before a cell has run: it looks for the shortcuts of a plugin that it does
# not know, and calls a command of Lab's file browser, which its page of a notebook has not. And one of both where a kernel
# is restarted before it has said what it is.
NOT_OURS = (
    "Cannot read properties of undefined (reading 'schema')",
    "Command 'filebrowser:open-path' not registered",
    "Canceled future for kernel_info_request message before replies were done",
)
LAB = "lab/workspaces/{workspace}/tree/{name}"
NOTEBOOK = "notebooks/{name}"
PANEL = "[...window.jupyterapp.shell.widgets('main')].find(w => w.context && w.content && w.content.model)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium here"))


@dataclass
class Lab:
    """A running server of JupyterLab and Notebook."""

    url: str
    token: str
    folder: Path
    log: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(home: Path, lab: Lab) -> subprocess.Popen[bytes]:
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **{name: str(home / place) for name, place in places.items()}, "PYTHONPATH": paths}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    command += ["--ip=127.0.0.1", f"--port={lab.url.rpartition(':')[2]}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={lab.token}", f"--ServerApp.root_dir={lab.folder}"]
    with lab.log.open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    lab = Lab(f"http://127.0.0.1:{_free_port()}", secrets.token_hex(16), home / "notebooks", home / "lab.log")
    lab.folder.mkdir()
    server = _start(home, lab)
    try:
        until = time.monotonic() + PATIENCE_MS / 1000
        while not _answers(lab):
            assert server.poll() is None, lab.log.read_text()[-2000:]
            assert time.monotonic() < until, lab.log.read_text()[-2000:]
            time.sleep(0.1)
        yield lab
    finally:
        server.terminate()
        try:
            server.wait(300)
        except subprocess.TimeoutExpired:
            server.kill()


def _answers(lab: Lab) -> bool:
    try:
        with urllib.request.urlopen(f"{lab.url}/api/status?token={lab.token}", timeout=1):
            return True
    except OSError:
        return False


@dataclass
class Notebook:
    """A notebook open in JupyterLab or Notebook; cells are counted from 0."""

    page: Any
    path: Path
    errors: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)

    def js(self, body: str, argument: Any = None) -> Any:
        return self.page.evaluate(f"(arg) => {{ const w = {PANEL}; {body} }}", argument)

    def wait_js(self, condition: str, timeout: int = PATIENCE_MS) -> None:
        self.page.wait_for_function(f"() => {{ const w = {PANEL}; return w && ({condition}); }}", timeout=timeout)

    def start(self, index: int) -> None:
        self.js("w.content.activeCellIndex = arg; window.jupyterapp.commands.execute('notebook:run-cell');", index)

    def run(self, index: int) -> None:
        before = self.js("return w.content.model.cells.get(arg).executionCount", index)
        self.start(index)
        cell = f"w.content.model.cells.get({index})"
        self.wait_js(f"{cell}.executionCount !== null && {cell}.executionCount !== {json.dumps(before)}")
        self.wait_idle(index)

    def wait_idle(self, index: int) -> None:
        self.wait_js(
            f"w.content.model.cells.get({index}).executionState !== 'running'"
            " && w.sessionContext.session.kernel.status === 'idle'"
        )

    def outputs(self, index: int) -> list[dict[str, Any]]:
        return list(self.js("return w.content.model.cells.get(arg).toJSON().outputs", index))

    def text(self, index: int) -> str:
        return "".join(str(output.get("text", "")) for output in self.outputs(index))

    def cell(self, index: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def node(self, name: str, status: str = "") -> Any:
        self.page.wait_for_selector(
            f'.nf-node[data-n="{name}"]{f".is-{status}" if status else ""}', timeout=PATIENCE_MS
        )
        return self.page.locator(f'.nf-node[data-n="{name}"]').first

    def save(self) -> None:
        self.js("return window.jupyterapp.commands.execute('docmanager:save')")
        self.wait_js("!w.context.model.dirty")

    def ready(self) -> None:
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=PATIENCE_MS)
        self.wait_js("w.sessionContext.session && w.sessionContext.session.kernel?.status === 'idle'")


def _is_ours(error: str) -> bool:
    return not any(known in error for known in NOT_OURS)


@pytest.fixture
def notebook(lab: Lab, browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Notebook]]:
    contexts: list[Any] = []

    def open_notebook(*cells: str, place: str = LAB, **context_options: Any) -> Notebook:
        path = lab.folder / f"{request.node.originalname}-{secrets.token_hex(3)}.ipynb"
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(book, path)
        contexts.append(browser.new_context(**{"viewport": {"width": 1200, "height": 1100}, **context_options}))
        opened = Notebook(contexts[-1].new_page(), path)
        opened.page.on("pageerror", lambda error: _is_ours(str(error)) and opened.errors.append(str(error)))
        own = (lab.url, lab.url.replace("http", "ws"), "data:", "blob:")
        opened.page.on("request", lambda sent: sent.url.startswith(own) or opened.external.append(sent.url))
        address = place.format(workspace=secrets.token_hex(4), name=path.name)
        opened.page.goto(f"{lab.url}/{address}?token={lab.token}", wait_until="domcontentloaded")
        opened.ready()
        return opened

    yield open_notebook
    for context in contexts:
        context.close()


@pytest.fixture(params=[LAB, NOTEBOOK], ids=["lab", "notebook"])
def either(notebook: Callable[..., Notebook], request: pytest.FixtureRequest) -> Callable[..., Notebook]:
    """Opens notebooks in JupyterLab, and for the same test once more in Notebook."""
    return partial(notebook, place=request.param)
