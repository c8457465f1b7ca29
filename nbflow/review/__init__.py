"""Code review: tools for Python sources, and two graphs that use them.

The tools are plain functions: they take their arguments by name from the state and return the keys to add.

Invariant: this package uses only public names of nbflow. Importing it imports neither radon nor ruff, which the extra
`review` installs.
"""

from collections.abc import Callable
from typing import Any

from nbflow.review.complexity import check_complexity, find_hotspots
from nbflow.review.linter import apply_fixes, detect_issues
from nbflow.review.source import list_sources, read_source
from nbflow.review.structure import extract_functions
from nbflow.review.suggestions import findings_table, suggest_improvements

__all__ = [
    "CODE_REVIEW",
    "REVIEW",
    "TOOLS",
    "apply_fixes",
    "check_complexity",
    "detect_issues",
    "extract_functions",
    "find_hotspots",
    "findings_table",
    "list_sources",
    "read_source",
    "suggest_improvements",
]

TOOLS: dict[str, Callable[..., Any]] = {
    "apply_fixes": apply_fixes,
    "check_complexity": check_complexity,
    "detect_issues": detect_issues,
    "extract_functions": extract_functions,
    "find_hotspots": find_hotspots,
    "list_sources": list_sources,
    "read_source": read_source,
    "suggest_improvements": suggest_improvements,
}

CODE_REVIEW = """\
extract_functions -> check_complexity -> detect_issues
detect_issues -> apply_fixes if fixable > 0 else suggest_improvements
apply_fixes -> detect_issues [max=5]
apply_fixes -> suggest_improvements on error     # limit reached: continue with the remaining issues
"""

REVIEW = """\
entry extract_functions
extract_functions -> check_complexity & detect_issues -> findings      # side by side, then joined
findings = pass
findings -> apply_fixes if fixable > 0
apply_fixes -> extract_functions [max=5]                               # measure the changed text again
apply_fixes -> recheck on error                                        # limit reached: continue with what remains
recheck = detect_issues
findings & recheck -> find_hotspots if max_complexity > 10 else suggest_improvements
find_hotspots -> suggest_improvements
"""
