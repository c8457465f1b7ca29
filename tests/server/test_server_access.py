"""Access control: the rules in isolation, and a real server with a hostile client."""

from __future__ import annotations

import socket
import time

import httpx
import pytest
from served import TOKEN, Served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from nbflow.server.security import Access, Head

HOST = ("host", "127.0.0.1:8765")
BEARER = ("authorization", f"Bearer {TOKEN}")


def access(**settings: list[str]) -> Access:
    return Access(TOKEN, **settings)


def head(
    *headers: tuple[str, str], kind: str = "http", method: str = "GET", path: str = "/graphs", query: str = ""
) -> Head:
    return Head(kind, method, path, query, headers)


def refused(access: Access, head: Head) -> int | None:
    refusal = access.refusal(head)
    return None if refusal is None else refusal.status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([BEARER], None),
        ([("authorization", f"bearer {TOKEN}")], None),
        ([], 401),
        ([("authorization", f"Bearer {TOKEN}x")], 401),
        ([("authorization", f"Bearer {TOKEN[:-1]}")], 401),
        ([("authorization", TOKEN)], 401),
        ([("authorization", "Bearer ")], 401),
        ([BEARER, BEARER], 401),
        ([("cookie", f"nbflow={TOKEN}")], 401),
        ([("authorization", "Bearer \udce9")], 401),
    ],
)
def test_a_request_needs_the_exact_token(headers: list[tuple[str, str]], status: int | None) -> None:
    assert refused(access(), head(HOST, *headers)) == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", None),
        ("localhost", None),
        ("LOCALHOST:1", None),
        ("[::1]:8765", None),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("localhost/evil", 421),
        ("localhost:port", 421),
        ("", 421),
    ],
)
def test_a_server_accepts_only_its_own_host_names(host: str, status: int | None) -> None:
    assert refused(access(), head(("host", host), BEARER)) == status


def test_further_host_names_can_be_allowed() -> None:
    named = head(("host", "flows.example:80"), BEARER)

    assert refused(access(hosts=["flows.example"]), named) is None
    assert refused(access(hosts=["*"]), named) is None


def test_the_token_in_the_address_gives_access_to_the_page_alone() -> None:
    rules = access()

    assert rules.lets_page_in(head(HOST, path="/", query=f"token={TOKEN}"))
    assert not rules.lets_page_in(head(HOST, path="/", query="token=wrong"))
    assert not rules.lets_page_in(head(HOST, path="/", query=f"token={TOKEN}&token={TOKEN}"))
    assert not rules.lets_page_in(head(HOST, path="/", query=f"token={TOKEN}", method="POST"))
    assert not rules.lets_page_in(head(("host", "evil.example"), path="/", query=f"token={TOKEN}"))
    assert refused(rules, head(HOST, path="/graphs", query=f"token={TOKEN}")) == 401


@pytest.mark.parametrize(
    ("method", "origin", "status"),
    [
        ("GET", None, None),
        ("POST", "http://127.0.0.1:8765", None),
        ("POST", None, 403),
        ("POST", "http://evil.example", 403),
        ("POST", "http://127.0.0.1:9999", 403),
        ("POST", "null", 403),
        ("DELETE", "http://127.0.0.1:8765.evil.example", 403),
    ],
)
def test_a_request_with_the_cookie_must_come_from_the_servers_page(
    method: str, origin: str | None, status: int | None
) -> None:
    rules = access()
    headers = [("cookie", f"{rules.cookie_name}={rules.cookie}"), *([("origin", origin)] if origin else [])]

    assert refused(rules, head(HOST, *headers, method=method)) == status


def test_a_socket_of_a_foreign_page_is_refused_with_any_credentials() -> None:
    rules, foreign = access(), ("origin", "http://evil.example")

    assert refused(rules, head(HOST, BEARER, foreign, kind="websocket")) == 403
    assert refused(access(origins=["http://evil.example"]), head(HOST, BEARER, foreign, kind="websocket")) is None
    assert refused(rules, head(HOST, BEARER, kind="websocket")) is None
    assert refused(rules, head(HOST, ("cookie", f"{rules.cookie_name}={rules.cookie}"), kind="websocket")) == 403


@pytest.mark.parametrize("foreign", ['prefs={"a":1}', "a b=c", "=", 'x="', "é=1", "nbflow-00000000=x"])
def test_cookies_of_other_servers_on_the_same_host_do_not_interfere(foreign: str) -> None:
    rules = access()
    own = f"{rules.cookie_name}={rules.cookie}"

    assert refused(rules, head(HOST, ("cookie", f"{foreign}; {own}"))) is None
    assert refused(rules, head(HOST, ("cookie", f"{own}; {foreign}"))) is None
    assert refused(rules, head(HOST, ("cookie", foreign))) == 401


def test_the_cookie_is_not_the_token() -> None:
    assert TOKEN not in access().cookie + access().cookie_name


# at a real server

PATHS = [
    "/",
    "/graphs",
    "/executions",
    "/tools",
    "/openapi.json",
    "/assets/view.js",
    "/metrics",
    "/nothing",
    "//graphs",
    "/health/../graphs",
]


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_only_the_health_check_answers(sqlite_server: Served, path: str) -> None:
    answer = httpx.get(f"{sqlite_server.url}{path}")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert httpx.get(f"{sqlite_server.url}/health").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/ws/execute/chain", "/ws/runs/x", "/ws/view/x"])
def test_no_socket_opens_without_the_token_or_for_a_foreign_page(sqlite_server: Served, path: str) -> None:
    with pytest.raises(InvalidStatus) as without:
        connect(f"ws://127.0.0.1:{sqlite_server.port}{path}")
    with pytest.raises(InvalidStatus) as foreign:
        sqlite_server.socket(path, Origin="http://evil.example")

    assert (without.value.response.status_code, foreign.value.response.status_code) == (401, 403)


def test_the_page_gets_a_cookie_that_scripts_cannot_read_and_an_address_without_the_token(
    sqlite_server: Served,
) -> None:
    with httpx.Client(base_url=sqlite_server.url) as client:
        first = client.get("/", params={"token": TOKEN})
        page = client.get("/")
        posted = client.post("/executions/run", json={"graph_id": "chain"})

    assert (first.status_code, first.headers["location"]) == (303, "./")
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in first.headers["set-cookie"].split(";")}
    assert TOKEN not in first.headers["set-cookie"]
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert posted.status_code == 403


def test_another_name_for_the_server_is_refused(sqlite_server: Served) -> None:
    with sqlite_server.client() as client:
        assert client.get("/graphs", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../options.py",
        "/assets/..%2foptions.py",
        "/assets/%2e%2e/app.py",
        "/assets/index.html%00.js",
        "/assets//etc/passwd",
    ],
)
def test_no_path_escapes_the_folder_of_the_page(sqlite_server: Served, path: str) -> None:
    answer = _raw(
        sqlite_server,
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n",
    )

    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    "heads",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -1",
        "Content-Length: 5, 6",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "Content-Length: 0x5",
    ],
)
def test_a_request_with_an_ambiguous_length_cannot_smuggle_another(sqlite_server: Served, heads: str) -> None:
    hidden = f"DELETE /graphs/chain HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    sent = f"POST /executions/run HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{heads}\r\n\r\n0\r\n\r\n{hidden}"

    answer = _raw(sqlite_server, sent)

    assert answer.count(b"HTTP/1.1") == 1, answer
    assert answer.split()[1] in (b"400", b"413", b"422", b"501"), answer


def _raw(server: Served, text: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(text.encode("latin-1"))
        line.settimeout(2)
        got, until = b"", time.monotonic() + 300
        while time.monotonic() < until:
            try:
                part = line.recv(65_536)
            except TimeoutError:
                break
            if not part:
                break
            got += part
    return got
