"""A page of the bundle in Chromium, driven by a scripted kernel; no server, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scenes import NOW

from nbflow.view.render.bundle import bundle

HARNESS = Path(__file__).with_name("harness.html")


class Shown:
    """A mounted view: the page, and what a test asks of it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.external: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda r: r.url.startswith(("about:", "data:", "blob:")) or self.external.append(r.url))

    def mount(self, *messages: Any, theme: str | None = None, **options: Any) -> Shown:
        self.page.set_content(HARNESS.read_text("utf-8"))
        if theme:
            self.page.evaluate("t => { document.body.dataset.jpThemeLight = String(t === 'light') }", theme)
        self.page.evaluate("([esm, css]) => harness.load(esm, css)", list(bundle()))
        self.page.evaluate("now => harness.startClock(now)", NOW)
        # As text: the browser's driver takes seconds over the values of ten thousand nodes.
        self.page.evaluate(
            "([text, options]) => harness.mount(JSON.parse(text), options)", [json.dumps(messages), options]
        )
        self.page.evaluate("() => harness.frame()")
        return self

    def push(self, *messages: Any) -> None:
        self.page.evaluate("text => harness.push(...JSON.parse(text))", json.dumps(messages))

    def sent(self, kind: str) -> list[Any]:
        found: list[Any] = self.page.evaluate("kind => harness.sent.filter(m => m.type === kind)", kind)
        return found

    def node(self, name: str) -> Any:
        return self.page.locator(f'.nf-svg [data-n="{name}"]')

    def text(self, selector: str) -> str:
        return " ".join(str(self.page.locator(selector).inner_text()).split())


@pytest.fixture
def view(browser: Any) -> Iterator[Shown]:
    context = browser.new_context(viewport={"width": 1048, "height": 640}, device_scale_factor=1.5)
    shown = Shown(context.new_page())
    yield shown
    context.close()
    assert shown.errors == []
    assert shown.external == []
