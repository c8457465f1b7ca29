"""Find and fix issues in Python sources by ruff, in a subprocess.

Invariant: the result depends only on the text, the selected rules and the installed ruff; no configuration file,
environment variable or neighbouring file affects it. No other module of this package starts a process.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import PurePath
from typing import Any

from nbflow.errors import ToolError
from nbflow.errors.extras import needs
from nbflow.review.source import writable, write_source
from nbflow.review.structure import NO_FILE, parse

# Import order (I) and line length (E501) are left out: they depend on settings of the project.
DEFAULT_RULES = "E4,E7,E9,W,F,B,C4,PERF,PIE,RET,SIM,UP"
SYNTAX = "invalid-syntax"
TIMEOUT = 60.0  # seconds; ruff takes milliseconds for a file, so a process that takes longer hangs


def detect_issues(code: str, path: str | None = None, select: str = DEFAULT_RULES) -> dict[str, Any]:
    """List the issues that ruff finds in a source.

    If the source does not parse, its syntax errors are among the issues, and `fixable` is 0.

    Args:
        code: The Python source.
        path: The file name to report; some rules differ for `__init__.py` and `.pyi`.
        select: The codes of ruff's rules to check, separated by commas.

    Returns:
        `issues`, sorted by line and column: rows of `file`, `line`, `column`, `rule`, `name`, `message`, `url` and
        `fix` (None, or a dict of `message`, `safe` and ruff's `edits`); `fixable`, the number of issues that
        `apply_fixes` can fix.

    Raises:
        ImportError: ruff is not installed.
        ToolError: ruff failed, for example because `select` has an unknown rule.
    """
    # A lone surrogate is a syntax error in itself; replaced by "?", it does not prevent ruff from checking the rest.
    answer = _check(code.encode(errors="replace"), path, select, "--output-format=json")
    issues = [_issue(found, path) for found in json.loads(answer.stdout or b"[]")]
    fault = parse(code, path)
    broken = any(issue["rule"] == SYNTAX for issue in issues)
    if isinstance(fault, dict) and not broken:
        issues.append({**fault, "rule": SYNTAX, "name": SYNTAX, "url": None, "fix": None})
        broken = True
    issues.sort(key=lambda issue: (issue["line"], issue["column"], issue["rule"], issue["message"]))
    safe = [issue for issue in issues if issue["fix"] and issue["fix"]["safe"]]
    return {"issues": issues, "fixable": 0 if broken else len(safe)}


def apply_fixes(
    code: str,
    path: str | None = None,
    select: str = DEFAULT_RULES,
    fixable: int = 0,
    fixes_applied: list[dict[str, Any]] | None = None,
    write: bool = False,
) -> dict[str, Any]:
    """Apply ruff's safe fixes to the source; with `write=True` to the file too.

    Args:
        code: The Python source.
        path: The file name; required with `write`.
        select: The codes of ruff's rules to fix, as passed to `detect_issues`.
        fixable: The number of fixable issues that `detect_issues` reported.
        fixes_applied: The fixes of earlier rounds.
        write: Replace the file, if it contains `code` and is not part of a Python installation.

    Returns:
        `code`, the fixed source; `fixes_applied`, rows of `file`, `rule`, `name` and `count`, including those of
        earlier rounds.

    Raises:
        ImportError: ruff is not installed.
        OSError: The file cannot be written.
        ToolError: `fixable` is positive and ruff fixed nothing; the file is part of an installation or contains another
            text; or ruff failed.
    """
    if not isinstance(write, bool):
        raise ToolError(f"write must be True or False, not {write!r}")
    target = writable(path) if write else None
    try:
        source = code.encode()
    except UnicodeEncodeError as error:
        raise ToolError(f"{path or NO_FILE} is not Unicode text, so nothing in it was fixed: {error}") from error
    answer = _check(source, path, select, "--fix-only", "--show-fixes", "--output-format=concise")
    if answer.stdout == source:
        if fixable > 0:
            raise ToolError(_no_progress(answer.stderr.decode(), path, fixable))
        return {"code": code, "fixes_applied": list(fixes_applied or [])}
    fixed = answer.stdout.decode()
    if target:
        write_source(target, code, fixed)
    return {"code": fixed, "fixes_applied": _sum_fixes(fixes_applied or [], answer.stderr.decode(), path)}


def _check(source: bytes, path: str | None, select: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    fixed = ("--isolated", "--no-cache", "--exit-zero", "-")
    version = f"--target-version=py{sys.version_info.major}{sys.version_info.minor}"  # as `parse` reads it
    name = f"--stdin-filename={_stand_in(path)}"
    return run_ruff("check", *fixed, version, name, f"--select={select}", *options, stdin=source)


def _stand_in(path: str | None) -> str:
    """Return a file name that shows ruff the kind of the file and nothing else; it skips unknown suffixes."""
    given = PurePath(path or "")
    return "__init__.py" if given.name == "__init__.py" else f"code{'.pyi' if given.suffix == '.pyi' else '.py'}"


def run_ruff(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ruff in an empty directory, without colours in its output.

    Raises:
        ImportError: ruff is not installed.
        ToolError: ruff exited with a status other than 0, or took longer than `TIMEOUT`.
    """
    environment = {**os.environ, "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory() as empty:  # import sorting reads the neighbours of a file
        try:
            answer = subprocess.run(  # noqa: S603 - the binary of the installed package; no shell, text on stdin
                [_binary(), *arguments], input=stdin, capture_output=True, timeout=TIMEOUT, cwd=empty, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise ToolError(f"ruff did not answer in {TIMEOUT:g} s and was stopped; review smaller files") from error
    if answer.returncode:
        message = answer.stderr.decode(errors="replace").strip()
        raise ToolError(f"ruff exited with status {answer.returncode}: {message or 'no message'}")
    return answer


@cache
def _binary() -> str:
    try:
        from ruff import find_ruff_bin  # type: ignore[import-untyped]

        return os.fsdecode(find_ruff_bin())
    except (ImportError, FileNotFoundError) as error:
        raise ImportError(needs("finding issues", "review")) from error


def _issue(found: dict[str, Any], path: str | None) -> dict[str, Any]:
    fix = found["fix"]
    rule = found["code"] or SYNTAX
    return {
        "file": path or NO_FILE,
        "line": found["location"]["row"],
        "column": found["location"]["column"],
        "rule": rule,
        "name": found.get("name") or rule,
        "message": found["message"],
        "url": found["url"],
        "fix": fix and {"message": fix["message"], "safe": fix["applicability"] == "safe", "edits": fix["edits"]},
    }


def _sum_fixes(earlier: list[dict[str, Any]], output: str, path: str | None) -> list[dict[str, Any]]:
    """Add the counts in ruff's output, lines of count, sign, rule and (name), to those of earlier rounds."""
    rows = {row["rule"]: dict(row) for row in earlier}
    for count, rule, name in re.findall(r"^\s+(\d+) \S (\S+)(?: \(([^)\n]+)\))?$", output, re.MULTILINE):
        row = rows.setdefault(rule, {"file": path or NO_FILE, "rule": rule, "name": name or rule, "count": 0})
        row["count"] += int(count)
    return sorted(rows.values(), key=lambda row: str(row["rule"]))


def _no_progress(output: str, path: str | None, fixable: int) -> str:
    return (
        f"detect_issues reported {fixable} fixable issues in {path or NO_FILE}, and ruff fixed none of them: "
        f"{output.strip() or 'no message'}; pass the same 'select' to both tools, or fix the source by hand"
    )
