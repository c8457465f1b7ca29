"""`%flow_run NAME --form`, controlled by the messages that a page sends for its widgets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from kernels import PATIENCE, WIDGET, Kernel

DEFINE = """%%flow_tool
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Optional
from pydantic import BaseModel
class Level(Enum):
    low = 1
    high = 2
class Rule(BaseModel):
    name: str
    limit: int
def check(
    code: str, rules: list[Rule], loud: bool = False, depth: int = 2, rate: float = 0.5, level: Level = Level.low,
    how: Literal["fast", "well"] = "fast", place: Path = Path("."), most: Optional[int] = None, note="x", extra=None,
) -> dict:
    "Check the code."
    return {"got": (code, rules, loud, depth, rate, level, how, place, most, note, extra)}
def first(n: int) -> dict: return {"m": n + 1}
def slow(who: Any) -> dict: return {"seen": who}
"""


@pytest.fixture(scope="module", autouse=True)
def _graphs(kernel: Kernel) -> None:
    kernel.ok(DEFINE)
    kernel.ok("%%flow_graph checks\ncheck")
    kernel.ok("%%flow_graph counts\nfirst")
    kernel.ok("%%flow_graph sees\nslow")


@dataclass
class Widgets:
    """The widgets of a cell in a page: their states by id."""

    kernel: Kernel
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    cell: str = ""

    def take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "comm_open":
            self.states[content["comm_id"]] = dict(content["data"]["state"])
        elif message["msg_type"] == "comm_msg" and content["data"]["method"] == "update":
            self.states.setdefault(content["comm_id"], {}).update(content["data"]["state"])
        elif message["msg_type"] == "update_display_data":
            self.updates.append(content)

    def found(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return the widget with this name."""
        return next(
            (key, one) for key, one in self.states.items() if str(one.get("description", "")).split(" *")[0] == name
        )

    def note(self, name: str) -> str:
        """Return the text next to a widget."""
        key, _ = self.found(name)
        row = next(one for one in self.states.values() if f"IPY_MODEL_{key}" in one.get("children", ()))
        return str(self.states[row["children"][-1].removeprefix("IPY_MODEL_")]["value"])

    def say(self, name: str, **data: Any) -> None:
        message = self.kernel.client.session.msg("comm_msg", {"comm_id": self.found(name)[0], "data": data})
        self.kernel.client.shell_channel.send(message)

    def fill(self, **values: Any) -> None:
        for name, value in values.items():
            trait = "index" if "_options_labels" in self.found(name)[1] else "value"
            self.say(name, method="update", state={trait: value}, buffer_paths=[])

    def click(self) -> None:
        """Press Run, and wait until the button is enabled again."""
        self.say("Run", method="custom", content={"event": "click"})
        rested = False
        while not rested or self.found("Run")[1]["disabled"]:
            self.take(self.kernel.client.get_iopub_msg(timeout=PATIENCE))
            rested = rested or self.found("Run")[1]["disabled"]


def shown(kernel: Kernel, line: str, cell_id: str = "form") -> Widgets:
    reply = kernel.ok(f"form = %flow_run {line}", cell_id)
    page = Widgets(kernel, cell=reply.messages[0]["parent_header"]["msg_id"])
    for message in reply.messages:
        page.take(message)
    assert [WIDGET in data for data in reply.displays] == [True, False]
    return page


def got(kernel: Kernel, what: str) -> str:
    reply = kernel.ok(what)
    return reply.value or reply.stdout.strip()


@pytest.fixture
def checks(kernel: Kernel) -> Widgets:
    return shown(kernel, "checks --form")


def test_a_form_has_a_field_for_each_key_that_suits_its_type(checks: Widgets) -> None:
    kinds = {
        one["description"]: one["_model_name"].removesuffix("Model")
        for one in checks.states.values() if one.get("description") and one["_model_name"] != "ButtonModel"
    }  # fmt: skip

    assert kinds == {
        "code *": "Textarea", "rules *": "Textarea", "loud": "Checkbox", "depth": "Text", "rate": "FloatText",
        "level": "Dropdown", "how": "Dropdown", "place": "Text", "most": "Text", "note": "Text", "extra": "Text",
    }  # fmt: skip
    assert checks.note("code") == "check: Check the code."


def test_a_form_shows_itself_and_is_no_value_that_is_shown(kernel: Kernel) -> None:
    assert kernel.ok("%flow_run counts --form").result == {}
    assert (
        kernel.ok("form = %flow_run counts --form\nform.run is None, repr(form)").value == "(True, \"Form('counts')\")"
    )
    assert kernel.ok("form = %flow_run counts --form;\nrepr(form)").value == "\"Form('counts')\""


def test_a_form_as_the_value_of_a_later_cell_is_shown_there_once(kernel: Kernel) -> None:
    page = shown(kernel, "counts --form")
    assert kernel.ok("form = %flow_run counts --form\nform").displays[2:] == []

    page = shown(kernel, "counts --form")
    again = kernel.ok("display(form)\nform", "later")
    box = next(key for key, one in page.states.items() if "nbflow-form" in one.get("_dom_classes", ()))
    assert [data[WIDGET]["model_id"] for data in again.displays] == [box]
    page.fill(n="2")
    page.click()
    assert got(kernel, "form.run.state['m']") == "3"


def test_a_form_whose_cell_ran_again_shows_that_it_is_closed(kernel: Kernel) -> None:
    shown(kernel, "counts --form", "twice")
    kernel.ok("old = form")
    shown(kernel, "counts --form", "twice")

    assert kernel.ok("old").displays == [{"text/plain": "Form('counts'), which is closed: its cell has run again"}]


def test_a_field_at_its_default_is_left_out_of_the_state(kernel: Kernel, checks: Widgets) -> None:
    checks.fill(code="a = 1", rules="[]")
    checks.click()

    assert got(kernel, "form.run.initial") == "{'code': 'a = 1', 'rules': []}"
    assert got(kernel, "form.run.status.value") == "'completed'"


def test_each_field_gives_a_value_of_its_type(kernel: Kernel, checks: Widgets) -> None:
    checks.fill(
        code="a", rules='[{"name": "r", "limit": 3}]', loud=True, depth="4", rate=0.25, level=1, how=1, place="src/a",
        most="7", note="y", extra="[n for n in range(depth_of)]",
    )  # fmt: skip
    kernel.ok("depth_of = 2")
    checks.click()

    assert got(kernel, "print(form.run.state['got'])") == (
        "('a', [Rule(name='r', limit=3)], True, 4, 0.25, <Level.high: 2>, 'well', PosixPath('src/a'), 7, 'y', [0, 1])"
    )


def test_errors_are_shown_next_to_their_fields_until_they_are_fixed(kernel: Kernel, checks: Widgets) -> None:
    checks.fill(rules='[{"name": "r", "limit": "many"}]', most="few", extra="nowhere")
    checks.click()

    assert checks.note("code") == "a value is needed"
    assert checks.note("rules").startswith("0.limit: Input should be a valid integer")
    assert checks.note("most").startswith("Input should be a valid integer")
    assert checks.note("extra") == "NameError: name 'nowhere' is not defined"
    assert got(kernel, "form.run is None") == "True"

    checks.fill(code="a", rules="[]", most="", extra="")
    checks.click()

    assert checks.note("code") == "check: Check the code."
    assert got(kernel, "form.run.initial") == "{'code': 'a', 'rules': []}"


def test_keys_that_are_given_prefill_the_form(kernel: Kernel) -> None:
    kernel.ok("rules, thing = [Rule(name='r', limit=1)], object()")
    page = shown(kernel, "checks --form code='b' rules=rules depth=1 + 2 extra=thing level=Level.high other=thing")

    assert page.found("code")[1]["value"] == "b"
    assert page.found("depth")[1]["value"] == "3"
    assert page.found("extra")[1]["value"] == "thing"
    page.click()

    assert got(kernel, "form.run.initial['rules'] == rules and form.run.initial['other'] is thing") == "True"
    assert (
        got(kernel, "form.run.state['got'][3:6:2], form.run.state['got'][-1] is thing")
        == "((3, <Level.high: 2>), True)"
    )


def test_a_body_prefills_the_form_too_and_a_value_without_a_field_is_an_expression(kernel: Kernel) -> None:
    reply = kernel.ok("%%flow_run checks --form\ncode = 5\nrules = []", "body")
    page = Widgets(kernel)
    for message in reply.messages:
        page.take(message)

    assert page.found("code")[1]["value"] == "5"
    assert page.found("code")[1]["placeholder"] == "an expression of Python"


def test_the_view_and_the_picture_of_a_run_appear_in_the_cell_of_its_form(kernel: Kernel) -> None:
    page = shown(kernel, "counts --form")
    kernel.ok("1 + 1", "other")
    page.fill(n="4")
    page.click()

    for message in kernel.later(0.5):
        page.take(message)
    assert got(kernel, "form.run.state['m']") == "5"
    live = [key for key, one in page.states.items() if one.get("_model_module") == "anywidget"]
    assert [one["children"] for one in page.states.values() if one.get("children") == [f"IPY_MODEL_{live[0]}"]]
    assert "counts: completed in " in page.updates[-1]["data"]["text/plain"]
    assert "data:image/svg+xml" in page.updates[-1]["data"]["text/html"]


def test_a_form_runs_again_with_the_current_content_of_its_fields(kernel: Kernel) -> None:
    page = shown(kernel, "counts --form")
    for n in (1, 5):
        page.fill(n=str(n))
        page.click()
        assert got(kernel, "form.run.state['m']") == str(n + 1)


def test_an_error_at_the_start_is_shown_in_the_form(kernel: Kernel) -> None:
    page = shown(kernel, "counts --form --break nowhere")
    page.fill(n="1")
    page.click()

    assert page.note("Run").startswith("RunStateError: graph 'counts' has no node 'nowhere'")


def test_a_number_without_a_default_is_not_taken_for_0(kernel: Kernel) -> None:
    page = shown(kernel, "counts --form")
    page.click()
    assert page.note("n") == "a value is needed"

    page.fill(n="half")
    page.click()
    assert page.note("n").startswith("Input should be a valid integer")


def test_an_integer_retains_all_digits_given_or_typed(kernel: Kernel) -> None:
    big = 2**53 + 1
    page = shown(kernel, f"checks --form code='a' rules=[] depth={big}")
    assert page.found("depth")[1]["value"] == str(big)
    page.click()
    assert got(kernel, "form.run.initial['depth']") == str(big)

    page.fill(depth=f" {big + 2} ")
    page.click()
    assert got(kernel, "form.run.initial['depth']") == str(big + 2)

    page.fill(depth="2.5")
    page.click()
    assert page.note("depth").startswith("Input should be a valid integer")


def test_a_name_that_looks_like_tex_is_code_and_nothing_in_it_is_markup(kernel: Kernel) -> None:
    kernel.ok(
        '%%flow_graph odd\n{"name": "odd", "nodes": [{"node_id": "a", "tool": "first", "map": "$<b>$"}], "edges": []}'
    )
    labels = {one["description"]: one.get("description_allow_html") for one in shown(kernel, "odd --form").states.values()
              if one.get("description")}  # fmt: skip

    assert labels == {"<code>&#36;&#60;b&#62;&#36;</code> *": True, "Run": None}


def test_a_form_of_no_graph_is_refused(kernel: Kernel) -> None:
    assert "unknown graph 'count'; did you mean 'counts'" in kernel.run("%flow_run count --form").traceback


OPEN = "import ipywidgets\nlen(ipywidgets.widgets.widget._instances)"


def test_a_form_whose_cell_runs_again_leaves_no_widget_open(kernel: Kernel) -> None:
    shown(kernel, "checks --form", "again").fill(code="a", rules="[]")
    held = got(kernel, OPEN)

    page = shown(kernel, "checks --form", "again")
    assert got(kernel, OPEN) == held

    page.fill(code="a", rules="[]")
    page.click()
    kernel.ok("await form.run")
    shown(kernel, "checks --form", "again")
    assert got(kernel, OPEN) == held


def test_a_form_is_freed_at_the_end_of_its_run_if_its_cell_runs_again_before(kernel: Kernel) -> None:
    kernel.ok(
        "%%flow_tool\nimport asyncio\ngo = asyncio.Event()\nasync def holds(n: int = 1) -> None:\n    await go.wait()"
    )
    kernel.ok("%%flow_graph held\nholds")
    shown(kernel, "held --form", "held")
    held = got(kernel, OPEN)
    page = shown(kernel, "held --form", "held")
    page.say("Run", method="custom", content={"event": "click"})
    kernel.later(0.5)
    kernel.ok("first = form")
    shown(kernel, "held --form", "held")

    assert got(kernel, "first.run.status.value") == "'running'"
    assert int(got(kernel, OPEN)) > int(held)
    kernel.ok("go.set()\nawait first.run\nawait asyncio.sleep(0.1)")
    assert got(kernel, OPEN) == held


def test_text_printed_by_its_expressions_appears_beneath_its_cell(kernel: Kernel) -> None:
    page = shown(kernel, "checks --form")
    kernel.ok("1 + 1", "other")
    page.fill(code="a", rules="[]", extra="print('said') or 1")
    page.say("Run", method="custom", content={"event": "click"})

    said = [message for message in kernel.later(1) if message["msg_type"] == "stream"]
    assert [message["content"]["text"] for message in said] == ["said\n"]
    assert said[0]["parent_header"]["msg_id"] == page.cell
