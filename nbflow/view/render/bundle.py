"""Bundle the front end of the live view into two strings: one ES module and one style sheet.

There is no build step and no npm package. The modules in `js/` are joined at run time, in the order of their imports.
Each becomes a function scope, so two modules may use the same name. Comments and indentation are removed by regular
expressions, so no module may contain a string of several lines. Each widget sends the whole bundle to the page, so a
gzip-compressed form exists too (`packed`).

Invariant: the bundle depends only on the files in `js/`.
"""

from __future__ import annotations

import base64
import gzip
import re
from functools import cache
from pathlib import Path

_HOME = Path(__file__).parent.parent / "js"
_ENTRY = "index"
_SHEETS = ("view", "graph", "cells", "slider", "log", "timeline", "state", "form", "steering")
_IMPORT = re.compile(r"^import \{([^}]*)\} from '\./(\w+)\.js';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
_NOTES = re.compile(r"^ *//[^\n]*\n|^ */\*\*.*?\*/\n|^ +|^\n", re.MULTILINE | re.DOTALL)
_STYLE_NOTES = re.compile(r"/\*.*?\*/\n?|^ +|^\n", re.MULTILINE | re.DOTALL)
_UNPACKS = """\
const bytes = Uint8Array.from(atob('PACKED'), (letter) => letter.charCodeAt(0));
const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
const blob = new Blob([await new Response(text).blob()], { type: 'text/javascript' });
const url = URL.createObjectURL(blob);
const module = await import(url);
URL.revokeObjectURL(url);
export const { mount } = module;
export default module.default;
"""
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


@cache
def bundle() -> tuple[str, str]:
    """Return the front end's ES module and its style sheet."""
    sheets = "\n".join((_HOME / f"{name}.css").read_text("utf-8") for name in _SHEETS)
    return join(_HOME), _STYLE_NOTES.sub("", sheets)


@cache
def packed() -> tuple[str, str]:
    """Return the bundle for widgets: a compressed module that unpacks itself in the browser, and the style sheet."""
    module, sheet = bundle()
    squeezed = base64.b64encode(gzip.compress(module.encode(), mtime=0)).decode()
    return _UNPACKS.replace("PACKED", squeezed), sheet


def join(home: Path) -> str:
    """Return the modules of a directory as one module, which exports what `index.js` exports.

    Raises:
        ValueError: A module uses an unsupported form of import or export, or modules import each other.
    """
    joined: dict[str, str] = {}
    _add(_ENTRY, home, joined, ())
    return "\n".join(joined.values())


def _add(name: str, home: Path, joined: dict[str, str], above: tuple[str, ...]) -> None:
    if name in joined:
        return
    if name in above:
        raise ValueError(f"modules import each other: {' -> '.join((*above, name))}; move what both need to a third")
    text = (home / f"{name}.js").read_text("utf-8")
    for found in _IMPORT.finditer(text):
        _add(found[2], home, joined, (*above, name))
    body = _IMPORT.sub(lambda found: f"const {{{found[1].replace(' as ', ': ')}}} = m_{found[2]};\n", text)
    joined[name] = _NOTES.sub("", body if name == _ENTRY else _scoped(name, body))


def _scoped(name: str, body: str) -> str:
    exported = [found[1] for found in _EXPORT.finditer(body)]
    body = _EXPORT.sub("", body)
    if left := _LEFT.search(body):
        raise ValueError(
            f"{name}.js: {left[0]!r} is not supported; write import {{ a }} from './x.js'; and export a declaration"
        )
    return f"const m_{name} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"
