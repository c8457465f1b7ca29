"""axe-core over a part of a page, with every rule it has for WCAG A and AA, its experimental ones, and its practices.

What it has for AAA alone is contrast of 7 to 1, which muted words are not to have; they have AA's 4.5 to 1.

It is looked for in `NBFLOW_AXE`, else where `.ci/run` installs it; without it the tests that ask for it are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parents[1] / ".axe" / "node_modules" / "axe-core" / "axe.min.js"
AXE = Path(os.environ.get("NBFLOW_AXE") or HERE)
RUN = """async where => {
  const wanted = axe.getRules().filter(({ tags }) => !tags.includes('wcag2aaa'));
  const rules = Object.fromEntries(wanted.map(({ ruleId }) => [ruleId, { enabled: true }]));
  const { violations } = await axe.run(where, { rules, resultTypes: ['violations'] });
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${impact} ${id}: ${html.slice(0, 200)}: ${failureSummary}`));
}"""


def faults(page: Any, where: str) -> list[str]:
    """Return what axe finds wrong with the elements of a selector, of whatever impact."""
    if not AXE.is_file():
        pytest.skip(f"axe-core is not installed: npm install --no-save --prefix {HERE.parents[2].name} axe-core@4")
    page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = page.evaluate(RUN, where)
    return found
