"""The form of a node that waits for a person, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from alone import Alone
from pydantic import BaseModel, Field, TypeAdapter

pytestmark = pytest.mark.browser

INDEX = "import { Form } from './form.js';\nexport default Form;\n"
MOUNT = """theme => {
  const root = document.getElementById('root');
  root.innerHTML = '<div class="nf-body"><div class="nf-face"></div><aside class="nf-insp"><div class="nf-ih is-waiting"><b>approve_fix</b><span class="nf-mut">ask</span><span class="nf-word nf-s">Waiting for you</span></div><div class="nf-ib" tabindex="0"></div></aside></div>';
  window.form = new part.default({ send: (message) => sent.push(message) });
  root.querySelector('.nf-ib').append(form.el);
  window.heard = [];
  root.addEventListener('keydown', (event) => heard.push(event.key));
}"""
EVIL = '<img src="http://evil.test/x.png" onerror="window.hit=1">\u202egnp'
DIFF = "All 212 tests pass after 3 fixes. 3 files, +41 -9.\n\ntests/test_auth.py\n-   token = login(user)\n+   token = await login(user)\n@@ a\n@@ b\n@@ c\n@@ d"


class Level(StrEnum):
    LOW = "low"
    MIDDLE = "middle"
    HIGH = "high"
    FATAL = "fatal"


class Owner(BaseModel):
    """Who looks after it."""

    name: str
    email: Annotated[str, Field(json_schema_extra={"format": "email"})] = "a@b.test"


class Verdict(BaseModel):
    """What you make of the finding."""

    decision: Literal["push", "draft", "discard"]
    level: Level = Level.MIDDLE
    score: Annotated[int, Field(ge=0, le=10, description="0 is harmless, 10 is a catastrophe.")]
    urgent: bool = False
    due: date | None = None
    files: list[str] = ["auth.py", "login.py"]
    areas: list[Literal["api", "ui", "docs"]] = ["ui"]
    comment: Annotated[str, Field(max_length=4000)] = ""
    owner: Owner | None = None
    extra: dict[str, int] = {}


def asked(**fields: Any) -> dict[str, Any]:
    base = {"node": "approve_fix", "seq": 31, "firing": 7, "ordinal": 1, "question": "Push this fix to the branch?", "details": None,
            "choices": None, "schema": None}  # fmt: skip
    return base | fields


def schema_of(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema()


@pytest.fixture
def form(browser: Any, tmp_path: Path) -> Iterator[Alone]:
    context = browser.new_context(viewport={"width": 1048, "height": 900}, device_scale_factor=1.5)
    shown = Alone(context.new_page(), tmp_path)
    yield shown
    context.close()
    assert shown.errors == []
    assert shown.external == []


def show(form: Alone, question: Any, **options: Any) -> Any:
    form.load(INDEX, "form", **options)
    form.page.evaluate(MOUNT)
    form.page.evaluate("q => form.show(q)", question)
    return form.page


def answer(page: Any) -> None:
    page.get_by_role("button", name="Answer").click()


def test_a_choice_is_made_and_sent_with_the_question_it_answers(form: Alone) -> None:
    page = show(form, asked(choices=["Push", "Push as draft", "Discard"], details=DIFF))
    page.get_by_role("radiogroup", name="Push this fix to the branch?").get_by_label("Push as draft").check()
    answer(page)

    assert form.sent() == [
        {
            "type": "command",
            "name": "answer",
            "node": "approve_fix",
            "question": 31,
            "value": "Push as draft",
        }
    ]
    assert page.get_by_role("button", name="Sent").is_disabled()


def test_the_question_of_a_fork_is_asked_afresh(form: Alone) -> None:
    page = show(form, asked(question="Why?"))
    page.get_by_role("textbox", name="Why?").fill("because")
    answer(page)
    page.evaluate("q => form.show(q, 'a fork')", asked(question="Why?"))

    assert page.get_by_role("textbox", name="Why?").input_value() == ""
    assert page.get_by_role("button", name="Answer").is_enabled()


def test_a_question_asked_again_can_be_answered_with_the_filled_form(form: Alone) -> None:
    page = show(form, asked(question="Why?"))
    page.get_by_role("textbox", name="Why?").fill("because")
    answer(page)
    page.evaluate("q => form.show(q)", asked(question="Why?", seq=40))
    answer(page)

    assert [sent["question"] for sent in form.sent()] == [31, 40]
    assert form.sent()[1]["value"] == "because"


def test_a_refusal_is_shown_at_its_question(form: Alone) -> None:
    page = show(form, asked(question="Why?"))
    page.get_by_role("textbox", name="Why?").fill("because")
    answer(page)
    page.evaluate("q => form.show(q)", asked(question="How?", seq=32, firing=8))
    page.evaluate("form.refused({ question: 31, errors: { '': 'say more' } })")
    assert page.get_by_text("say more").count() == 0

    page.evaluate("q => form.show(q)", asked(question="Why?"))
    assert page.get_by_text("say more").is_visible()
    assert page.get_by_role("button", name="Answer").is_enabled()


def test_nothing_is_sent_before_a_person_has_chosen(form: Alone) -> None:
    page = show(form, asked(choices=["Push", "Discard"]))
    answer(page)

    assert form.sent() == []
    group = page.get_by_role("radiogroup")
    assert group.get_attribute("aria-invalid") == "true"
    assert page.locator(f"#{group.get_attribute('aria-describedby')}").inner_text() == "choose one"
    assert page.evaluate("document.activeElement.type") == "radio"


def test_more_than_three_choices_are_a_list(form: Alone) -> None:
    page = show(form, asked(choices=["a", "b", "c", "d"]))
    page.get_by_role("combobox", name="Push this fix to the branch?").select_option(label="c")
    answer(page)
    assert form.sent()[0]["value"] == "c"


def test_a_question_without_choices_is_answered_in_words_and_by_the_keyboard(form: Alone) -> None:
    page = show(form, asked(question="Why?"))
    page.get_by_role("textbox", name="Why?").fill("because\nof it")
    page.keyboard.press("Control+Enter")
    assert form.sent()[0]["value"] == "because\nof it"


def test_letters_typed_anywhere_in_the_form_are_no_shortcuts(form: Alone) -> None:
    page = show(form, asked(choices=["Push", "Discard"]))
    for place in (page.get_by_role("radio", name="Push"), page.get_by_role("button", name="Answer")):
        place.focus()
        page.keyboard.press("s")
        page.keyboard.press("Escape")
    assert page.evaluate("heard") == ["Escape", "Escape"]


def filled(form: Alone, **options: Any) -> Any:
    page = show(form, asked(question="What do you make of it?", schema=schema_of(Verdict)), **options)
    page.get_by_label("push").check()
    page.get_by_label("Score").fill("7")
    return page


def test_a_model_is_filled_in_field_by_field(form: Alone) -> None:
    page = filled(form)
    page.get_by_label("Urgent").check()
    page.get_by_label("Level").select_option(label="fatal")
    page.get_by_label("Due").fill("2026-03-01")
    page.get_by_label("api").check()
    page.get_by_label("Files").fill("one\ntwo")
    page.get_by_label("Extra").fill('{"a": 1}')
    page.get_by_role("checkbox", name="Owner").check()
    page.get_by_label("Name").fill("Ada")
    answer(page)

    value = form.sent()[0]["value"]
    assert TypeAdapter(Verdict).validate_python(value) == Verdict(
        decision="push", level=Level.FATAL, score=7, urgent=True, due=date(2026, 3, 1), files=["one", "two"],
        areas=["api", "ui"], comment="", owner=Owner(name="Ada"), extra={"a": 1},
    )  # fmt: skip


def test_what_is_not_touched_is_sent_as_its_default(form: Alone) -> None:
    page = filled(form)
    answer(page)
    assert TypeAdapter(Verdict).validate_python(form.sent()[0]["value"]) == Verdict(decision="push", score=7)


def test_every_field_is_named_and_described_for_assistive_tools(form: Alone) -> None:
    page = filled(form)
    score = page.get_by_role("spinbutton", name="Score")
    assert (
        page.locator(f"#{score.get_attribute('aria-describedby')}").inner_text()
        == "0 is harmless, 10 is a catastrophe."
    )
    assert (score.get_attribute("min"), score.get_attribute("max"), score.get_attribute("aria-required")) == (
        "0",
        "10",
        "true",
    )
    for one in page.locator("form :is(input, select, textarea):visible").all():
        assert one.evaluate("e => e.labels.length > 0 || e.hasAttribute('aria-labelledby')")


def test_a_refused_answer_is_shown_under_its_field_and_can_be_corrected(form: Alone) -> None:
    page = filled(form)
    answer(page)
    page.evaluate(
        "form.refused({ question: 31, errors: { 'files.1': 'no such file', score: 'must be odd', '': 'too soon' } })"
    )

    score = page.get_by_label("Score")
    assert score.evaluate("e => document.activeElement === e")
    assert score.get_attribute("aria-invalid") == "true"
    told = [page.locator(f"#{one}").inner_text() for one in score.get_attribute("aria-describedby").split()]
    assert told == ["0 is harmless, 10 is a catastrophe.", "must be odd"]
    assert page.get_by_text("item 2: no such file").is_visible()
    assert page.get_by_role("alert").inner_text() == "too soon"

    score.fill("9")
    answer(page)
    assert [one["value"]["score"] for one in form.sent()] == [7, 9]
    assert page.locator("[aria-invalid]").count() == 0


def test_what_was_filled_in_stays_while_a_person_looks_elsewhere(form: Alone) -> None:
    page = show(form, asked(question="Why?"))
    page.get_by_role("textbox").fill("half a thou")
    page.evaluate("q => { form.show(null); form.show(q) }", asked(node="other", question="Another?"))
    assert page.get_by_role("textbox").input_value() == ""
    page.evaluate("q => form.show(q)", asked(question="Why?"))
    assert page.get_by_role("textbox").input_value() == "half a thou"


def test_the_same_question_again_moves_nothing(form: Alone) -> None:
    page = show(form, asked(question="Why?"))
    page.get_by_role("textbox").focus()
    page.evaluate("q => form.show(q)", asked(question="Why?"))
    assert page.get_by_role("textbox").evaluate("e => document.activeElement === e")


def test_a_question_never_takes_the_focus_by_itself(form: Alone) -> None:
    page = show(form, asked(choices=["Push", "Discard"]))
    assert page.evaluate("document.activeElement === document.body")


def test_without_a_kernel_the_form_says_why_it_cannot_be_sent(form: Alone) -> None:
    page = show(form, asked(question="Why?"))
    page.evaluate("form.connected(false)")
    button = page.get_by_role("button", name="Answer")
    assert button.is_disabled()
    assert button.get_attribute("title") == "The kernel is not connected"
    page.evaluate("form.connected(true)")
    assert button.is_enabled()


def test_hostile_text_is_text(form: Alone) -> None:
    schema = {"type": "object", "title": EVIL, "required": [EVIL], "properties": {
        EVIL: {"enum": [EVIL, "b"], "title": EVIL, "description": EVIL},
        "t": {"type": "string", "default": EVIL, "pattern": "(a+)+$"},
    }}  # fmt: skip
    page = show(form, asked(question=EVIL, details=f"{EVIL}\n\n{EVIL}\n" + "x" * 1_000_000, schema=schema))
    page.get_by_role("button", name="Show the whole text").click()
    page.get_by_role("radio").first.check()
    answer(page)
    page.evaluate("evil => form.refused({ question: 31, errors: { '': evil, t: evil } })", EVIL)

    assert page.evaluate("window.hit") is None
    assert page.locator("#root img").count() == 0
    assert page.locator(".nf-box").inner_text().count("x") < 100_001
    assert form.sent()[0]["value"] == {EVIL: EVIL, "t": EVIL}
    assert page.locator("#root").evaluate("e => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize("width", [1000, 400])
def test_nothing_exceeds_the_panel(form: Alone, width: int) -> None:
    page = filled(form, width=width)
    body = page.locator(".nf-ib")
    assert body.evaluate("e => e.scrollWidth <= e.clientWidth")
