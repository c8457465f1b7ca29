from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scenes import review, scene

from nbflow.view.render.bundle import bundle, join, packed

ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")
HARNESS = Path(__file__).with_name("harness.html")


def written(home: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (home / f"{name}.js").write_text(text, "utf-8")
    return home


def test_modules_come_in_the_order_of_their_imports_and_each_once(tmp_path: Path) -> None:
    home = written(
        tmp_path,
        index="import { b } from './b.js';\nimport { a } from './a.js';\nexport default b(a);\n",
        b="import { a as one } from './a.js';\nexport const b = (x) => x + one;\n",
        a="export const a = 1;\n",
    )
    text = join(home)
    assert re.findall(r"const m_(\w+) =", text) == ["a", "b"]
    assert text.rstrip().endswith("export default b(a);")
    assert "const { a: one } = m_a;" in text


@pytest.mark.skipif(NODE is None, reason="there is no node here")
def test_two_modules_may_use_the_same_name(tmp_path: Path) -> None:
    home = written(
        tmp_path,
        index="import { a } from './a.js';\nimport { b } from './b.js';\nconsole.log(a(), b());\nexport default 1;\n",
        a="// a note\nconst same = 'A';\nexport function a() {\n  return same;\n}\n",
        b="const same = 'B';\n/** What it does. */\nexport const b = () => same;\n",
    )
    command = [NODE or "", "--input-type=module", "-"]
    done = subprocess.run(command, input=join(home), text=True, capture_output=True, check=True)
    assert done.stdout.split() == ["A", "B"]


@pytest.mark.parametrize("line", ["export default 1;", "export { a };", "import a from './a.js';", "import './a.js';"])
def test_a_form_that_cannot_be_joined_is_refused_by_name(tmp_path: Path, line: str) -> None:
    home = written(tmp_path, index="import { b } from './b.js';\n", b=f"{line}\n", a="export const a = 1;\n")
    with pytest.raises(ValueError, match=r"b\.js: .*is not supported"):
        join(home)


def test_modules_that_import_each_other_are_refused(tmp_path: Path) -> None:
    home = written(
        tmp_path,
        index="import { a } from './a.js';\n",
        a="import { b } from './b.js';\nexport const a = b;\n",
        b="import { a } from './a.js';\nexport const b = a;\n",
    )
    with pytest.raises(ValueError, match="index -> a -> b -> a"):
        join(home)


def test_the_view_is_one_module_without_imports() -> None:
    esm, _ = bundle()
    assert not re.search(r"^import\b|\bimport\(", esm, re.MULTILINE)
    assert "export default" in esm


def test_what_travels_with_each_widget_is_small() -> None:
    assert sum(len(part.encode()) for part in packed()) < 150_000


@pytest.mark.browser
def test_the_view_unpacks_itself_in_the_browser(view: Any) -> None:
    view.page.set_content(HARNESS.read_text("utf-8"))
    view.page.evaluate("([esm, css]) => harness.load(esm, css)", list(packed()))
    view.page.evaluate("messages => harness.mount(messages)", [scene(review())])
    view.page.wait_for_selector('.nf-svg [data-n="fetch_pr"]')
    assert view.page.evaluate("typeof harness.module.default.render") == "function"


def test_the_view_never_parses_text_as_html_and_never_names_a_network_address() -> None:
    esm, css = bundle()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", esm)
    assert set(re.findall(r"https?://[^'\s]+", esm + css)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in css
    assert "@import" not in css


@pytest.mark.slow
@pytest.mark.skipif(NODE is None, reason="there is no node here")
def test_the_pure_parts_keep_their_rules() -> None:
    done = subprocess.run([NODE or "", "--test", "tests/js/"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
