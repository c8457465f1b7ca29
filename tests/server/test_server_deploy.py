"""The deployment of a server: the steps of the image, compose.yaml, and the first process of a container."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from deployed import Build, Ignored, Stage, steps_of
from observed import BEARER, TOKEN, Process, a_notebook

import nbflow

DEPLOY = Path(nbflow.__file__).parent / "server" / "deploy"
REPOSITORY = Path(nbflow.__file__).parents[1]
UID = "10001"
APART = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def can(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=300).returncode == 0
    except OSError:
        return False


def as_user() -> list[str]:
    # `env` starts the program, since setpriv itself can still find a program in a folder that only root may read.
    return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", "env"]


def a_python() -> str:
    """Return a Python that the image's user may run as well."""
    asked = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    names = [os.path.realpath(sys.executable), *(shutil.which(f"python3{minor}") for minor in (".13", ".12", ".11"))]
    for name in [*names, "/usr/bin/python3"]:
        if name and can(*as_user(), name, "-c", asked):
            return name
    pytest.skip("no Python 3.11 or later that another user may run is here")


# the image


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="nbflow-image-"))
    made.chmod(0o755)  # another user must be able to enter it
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture(scope="module")
def build(folder: Path) -> Build:
    if os.geteuid() != 0 or not can(*as_user(), "true"):
        pytest.skip("the image's steps give a folder to another user, which only root may do")
    return Build(DEPLOY / "Dockerfile", REPOSITORY, folder, a_python())


@contextmanager
def started(stage: Stage, port: int) -> Iterator[Process]:
    """Start the image's command as its user, as the first process of a namespace where the machine allows one."""
    apart = APART if can(*APART, "true") else []
    command = [*apart, *as_user(), *map(stage.here, stage.command)]
    process = Process(command, stage.variables() | outer(port), cwd=stage.place("."))
    try:
        yield process
    finally:
        end(process)


def end(process: Process) -> None:
    """Kill a process and its descendants: a process that changed its user does not end with its parent."""
    if process.process.poll() is None:
        for begun in psutil.Process(process.process.pid).children(recursive=True):
            begun.kill()
        process.process.kill()
    process.process.wait(300)


def outer(port: int) -> dict[str, str]:
    return {"NBFLOW_TOKEN": TOKEN, "NBFLOW_PORT": str(port), "NBFLOW_DRAIN": "1"}


def is_healthy(stage: Stage, port: int) -> bool:
    return can_as(stage, port, *stage.health)


def can_as(stage: Stage, port: int, *command: str) -> bool:
    variables = stage.variables() | outer(port)
    return subprocess.run([*as_user(), *command], env=variables, capture_output=True, timeout=300).returncode == 0


def a_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def served_by(process: Process) -> psutil.Process:
    """Return the process of `nbflow serve`, which can be a child of `unshare`."""
    found = psutil.Process(process.process.pid)
    return found.children()[0] if Path(found.exe()).name == "unshare" else found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_serves_a_notebook_as_its_user_reports_health_and_ends_on_sigterm(build: Build) -> None:
    stage, port = build.last, a_port()
    a_notebook(stage.place("/flows/flows.ipynb"))
    assert not is_healthy(stage, port)

    with started(stage, port) as process:
        assert is_healthy(stage, port)
        own = served_by(process)
        assert {each.uids().real for each in (own, *own.children(recursive=True))} == {int(UID)}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=BEARER, timeout=300) as client:
            state = {"graph_id": "daily", "initial_state": {"n": 2, "seconds": 0}}
            run_id = client.post("/executions/run", json=state).json()["run_id"]
            result = ended(client, run_id)
            assert (result["status"], result["result"]["state"]["n"]) == ("completed", 4)
        own.send_signal(signal.SIGTERM)
        assert process.process.wait(300) == 0, process.text

    assert TOKEN not in process.text
    assert stage.place("/data/nbflow.db").is_file()
    with started(stage, port):  # with the volume of the previous container
        found = httpx.get(f"http://127.0.0.1:{port}/executions/result/{run_id}", headers=BEARER, timeout=300).json()
        assert found["status"] == "completed"


def ended(client: httpx.Client, run_id: str) -> Any:
    for _ in range(600):
        if (found := client.get(f"/executions/result/{run_id}").json())["status"] != "running":
            break
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_the_wheel_contains_the_files_of_the_deployment(build: Build) -> None:
    (wheel,) = build["build"].place("/wheels").iterdir()

    names = zipfile.ZipFile(wheel).namelist()

    shipped = {name.rpartition("/")[2] for name in names if name.startswith("nbflow/server/deploy/")}
    assert shipped == {"Dockerfile", "Dockerfile.dockerignore", "compose.yaml", ".env.example"}


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("pyproject.toml", True),
        ("nbflow/server/page/index.html", True),
        ("nbflow/server/deploy/.env.example", True),
        ("nbflow/server/deploy/.env", False),
        ("nbflow/server/deploy/.env.prod", False),
        ("nbflow/server/deploy/flows/flows.ipynb", False),
        ("nbflow/server/deploy/flows/.nbflow/nbflow.db", False),
        ("nbflow/server/__pycache__/app.cpython-313.pyc", False),
        ("notebooks/serve.ipynb", False),
        (".git/config", False),
    ],
)
def test_the_image_contains_no_files_of_the_user(path: str, kept: bool) -> None:
    assert Ignored(DEPLOY / "Dockerfile.dockerignore")(path) is not kept


@pytest.mark.slow
def test_the_image_installs_few_packages(build: Build) -> None:
    """The image lacks the packages for the development of nbflow and for the page of a notebook."""
    packages = {path.name.split("-")[0] for path in build.last.root.glob("venv/lib/*/site-packages/*.dist-info")}

    assert {"jupyter_nbflow", "fastapi", "uvicorn", "asyncpg", "opentelemetry_sdk", "prometheus_client"} <= packages
    assert not packages & {"pytest", "jupyterlab", "mypy"}


def test_the_image_sets_its_user_and_its_commands_need_no_shell() -> None:
    steps = {step.kind: step for step in steps_of(DEPLOY / "Dockerfile")}

    assert steps["USER"].text == f"{UID}:{UID}"
    assert steps["CMD"].text.startswith("[")
    assert "CMD [" in steps["HEALTHCHECK"].text
    assert steps["VOLUME"].text == "/data"


# the first process of a container


@pytest.mark.slow
def test_the_first_process_of_a_container_reaps_orphans_and_replaces_its_workers(tmp_path: Path) -> None:
    if not can(*APART, "true"):
        pytest.skip("a namespace of processes cannot be had here")
    file = a_notebook(tmp_path / "flows.ipynb", "leave")
    _add_cell(file, "%%flow_tool\ndef leave():\n    import os\n    os.system('sleep 0.5 &')\n")
    command = [*APART, sys.executable, "-m", "nbflow", "serve", str(file), "--port", "0"]
    process = Process(command, {**os.environ, **outer(0)}, cwd=tmp_path)
    try:
        first = served_by(process)
        assert _inner_pid(first) == 1
        httpx.post(f"{process.address}/executions/run", headers=BEARER, json={"graph_id": "daily"}, timeout=300)

        seen = _awaited(lambda: _named(first, "sleep"), lambda found: bool(found))
        assert len(seen) == 1  # its parent has ended, so the first process adopts it
        assert _awaited(lambda: _named(first, "sleep"), lambda found: not found) == []

        (worker,) = first.children()
        worker.kill()
        _awaited(lambda: [each.pid for each in first.children()], lambda found: found not in ([], [worker.pid]))
        assert httpx.get(f"{process.address}/health", timeout=300).json() == {"status": "ok"}
        first.send_signal(signal.SIGTERM)
        assert process.process.wait(300) == 0, process.text
    finally:
        end(process)


def _add_cell(file: Path, source: str) -> None:
    import nbformat

    notebook = nbformat.read(file, 4)  # type: ignore[no-untyped-call]
    notebook.cells.insert(1, nbformat.v4.new_code_cell(source))  # type: ignore[no-untyped-call]
    nbformat.write(notebook, file)  # type: ignore[no-untyped-call]


def _inner_pid(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])


def _named(process: psutil.Process, name: str) -> list[int]:
    found = []
    for child in process.children():
        try:
            if child.name() == name:
                found.append(child.pid)
        except psutil.NoSuchProcess:
            pass
    return found


def _awaited(look: Any, enough: Any) -> Any:
    for _ in range(1_200):
        if enough(found := look()):
            break
        time.sleep(0.05)
    return found


# compose.yaml


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def example() -> dict[str, str]:
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_server_waits_for_a_healthy_database_and_both_have_a_volume() -> None:
    services = compose()["services"]

    assert services["server"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["postgres"]["image"] == "postgres:16"
    assert "pg_isready" in services["postgres"]["healthcheck"]["test"]
    kept = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert kept >= set(compose()["volumes"]) == {"data", "postgres"}


def test_the_example_lists_each_variable_of_compose_and_no_secret() -> None:
    import re

    text = (DEPLOY / "compose.yaml").read_text()

    assert set(re.findall(r"\$\{(\w+)", text)) <= set(example())
    assert [example()[name] for name in ("NBFLOW_TOKEN", "POSTGRES_PASSWORD")] == ["", ""]


def test_each_setting_of_the_example_belongs_to_compose_or_to_the_server() -> None:
    from nbflow.server.options import Options

    own = {f"NBFLOW_{name.upper()}" for name in Options.model_fields}
    text = (DEPLOY / "compose.yaml").read_text()

    assert [name for name in example() if name not in own and f"${{{name}" not in text] == []


def composing() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"], [str(Path(sys.executable).parent / "docker-compose")]):
        if can(*command, "version"):
            return command
    pytest.skip("neither 'docker compose' nor 'docker-compose' is here")


def composed(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    for name in ("compose.yaml", ".env.example"):
        shutil.copy(DEPLOY / name, folder / name)
    values = example() | variables
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return subprocess.run([*composing(), "config"], cwd=folder, capture_output=True, text=True, timeout=300)


def test_compose_parses_the_file_as_intended(tmp_path: Path) -> None:
    done = composed(tmp_path, NBFLOW_TOKEN=TOKEN, POSTGRES_PASSWORD="secret1", NBFLOW_PUBLISH="127.0.0.1:9000")

    assert done.returncode == 0, done.stderr
    server = yaml.safe_load(done.stdout)["services"]["server"]
    assert server["environment"]["NBFLOW_DATABASE_URL"] == "postgresql+asyncpg://nbflow:secret1@postgres:5432/nbflow"
    assert server["environment"]["NBFLOW_TOKEN"] == TOKEN
    assert server["command"][-2:] == ["--workers", "2"]
    (port,) = server["ports"]
    v1, v2 = "127.0.0.1:9000:8765/tcp", {"host_ip": "127.0.0.1", "published": "9000", "target": 8765}
    assert port == v1 if isinstance(port, str) else v2.items() <= port.items()  # the forms of Compose 1 and 2


@pytest.mark.parametrize("missing", ["NBFLOW_TOKEN", "POSTGRES_PASSWORD"])
def test_compose_refuses_to_start_without_a_token_or_a_password(missing: str, tmp_path: Path) -> None:
    done = composed(tmp_path, **{"NBFLOW_TOKEN": TOKEN, "POSTGRES_PASSWORD": "secret1", missing: ""})

    assert done.returncode != 0
    assert "set it in .env" in done.stderr
