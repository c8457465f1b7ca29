"""A part of the view alone on a page: its module and its style sheets, without the view around it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbflow.view
from nbflow.view.render import bundle

JS = Path(nbflow.view.__file__).with_name("js")
PAGE = """<!doctype html><meta charset="utf-8"><title>alone</title>
<style>
  body { margin: 0; padding: 24px; background: var(--jp-layout-color0, #fff); }
  [data-jp-theme-light='false'] { --jp-layout-color0: #111; --jp-ui-font-color1: rgb(255 255 255 / 0.9); --jp-brand-color1: #64b5f6; }
</style><body><div class="nf-root" id="root" tabindex="-1"></div>"""


class Alone:
    """A page with what `index` exports as `part`."""

    def __init__(self, page: Any, home: Path) -> None:
        self.page, self.home = page, home
        self.errors: list[str] = []
        self.external: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda r: r.url.startswith(("about:", "data:", "blob:")) or self.external.append(r.url))

    def load(self, index: str, *sheets: str, theme: str = "light", width: int = 1000) -> Alone:
        """Show an empty frame of this width (px), with the module made of `index` as `window.part`."""
        home = self.home / "js"
        shutil.copytree(JS, home, dirs_exist_ok=True)
        (home / "index.js").write_text(index, "utf-8")
        css = "\n".join((JS / f"{sheet}.css").read_text("utf-8") for sheet in ("view", *sheets))
        self.page.set_content(PAGE)
        self.page.evaluate("t => { document.body.dataset.jpThemeLight = String(t === 'light') }", theme)
        self.page.add_style_tag(content=css)
        self.page.evaluate("w => { document.getElementById('root').style.width = `${w}px` }", width)
        self.page.evaluate(
            "async esm => { window.sent = []; window.part = await import(URL.createObjectURL(new Blob([esm], { type: 'text/javascript' }))) }",
            bundle.join(home),
        )
        return self

    def frame(self) -> None:
        """Wait until what was changed is drawn."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def sent(self) -> list[Any]:
        """Return the messages that the part has sent."""
        found: list[Any] = self.page.evaluate("window.sent")
        return found
