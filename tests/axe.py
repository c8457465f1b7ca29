"""Check a part of a page with axe-core: all rules for WCAG A and AA, the experimental ones, and the best practices.

The only rule for AAA alone requires a contrast of 7 to 1. Muted text has AA's 4.5 to 1 on purpose.

`NBFLOW_AXE` names the file of axe-core; the default is the file that `.ci/run` installs. Without axe-core, tests skip.
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
    """Return axe's violations, of every impact, in the elements of a selector."""
    if not AXE.is_file():
        pytest.skip(f"axe-core is not installed: npm install --no-save --prefix {HERE.parents[2].name} axe-core@4")
    page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = page.evaluate(RUN, where)
    return found
