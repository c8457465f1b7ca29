"""The texts of the product use plain technical English: docstrings, comments, messages, pages and notebooks.

The tables list phrases that are never right in these texts, each with its replacement. A replacement in `TERMS` is a
term of docs/glossary.md.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
TERMS = {
    r"go(?:es|ing|ne)? on with|went on with": "resume",
    r"let(?:s|ting)? go of": "release",
    r"made once more": "recompute",
    r"where (?:it|one|they) stands?": "status",
}
PLAIN = {
    r"anew": "again",
    r"begun": "started",
    r"mend(?:s|ed|ing)?": "fix or repair",
    r"(?:come|comes|came|coming) to (?:its|their|an) end": "end",
    r"as (?:it|they) (?:stands?|stood)": "unchanged, or the current one",
    r"who(?:so)?ever|whence|thereof|therein": "the name of the person or thing",
    r"for want of": "without",
    r"save for": "except for",
    r"(?:is|are|be) to be had": "is available",
}
HEADLESS = re.compile(r"(?:What|Who|Whose|How|Which)\b[^?]*?(?:[.:](?:\s|$)|$)")
"""A docstring that opens with a relative clause, which names nothing. A question is not such an opening."""
CODE = re.compile(r"`[^`\n]*`")
PROSE = re.compile(r"(?:[a-z]{2,}[ ,;:]+){3}[a-z]{2,}")
TURNS = [(re.compile(rf"\b(?:{turn})\b", re.IGNORECASE), cure) for turn, cure in (TERMS | PLAIN).items()]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Text(NamedTuple):
    """A text of a file, and the line on which it starts."""

    line: int
    text: str
    is_docstring: bool = False


def texts_of(path: Path) -> Iterator[Text]:
    """Yield the texts of a module, a notebook or a page."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _texts_of_module(source)
    elif path.suffix == ".ipynb":
        cells = enumerate(json.loads(source)["cells"], 1)
        yield from (Text(number, "".join(cell["source"])) for number, cell in cells if cell["cell_type"] == "markdown")
    else:
        yield Text(1, source)


def _texts_of_module(source: str) -> Iterator[Text]:
    """Yield the docstrings, the strings of several words and the comments, each with its line."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, DOCUMENTED) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and PROSE.search(node.value):
            yield Text(node.lineno, node.value, id(node) in docstrings)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(token.start[0], token.string)


def faults_of(text: Text) -> Iterator[tuple[int, str]]:
    """Yield the line and the description of each phrase that needs another wording."""
    for turn, cure in TURNS:
        for found in turn.finditer(CODE.sub(lambda code: "-" * len(code.group()), text.text)):
            yield text.line + text.text.count("\n", 0, found.start()), f"{found.group()!r} -> {cure!r}"
    opening = HEADLESS.match(text.text.lstrip()) if text.is_docstring else None
    if opening is not None:
        yield text.line, f"{opening.group().strip()[:60]!r} -> name the thing, or start with the verb"


def _files() -> list[Path]:
    patterns = ("nbflow/**/*.py", "docs/*.md", "*.md", "notebooks/*.ipynb")
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_texts_use_the_words_of_the_glossary(path: Path) -> None:
    faults = sorted({fault for text in texts_of(path) for fault in faults_of(text)})
    name = path.relative_to(ROOT).as_posix()

    assert not faults, "\n".join(f"{name}:{line}: {fault}" for line, fault in faults)


def test_replacements_are_terms_of_the_glossary() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")

    assert set(TERMS.values()) <= set(re.findall(r"^### (.+)$", glossary, re.MULTILINE))


def test_faults_name_the_line_the_phrase_and_the_replacement() -> None:
    docstring = '"""What is stored.\n\nIt is computed anew by all parts of it.\n"""\n'

    faults = [fault for text in _texts_of_module(docstring) for fault in faults_of(text)]

    assert faults == [(3, "'anew' -> 'again'"), (1, "'What is stored.' -> name the thing, or start with the verb")]
