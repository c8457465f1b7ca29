"""The page in a real browser under its strict content security policy: a person runs, watches, answers, forks, reloads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from served import TOKEN, Served, notebook, serving

SHOTS = os.environ.get("NBFLOW_SCREENSHOTS")
pytestmark = pytest.mark.browser
PATIENCE_MS = 300_000


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any, sqlite_server: Served) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=request.param)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    opened.on(
        "request",
        lambda sent: (
            sent.url.startswith((sqlite_server.url, f"ws://127.0.0.1:{sqlite_server.port}", "data:"))
            or wrong.append(sent.url)
        ),
    )
    opened.goto(f"{sqlite_server.url}/?token={TOKEN}")
    opened.theme = request.param
    yield opened
    context.close()
    assert wrong == []


def shot(page: Any, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/serve-{name}-{page.theme}.png")


def begin(page: Any, graph: str, **fields: str) -> None:
    page.click(f'.pg-side a[href="#graph/{graph}"]')
    page.wait_for_selector(f'h1:has-text("{graph}")')
    for name, value in fields.items():
        page.get_by_label(name, exact=True).fill(value)
    shot(page, f"graph-{graph}")
    page.click('.pg-card button[type="submit"]')
    page.wait_for_selector(".nf-root .nf-tabs")


def test_the_form_of_a_graph_starts_a_run_and_the_page_follows_it_to_its_end(page: Any) -> None:
    assert TOKEN not in page.url
    begin(page, "chain", n="7", seconds="0.3")
    page.wait_for_selector('.nf-node[data-n="b"].is-completed')
    page.click('.nf-node[data-n="a"]')
    page.wait_for_selector('.nf-insp :text("n = 8")')
    shot(page, "run")

    assert page.locator(".pg-side a[aria-current]").get_attribute("href") == f"#{page.url.partition('#')[2]}"
    page.reload()
    page.wait_for_selector('.nf-node[data-n="b"].is-completed, .nf-min.is-completed')


def test_a_missing_required_value_is_reported_at_its_field_and_no_run_starts(page: Any) -> None:
    page.click('.pg-side a[href="#graph/noted"]')
    page.get_by_label("seconds", exact=True).fill("")
    page.click('.pg-card button[type="submit"]')
    page.wait_for_selector(".pg-card .nf-ferr:not([hidden])")

    assert "#graph/noted" in page.url


def test_the_page_cancels_and_resumes_a_run(page: Any) -> None:
    begin(page, "chain", seconds="2")
    page.wait_for_selector('.nf-node[data-n="a"].is-running')
    page.click('.nf-ctl button[aria-label^="Stop"]')
    page.click('.nf-ask button:has-text("Stop")')
    page.wait_for_selector('.nf-node[data-n="a"].is-cancelled')
    page.click('.nf-ctl button[aria-label^="Resume"]')
    page.wait_for_selector('.nf-node[data-n="b"].is-completed')


def test_the_page_answers_a_question(page: Any) -> None:
    begin(page, "asking")
    page.wait_for_selector('.nf-node[data-n="ask"].is-waiting')
    page.click('.nf-node[data-n="ask"]')
    page.click('.nf-form label:has-text("yes")')
    shot(page, "question")
    page.click('.nf-form button:has-text("Answer")')
    page.wait_for_selector('.nf-node[data-n="wait"].is-completed')


def test_the_page_catches_up_after_its_connection_broke(page: Any) -> None:
    begin(page, "chain", seconds="1.5")
    page.wait_for_selector('.nf-node[data-n="a"].is-running')
    page.context.set_offline(True)
    page.evaluate("() => 0")
    page.context.set_offline(False)
    page.wait_for_selector('.nf-node[data-n="b"].is-completed')


def test_the_runs_of_the_chosen_graph_are_listed_and_those_of_all_again(page: Any, sqlite_server: Served) -> None:
    ids = [sqlite_server.run(graph, n=1) for graph in ("chain", "failing")]
    mine, other = (f'.pg-side a[href="#run/{run_id}"]' for run_id in ids)
    page.wait_for_selector(mine)
    page.wait_for_selector(other)
    page.click('.pg-side a[href="#graph/chain"]')
    page.wait_for_selector(other, state="detached")
    page.wait_for_selector(mine)
    shot(page, "narrowed")

    page.select_option(".pg-head select", "failed")
    page.wait_for_selector(mine, state="detached")
    page.wait_for_selector('.pg-none:has-text("No such runs")')
    page.click(".pg-scope")
    page.wait_for_selector(other)


def test_a_graph_that_is_sent_appears_in_the_list(page: Any, sqlite_server: Served) -> None:
    name = f"sent in {page.theme}"
    page.wait_for_selector('.pg-side a[href="#graph/chain"]')
    with sqlite_server.client() as client:
        client.post(
            "/graphs/create", json={"name": name, "nodes": [{"node_id": "wait", "tool": "wait"}]}
        ).raise_for_status()

    page.wait_for_selector(f'.pg-side a:has-text("{name}")')


def test_the_page_fits_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    begin(page, "failing", n="1")
    page.wait_for_selector(".nf-root .is-failed")
    shot(page, "phone")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_text_of_a_chosen_file_becomes_the_input_of_a_graph(page: Any, tmp_path: Path) -> None:
    source = tmp_path / "words.txt"
    source.write_text("one two\nthree\n")
    page.click('.pg-side a[href="#graph/counted"]')
    page.wait_for_selector('h1:has-text("counted")')
    page.set_input_files('.pg-card input[type="file"]', source)
    # The test reads what the page shows, since the page's policy forbids the evaluation of a text as code.
    expect(page.locator(".pg-card textarea")).to_have_value("one two\nthree\n", timeout=PATIENCE_MS)
    shot(page, "file")
    page.click('.pg-card button[type="submit"]')
    page.click('.nf-node[data-n="count"].is-completed')
    page.wait_for_selector('.nf-insp :text("words = 3")')


@pytest.fixture
def plain(browser: Any, tmp_path: Path) -> Iterator[tuple[Any, Served]]:
    """The page at an address that is neither localhost nor HTTPS, so that it is not a secure context."""
    with serving(notebook(tmp_path), "--host", "0.0.0.0") as server:
        context = browser.new_context()
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE_MS)
        opened.goto(f"http://0.0.0.0:{server.port}/?token={TOKEN}")
        assert not opened.evaluate("isSecureContext")
        opened.theme = "light"
        yield opened, server
        context.close()


def test_a_graph_runs_from_a_page_outside_a_secure_context(plain: tuple[Any, Served]) -> None:
    page, _ = plain
    begin(page, "chain")

    page.wait_for_selector('.nf-node[data-n="b"].is-completed')


def test_a_second_click_after_a_lost_response_starts_no_second_run(plain: tuple[Any, Served]) -> None:
    page, server = plain

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/executions/run", lose, times=1)
    page.click('.pg-side a[href="#graph/chain"]')
    page.click('.pg-card button[type="submit"]')
    page.wait_for_selector(".pg-card .nf-ferr:not([hidden])")
    page.click('.pg-card button[type="submit"]')
    page.wait_for_selector('.nf-node[data-n="b"].is-completed')

    with server.client() as client:
        assert len(client.get("/executions").json()["runs"]) == 1


def test_a_missing_run_is_reported_and_not_requested_again(plain: tuple[Any, Served]) -> None:
    page, _ = plain
    sockets: list[str] = []
    page.on("websocket", lambda opened: sockets.append(opened.url))
    page.evaluate("location.hash = '#run/nothing'")
    page.wait_for_selector('main [role="alert"]:has-text("nothing")')
    page.wait_for_timeout(1_500)  # longer than the delay of the first reconnection

    assert len(sockets) == 1


def test_a_page_without_its_cookie_shows_how_to_log_in(plain: tuple[Any, Served]) -> None:
    page, server = plain
    run_id = server.run("chain", seconds=60)
    page.context.clear_cookies()
    page.evaluate(f"location.hash = '#run/{run_id}'")

    page.wait_for_selector('main [role="alert"]:has-text("open it by the address with the token")')
    page.wait_for_selector('.pg-top [role="alert"]:has-text("open it by the address with the token")')


def test_a_graph_that_arrives_late_does_not_replace_the_run_chosen_meanwhile(plain: tuple[Any, Served]) -> None:
    page, server = plain
    run_id = server.run("failing", n=1)
    held: list[Any] = []
    page.route("**/scenes/chain", lambda route: held.append(route))
    page.click('.pg-side a[href="#graph/chain"]')
    page.wait_for_timeout(100)
    page.evaluate(f"location.hash = '#run/{run_id}'")
    page.wait_for_selector(".nf-root .is-failed")
    with page.expect_response("**/scenes/chain"):
        held[0].continue_()
    page.wait_for_timeout(200)

    assert page.locator(".nf-root .is-failed").count() > 0
    assert page.locator("main h1").count() == 0
