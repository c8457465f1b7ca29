"""A person logs in by the address that `nbflow serve` prints, or by the login form."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from served import TOKEN, Served, notebook, serving

HTML = {"Accept": "text/html,application/xhtml+xml"}


def test_the_printed_address_opens_the_page_once_and_never_contains_a_given_token(tmp_path: Path) -> None:
    with serving(notebook(tmp_path)) as server:
        link = re.search(r"is served at (\S+)", server.log.read_text())
        assert link is not None
        with httpx.Client(follow_redirects=True, headers=HTML) as browser:
            opened = browser.get(link[1])
            graphs = browser.get(f"{server.url}/graphs")
        with httpx.Client(follow_redirects=True, headers=HTML) as other:
            again = other.get(link[1])
        log = server.log.read_text()

    assert (opened.status_code, graphs.status_code, again.status_code) == (200, 200, 401)
    assert "This login link was used before" in again.text
    assert "restart nbflow serve, which prints a new link" in again.text
    assert "page.js" in opened.text
    assert TOKEN not in log


@pytest.mark.parametrize("origin", [None, "own"])
def test_a_browser_without_a_token_gets_the_login_form(sqlite_server: Served, origin: str | None) -> None:
    headers = HTML if origin is None else HTML | {"Origin": sqlite_server.url}
    with httpx.Client(base_url=sqlite_server.url, follow_redirects=True, headers=headers) as browser:
        form = browser.get("/")
        wrong = browser.post("/login", data={"token": "a-wrong-one"})
        outside = browser.get("/graphs")
        opened = browser.post("/login", data={"token": TOKEN})
        inside = browser.get("/graphs")

    assert [form.status_code, wrong.status_code, outside.status_code] == [401, 401, 401]
    assert '<form method="post" action="login">' in form.text
    assert "form-action 'self'" in form.headers["content-security-policy"]
    assert "script-src" not in form.headers["content-security-policy"]  # without it, the default applies, which is none
    assert form.headers["referrer-policy"] == "same-origin"  # otherwise a browser sends no origin with the form
    assert "This is not the token" in wrong.text
    assert (opened.status_code, inside.status_code) == (200, 200)
    assert "page.js" in opened.text


def test_a_client_that_asks_for_json_gets_a_problem(sqlite_server: Served) -> None:
    for accept in ("application/json", "*/*"):
        answer = httpx.get(f"{sqlite_server.url}/", headers={"Accept": accept})

        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 401


def test_a_foreign_page_cannot_log_in_and_a_large_form_is_not_read(sqlite_server: Served) -> None:
    with httpx.Client(base_url=sqlite_server.url) as client:
        foreign = client.post("/login", data={"token": TOKEN}, headers={"Origin": "https://example.org"})
        large = client.post("/login", data={"token": TOKEN + " " * 5_000})

    assert (foreign.status_code, "set-cookie" in foreign.headers) == (401, False)
    assert large.status_code == 413


def test_a_client_that_asks_for_json_gets_an_error_for_a_used_link(tmp_path: Path) -> None:
    with serving(notebook(tmp_path)) as server:
        link = re.search(r"is served at (\S+)", server.log.read_text())
        assert link is not None
        first, second = httpx.get(link[1]), httpx.get(link[1])
        unknown = httpx.get(f"{server.url}/", params={"login": "no-such-link"})

    assert (first.status_code, second.status_code, unknown.status_code) == (303, 401, 401)
    assert second.json()["detail"].startswith("this login link was used before, and opens the page only once")
    assert unknown.json()["detail"].startswith("a token is needed")


def test_the_next_start_deletes_the_files_of_a_killed_server(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    file = notebook(tmp_path)
    with serving(file, TMPDIR=str(folder)) as killed:
        killed.process.kill()
        killed.process.wait()
        left = {path.name for path in folder.iterdir()}
    with serving(file, TMPDIR=str(folder)) as other:
        beside = {path.name for path in folder.iterdir()}
        with serving(file, TMPDIR=str(folder)):
            kept = {path.name for path in folder.iterdir()}
        httpx.get(other.url)

    assert len(left) == 2  # one file for the links, one folder for the workers
    assert not left & beside
    assert beside < kept
    assert [*folder.iterdir()] == []
