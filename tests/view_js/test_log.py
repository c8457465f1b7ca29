"""The log face, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from answering import Kernel
from test_past import lint, press

pytestmark = pytest.mark.browser

ERROR = {
    "type": "KeyError",
    "message": "'severity'",
    "traceback": "Traceback",
    "where": {"file": "/cells/4.py", "line": 8, "function": "f", "code": []},
}


@pytest.fixture
def kernel() -> Kernel:
    return lint()


def opened(view: Any, kernel: Kernel, **options: Any) -> Any:
    view.mount(*kernel.messages(), **options)
    press(view, kernel, "4")
    settle(view, kernel)
    return view


def settle(view: Any, kernel: Kernel) -> None:
    for _ in range(3):
        view.page.evaluate("harness.frame()")
        kernel.answer(view)


def rows(view: Any) -> list[str]:
    shown: list[str] = view.page.locator(".nf-lr:not(.none)").evaluate_all(
        "all => all.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)"
        ".map(row => [...row.children].map(c => c.textContent).filter(Boolean).join(' | '))"
    )
    return shown


def test_a_question_whose_answer_was_lost_is_asked_again(view: Any, kernel: Kernel) -> None:
    view.mount(*kernel.messages())
    view.page.locator(".nf-root").press("4")
    view.page.wait_for_function("harness.sent.some(m => m.type === 'log')")
    kernel.answered = len(view.page.evaluate("harness.sent"))
    view.page.wait_for_function("harness.sent.filter(m => m.type === 'log').length > 1")
    settle(view, kernel)
    assert rows(view)[-1] == "1:25.0 | lint | try 2"


def test_a_run_says_what_happened_row_by_row(view: Any, kernel: Kernel) -> None:
    opened(view, kernel)
    assert rows(view)[-8:] == [
        "0:20.0 | classify | finished in 10 s",
        "0:20.0 | classify | not on to quick_review: n_files (500) <= 20 is no",
        "0:20.0 | classify | on to lint: n_files (500) > 20 is yes",
        "0:21.0 | lint | started",
        "0:41.0 | lint | checking",
        "1:21.0 | lint | TimeoutError: ruff took longer than 60 s",
        "1:21.0 | lint | try 2 in 4.0 s",
        "1:25.0 | lint | try 2",
    ]


def test_a_log_that_is_not_looked_at_is_not_asked_for(view: Any, kernel: Kernel) -> None:
    view.mount(*kernel.messages())
    view.page.wait_for_timeout(1200)
    assert view.sent("log") == []


def test_an_error_leads_to_its_cell(view: Any, kernel: Kernel) -> None:
    kernel("node_error", "lint", 1.0, error=ERROR)
    opened(view, kernel)
    row = view.page.locator(".nf-lr.error").last
    assert row.locator(".nf-lm").text_content() == "KeyError: 'severity'"
    row.locator(".nf-link:visible").click()
    assert view.page.evaluate("harness.opened") == [["c4", 8]]


def test_the_selected_node_filters_and_the_chip_takes_it_back(view: Any, kernel: Kernel) -> None:
    opened(view, kernel)
    every = len(rows(view))
    press(view, kernel, "1")
    view.node("classify").click()
    press(view, kernel, "4")
    settle(view, kernel)
    assert {row.split(" | ")[1] for row in rows(view)} == {"classify"}
    assert view.page.locator(".nf-insp").is_hidden()
    view.page.click(".nf-chip")
    settle(view, kernel)
    assert len(rows(view)) == every


def test_rows_are_filtered_by_level_and_text(view: Any, kernel: Kernel) -> None:
    opened(view, kernel)
    view.page.get_by_role("button", name="Errors").click()
    settle(view, kernel)
    assert [row.split(" | ")[2] for row in rows(view)] == ["TimeoutError: ruff took longer than 60 s"]
    view.page.get_by_role("button", name="Printed").click()
    settle(view, kernel)
    assert [row.split(" | ")[2] for row in rows(view)] == ["checking"]
    view.page.get_by_role("button", name="All", exact=True).click()
    press(view, kernel, "/")
    view.page.keyboard.type("RUFF")
    view.page.wait_for_timeout(250)
    settle(view, kernel)
    assert [row.split(" | ")[2] for row in rows(view)] == ["TimeoutError: ruff took longer than 60 s"]
    view.page.keyboard.press("Escape")
    view.page.wait_for_timeout(50)
    settle(view, kernel)
    assert len(rows(view)) > 10


def test_a_name_leads_to_its_node(view: Any, kernel: Kernel) -> None:
    kernel("node_output", "security_scan/deep[2]", text="inside\n")
    opened(view, kernel)
    view.page.locator(".nf-ln", has_text="security_scan").click()
    view.page.evaluate("harness.frame()")
    assert view.page.locator(".nf-graph").is_visible()
    assert view.text(".nf-ih b") == "security_scan"


def test_the_past_has_no_later_rows(view: Any, kernel: Kernel) -> None:
    opened(view, kernel)
    press(view, kernel, "[", "[")
    settle(view, kernel)
    assert rows(view)[-1] == "0:21.0 | lint | started"


def test_it_follows_at_the_end_and_stays_where_a_person_has_scrolled(view: Any, kernel: Kernel) -> None:
    for i in range(100):
        kernel("node_output", "lint", 0.1, text=f"line {i}\n")
    opened(view, kernel)
    assert rows(view)[-1].endswith("line 99")
    kernel("node_output", "lint", 0.1, text="line 100\n")
    view.page.wait_for_timeout(1700)
    settle(view, kernel)
    assert rows(view)[-1].endswith("line 100")
    view.page.evaluate("document.querySelector('.nf-lrows').scrollTop = 200")
    settle(view, kernel)
    first = rows(view)[0]
    kernel("node_output", "lint", 0.1, text="line 101\n")
    view.page.wait_for_timeout(1700)
    settle(view, kernel)
    assert rows(view)[0] == first
    assert "116 lines" in view.text(".nf-ltold")
    view.page.get_by_role("button", name="Follow").click()
    settle(view, kernel)
    assert rows(view)[-1].endswith("line 101")


def test_a_million_lines_stay_in_the_kernel(view: Any, kernel: Kernel) -> None:
    kernel("node_output", "lint", text="".join(f"line {i}\n" for i in range(1_000_000)))
    opened(view, kernel)
    assert rows(view)[-1].endswith("line 999999")
    assert view.page.locator(".nf-lr").count() < 60
    assert "1\u2009000\u2009014 lines, the first 610\u2009000 left out" in view.page.locator(".nf-ltold").text_content()
    view.page.evaluate("document.querySelector('.nf-lrows').scrollTop = 0")
    settle(view, kernel)
    assert rows(view)[0].endswith("line 609986")


def test_a_long_line_is_cut_and_opened_up_to_a_bound(view: Any, kernel: Kernel) -> None:
    kernel("node_output", "lint", text="y" * 1_000_000 + "\n")
    opened(view, kernel)
    view.page.get_by_role("button", name="more letters").click()
    kernel.answer(view)
    assert len(view.page.locator(".nf-whole .nf-box").text_content()) == 20_000
    assert "980\u2009000 more" in view.page.locator(".nf-whole").text_content()
    view.page.keyboard.press("Escape")
    assert view.page.locator(".nf-whole").is_hidden()
    assert view.page.evaluate("document.activeElement.className").startswith("nf-window")


def test_hostile_lines_are_text(view: Any, kernel: Kernel) -> None:
    kernel("node_output", "lint", text="<img src=x onerror='window.hit=1'> \u202eabc\x00\n")
    opened(view, kernel)
    assert rows(view)[-1].endswith("<img src=x onerror='window.hit=1'> \ufffdabc\ufffd")
    assert view.page.evaluate("window.hit") is None


def test_all_rows_shown_are_copied_as_text(view: Any, kernel: Kernel) -> None:
    opened(view, kernel)
    view.page.evaluate("document.addEventListener('copy', () => { window.copied = document.activeElement.value })")
    view.page.get_by_role("button", name="Copy").click()
    kernel.answer(view)
    view.page.wait_for_function("window.copied !== undefined")
    lines = view.page.evaluate("window.copied").split("\n")
    assert lines[-1] == "1:25.0\tlint\ttry 2"
    assert len(lines) == 14


def test_rows_are_walked_by_keys(view: Any, kernel: Kernel) -> None:
    opened(view, kernel)
    view.page.locator(".nf-lrows").focus()
    view.page.keyboard.press("ArrowUp")
    assert "try 2" in view.page.locator(".nf-lr.cur").text_content()
    view.page.keyboard.press("Enter")
    view.page.evaluate("harness.frame()")
    assert view.text(".nf-ih b") == "lint"


def test_a_narrow_log_has_all_columns(view: Any, kernel: Kernel) -> None:
    opened(view, kernel, width=480)
    wide = "(() => { const b = document.querySelector('.nf-lbar'); return b.scrollWidth <= b.clientWidth })()"
    assert view.page.evaluate(wide)
