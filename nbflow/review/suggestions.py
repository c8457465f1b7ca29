"""Turn findings into suggestions: what to change, where, and why.

Invariant: the reason for a rule is taken from ruff's documentation, and the numbers from radon.
"""

import json
import re
from functools import cache
from typing import Any

from nbflow.review.linter import SYNTAX, run_ruff
from nbflow.review.structure import NO_FILE, lines_by_name

MAINTAINABLE = 20.0  # radon ranks an index below it B or C


def suggest_improvements(
    issues: list[dict[str, Any]],
    code: str | None = None,
    path: str | None = None,
    complexity: list[dict[str, Any]] | None = None,
    maintainability: float | None = None,
    hotspots: list[dict[str, Any]] | None = None,
    complexity_limit: int = 10,
) -> dict[str, Any]:
    """Make a suggestion for each finding: what to change, where, and why.

    Args:
        issues: The issues of `detect_issues`.
        code: The current source; functions that a fix has moved since they were measured are found in it by name.
        path: The file name to report.
        complexity: The rows of `check_complexity`.
        maintainability: Radon's index of the whole source.
        hotspots: The rows of `find_hotspots`.
        complexity_limit: The highest acceptable cyclomatic complexity.

    Returns:
        `suggestions`, sorted by file and line: rows of `file`, `line`, `rule`, `finding`, `change`, `why`, `fix` (that
        of ruff, or None) and `example` (code in the recommended form, or None).

    Raises:
        ImportError: ruff is not installed and there are issues to explain.
    """
    rows = [_for_issue(issue) for issue in issues]
    measured = _relocated(complexity or [], code)
    parts = {(spot["name"], spot["line"]): spot["part"] for spot in hotspots or []}
    rows += [
        _for_function(row, parts.get((row["name"], row["line"])), complexity_limit)
        for row in measured
        if row["complexity"] > complexity_limit
    ]
    if maintainability is not None and maintainability < MAINTAINABLE:
        rows.append(_for_module(maintainability, path))
    return {"suggestions": sorted(rows, key=lambda row: (row["file"], row["line"], row["rule"], row["finding"]))}


def findings_table(suggestions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one flat row per suggestion, ready for `pandas.DataFrame`.

    Columns: `file`, `line`, `rule`, `finding`, `change`, `why`, and `fix`: `safe`, `unsafe` or empty.
    """
    kinds = {True: "safe", False: "unsafe"}
    columns = ("file", "line", "rule", "finding", "change", "why")
    return [
        {**{column: row[column] for column in columns}, "fix": kinds[row["fix"]["safe"]] if row["fix"] else ""}
        for row in suggestions
    ]


def _for_issue(issue: dict[str, Any]) -> dict[str, Any]:
    if issue["rule"] == SYNTAX:
        why, example = "Python cannot run a source that does not parse, and most checks cannot read it.", None
    else:
        why, example = _documentation().get(issue["rule"], (issue["message"], None))
    change = (issue["fix"] or {}).get("message") or issue["message"]
    row = {"file": issue["file"], "line": issue["line"], "rule": issue["rule"], "finding": issue["message"]}
    return {**row, "change": change, "why": why, "fix": issue["fix"], "example": example}


def _for_function(row: dict[str, Any], part: dict[str, Any] | None, limit: int) -> dict[str, Any]:
    change = f"split it into functions of at most {limit}"
    if part:
        change = (
            f"move the {part['kind']} block of lines {part['line']} to {part['end_line']} "
            f"({part['decisions']} decisions) into a function of its own"
        )
    return {
        "file": row["file"],
        "line": row["line"],
        "rule": "complexity",
        "finding": f"{row['name']} has a cyclomatic complexity of {row['complexity']} (rank {row['rank']})",
        "change": change,
        "why": f"{row['complexity']} independent paths lead through it, and each must be understood and tested.",
        "fix": None,
        "example": None,
    }


def _for_module(index: float, path: str | None) -> dict[str, Any]:
    return {
        "file": path or NO_FILE,
        "line": 1,
        "rule": "maintainability",
        "finding": f"the maintainability index is {index:g} of 100",
        "change": "split the file into modules of one duty each",
        "why": "The index falls with the volume, the number of branches and the length of a file.",
        "fix": None,
        "example": None,
    }


def _relocated(measured: list[dict[str, Any]], code: str | None) -> list[dict[str, Any]]:
    """Return the measured functions with their current lines: a fix that removes a line moves all functions below."""
    lines = lines_by_name(code) if code is not None else {}
    seen: dict[str, int] = {}
    moved = []
    for row in measured:
        ordinal = seen.get(row["name"], 0)
        seen[row["name"]] = ordinal + 1
        moved.append({**row, "line": lines.get((row["name"], ordinal), row["line"])})
    return moved


@cache
def _documentation() -> dict[str, tuple[str, str | None]]:
    """Return for each rule the reason and an example of the recommended form, read once from ruff's documentation."""
    rules = json.loads(run_ruff("rule", "--all", "--output-format=json").stdout)
    texts = ((rule["code"], rule["explanation"] or "", rule["summary"]) for rule in rules)
    return {code: (_why(text) or summary, _example(text)) for code, text, summary in texts}


def _why(explanation: str, enough: int = 160) -> str:
    """Return the first paragraphs of ruff's section "Why is this bad?", at least `enough` characters if there are.

    A code block ends the text.
    """
    section = re.search(r"^## Why is this bad\?\n(.*?)(?=^#|^```|\Z)", explanation, re.MULTILINE | re.DOTALL)
    text = ""
    for paragraph in section.group(1).split("\n\n") if section else ():
        if len(text) < enough:
            text = f"{text} {' '.join(paragraph.split())}".strip()
    return text


def _example(explanation: str) -> str | None:
    block = re.search(r"^Use instead:\s*```\w*\n(.*?)^```", explanation, re.MULTILINE | re.DOTALL)
    return block.group(1).rstrip() if block else None
