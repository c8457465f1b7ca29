"""A server behind JupyterHub, whose proxy forwards the host name that the browser uses."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import TOKEN, Served, notebook, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.slow

PREFIX = "/user/ada/"
HUB = "hub.example"


@contextmanager
def proxy(port: int) -> Iterator[int]:
    """Forward the requests under the server's path prefix at the hub, without the prefix; yield the proxy's port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_take, args=(listening, port), daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def _take(listening: socket.socket, port: int) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", port))
        server.sendall(client.recv(65_536).replace(f" {PREFIX}proxy/{port}/".encode(), b" /", 1))
        for pair in ((client, server), (server, client)):
            threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with source, target:
        try:
            while part := source.recv(65_536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Browser:
    """A client that opens the server's printed address under a host name."""

    def __init__(self, server: Served, port: int, name: str) -> None:
        told = re.search(r"is served at (\S+)", server.log.read_text())
        assert told is not None
        self.path = httpx.URL(told[1]).path
        self._at, self._name = f"127.0.0.1:{port}", name
        self.cookies: dict[str, str] = {}

    def get(self, path: str = "", **settings: Any) -> httpx.Response:
        return self.ask("GET", path, **settings)

    def ask(self, method: str, path: str, **settings: Any) -> httpx.Response:
        """Send one request, on a new connection, as the proxy reads one head per connection."""
        headers = {"Host": self._name, "Origin": f"http://{self._name}"}
        with httpx.Client(cookies=self.cookies, headers=headers, timeout=300) as client:
            answer = client.request(method, f"http://{self._at}{self.path}{path}", **settings)
            self.cookies |= dict(answer.cookies)
        return answer

    def watch(self, path: str) -> list[str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Origin": f"http://{self._name}", "Cookie": cookie}
        with socket.create_connection(tuple(self._at.split(":"))) as line, connect(
            f"ws://{self._name}{self.path}{path}", sock=line, additional_headers=headers
        ) as client:  # fmt: skip
            return [str(text) for text in client]


@pytest.mark.parametrize("told", [f"https://{HUB}{PREFIX}", ""])
def test_the_printed_address_behind_a_hub_opens_the_page(tmp_path: Path, told: str) -> None:
    with ExitStack() as stack:
        hub = {"JUPYTERHUB_SERVICE_PREFIX": PREFIX, "JUPYTERHUB_PUBLIC_URL": told}
        server = stack.enter_context(serving(notebook(tmp_path), **hub))
        browser = Browser(server, stack.enter_context(proxy(server.port)), HUB)

        welcome, before = browser.get(params={"token": TOKEN}), dict(browser.cookies)
        page = browser.get()
        begun = browser.ask("POST", "executions/run", json={"graph_id": "chain"})
        events = browser.watch(f"ws/runs/{begun.json()['run_id']}")

    assert browser.path == f"{PREFIX}proxy/{server.port}/"
    assert (welcome.status_code, welcome.headers["location"], len(before)) == (303, "./", 1)
    assert (page.status_code, begun.status_code) == (200, 202)
    assert "execution_complete" in events[-1]


@pytest.mark.parametrize(("told", "status"), [(f"https://{HUB}{PREFIX}", 421), ("", 401)])
def test_a_page_whose_name_was_rebound_to_the_server_gets_no_access(tmp_path: Path, told: str, status: int) -> None:
    hub = {"JUPYTERHUB_SERVICE_PREFIX": PREFIX, "JUPYTERHUB_PUBLIC_URL": told}
    with serving(notebook(tmp_path), **hub) as server, proxy(server.port) as port:
        evil = Browser(server, port, "evil.example")

        refused = [evil.get(), evil.get("graphs"), evil.ask("POST", "executions/run", json={"graph_id": "chain"})]
        with pytest.raises(InvalidStatus) as watched:
            evil.watch("ws/execute/chain")

    assert [answer.status_code for answer in refused] == [status] * 3
    assert watched.value.response.status_code == status
