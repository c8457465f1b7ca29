"""The log of a server's process, which never contains a token."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from observed import BEARER, TOKEN, a_notebook, process
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from nbflow.server.telemetry import Answered
from nbflow.server.telemetry.logs import AsJson, log_request, requests

WRONG = "a-wrong-token-of-the-tests"


@pytest.mark.slow
def test_no_token_reaches_the_log_however_it_is_sent(tmp_path: Path) -> None:
    """A token arrives in an address, a header, a wrong header, a cookie, a path by mistake, or the address of a socket."""
    with process(a_notebook(tmp_path / "flows.ipynb")) as server:
        with httpx.Client(base_url=server.address, timeout=300) as client:
            welcome = client.get("/", params={"token": TOKEN})
            cookie = welcome.cookies.get(next(iter(welcome.cookies)))
            answers = [
                client.get("/graphs", headers=BEARER),
                client.get("/graphs"),  # authorized by the cookie
                client.get("/", params={"token": WRONG}),
                client.get(f"/token={TOKEN}", headers=BEARER),
                client.get("/graphs", headers={"Authorization": f"Token {TOKEN}", "Cookie": ""}),
                client.get(f"/graphs%3Ftoken={TOKEN}"),
                client.post("/executions/run", headers=BEARER, json={"graph_id": TOKEN}),
            ]
            client.cookies.clear()
            answers += [client.get("/graphs", headers={"X-Token": TOKEN, "Authorization": f"Bearer {WRONG}"})]
        address = server.address.replace("http", "ws")
        with connect(f"{address}/ws/execute/daily?token={TOKEN}", additional_headers=BEARER) as socket:
            socket.send(f'{{"token": "{TOKEN}"')  # no JSON
            with pytest.raises(ConnectionClosedError):
                list(socket)
        assert server.end() == 0, server.text

    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 401, 404, 404, 401]
    assert welcome.status_code == 303
    logged = server.logged()
    assert [record["path"] for record in logged if record["path"] == "/graphs"]
    assert len([record for record in logged if "status" in record]) >= len(answers) + 2
    for secret in (TOKEN, WRONG, cookie):
        assert secret
        assert secret not in server.text


@pytest.mark.slow
def test_a_generated_token_is_printed_once_with_the_address_and_never_logged(tmp_path: Path) -> None:
    with process(a_notebook(tmp_path / "flows.ipynb"), NBFLOW_TOKEN="") as server:
        token = server.awaited(r"\?token=([\w-]{20,})")[1]
        answer = httpx.get(f"{server.address}/graphs?token={token}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        assert server.end() == 0, server.text

    assert server.text.count(token) == 1
    assert server.logged()


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("nbflow.server", logging.ERROR, __file__, 1, message, arguments, info)


@pytest.mark.parametrize("token", ["plain-token", 'with "quotes" and \\', "naïve-ключ"])
def test_a_token_is_masked_in_every_part_of_a_log_record(token: str) -> None:
    """The parts are a message, its arguments, the text of an error, and the path of a request."""
    made = record("one %s, two", token, error=ValueError(f"no {token} here"))
    made.told = {"path": f"/{token}"}

    line = AsJson(hidden=[token]).format(made)

    told = json.loads(line)
    assert token not in line
    assert told["message"] == "one [token], two"
    assert told["path"] == "/[token]"
    assert "no [token] here" in told["error"]


def test_a_record_is_one_line_of_json_with_its_time_and_level() -> None:
    line = AsJson().format(record("two\nlines"))

    told = json.loads(line)
    assert "\n" not in line
    assert (told["level"], told["logger"], told["message"]) == ("error", "nbflow.server", "two\nlines")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", told["time"])


def test_a_request_is_logged_with_its_method_path_status_and_time(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, requests.name):
        log_request(Answered("GET", "/graphs/a", "/graphs/{graph_id}", 200, 0.001, 0.0123, handed_on=False))

    told = json.loads(AsJson().format(caplog.records[0]))
    assert (told["message"], told["method"], told["path"], told["status"], told["duration_ms"]) == (
        "GET /graphs/a", "GET", "/graphs/a", 200, 12.3,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_line_of_a_worker_does_not_contain_the_token(tmp_path: Path) -> None:
    """Every user of a machine can read the command lines of its processes."""
    with process(a_notebook(tmp_path / "flows.ipynb")) as server:
        listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout

    assert "nbflow.server" in listed
    assert TOKEN not in "\n".join(line for line in listed.splitlines() if sys.executable in line)
    assert server.process.returncode == 0
