"""The headers that restrict a browser: on the page itself, and for requests from pages of other origins."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from served import TOKEN, Served, notebook, serving

LISTED, FOREIGN = "https://flows.example", "https://evil.example"
SECURE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
POLICY = {
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(notebook(tmp_path_factory.mktemp("headers")), NBFLOW_ALLOWED_ORIGINS=f"{LISTED}, x://y") as served:
        yield served


@pytest.mark.parametrize("path", ["/", "/?token=wrong", f"/?token={TOKEN}", "/assets/page.js", "/graphs", "/nothing"])
@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_every_response_has_the_strict_security_headers(server: Served, path: str, token: str) -> None:
    answer = httpx.get(f"{server.url}{path}", headers={"Authorization": f"Bearer {token}"})

    assert {name: answer.headers.get(name) for name in SECURE} == SECURE
    assert set(answer.headers["content-security-policy"].split("; ")) == POLICY


def asked(server: Served, origin: str, method: str) -> httpx.Response:
    """Send the preflight request of a browser for a page of another origin."""
    headers = {
        "Origin": origin, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }  # fmt: skip
    return httpx.options(f"{server.url}/executions/run", headers=headers)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_page_of_a_listed_origin_may_send_requests_with_the_token(server: Served, method: str) -> None:
    before = asked(server, LISTED, method)
    with server.client() as client:
        answer = client.get("/graphs", headers={"Origin": LISTED})

    assert (before.status_code, before.headers["access-control-allow-origin"]) == (200, LISTED)
    assert method in before.headers["access-control-allow-methods"]
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, LISTED)
    assert "access-control-allow-credentials" not in answer.headers


def test_a_page_of_an_unlisted_origin_gets_no_permission(server: Served, sqlite_server: Served) -> None:
    for served in (server, sqlite_server):
        before = asked(served, FOREIGN, "POST")
        answer = httpx.get(f"{served.url}/graphs", headers={"Origin": FOREIGN, "Authorization": f"Bearer {TOKEN}"})

        assert before.status_code != 200
        assert "access-control-allow-origin" not in before.headers.keys() | answer.headers.keys()
