"""Completes the names that magics take: graphs, and ids of runs.

Rule: a magic's first word is completed by what it can be, and nothing else is offered there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from nbflow import session

_MOST = 50
_LINE = re.compile(r"[^#]*%{1,2}(flow_run|flow_resume|flow_show)\s+\S*$")


class Completion:
    """A matcher for IPython's completer."""

    def __init__(self, shell: Any) -> None:
        self._completer = shell.Completer
        self._matcher: Callable[[CompletionContext], SimpleMatcherResult] = context_matcher(identifier="nbflow")(_match)

    def install(self) -> None:
        """Begin to offer names."""
        self._completer.custom_matchers.append(self._matcher)

    def uninstall(self) -> None:
        """Offer none any longer."""
        self._completer.custom_matchers.remove(self._matcher)


def _match(context: CompletionContext) -> SimpleMatcherResult:
    found = _LINE.match(context.line_with_cursor[: context.cursor_position])
    if found is None:
        return {"completions": []}
    graphs = {} if found[1] == "flow_resume" else dict.fromkeys(session.graphs(), "graph")
    runs = {} if found[1] == "flow_run" else {row.id: "run" for row in session.runs(limit=_MOST)}
    names = [(name, kind) for name, kind in (graphs | runs).items() if name.startswith(context.token)]
    return {
        "completions": [SimpleCompletion(text=name, type=kind) for name, kind in names],
        "ordered": True,  # runs stand newest first
        "suppress": True,
    }
