"""The README's commands for a served notebook, unchanged, and a notebook that its kernel serves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from served import TOKEN, serving

import nbflow

ROOT = Path(nbflow.__file__).parents[1]
README = ROOT / "README.md"


def commands() -> str:
    """Return the README's block of commands for a client."""
    found = re.search(r"<!-- curl -->\n```bash\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_readmes_commands_review_a_file_that_curl_sends(tmp_path: Path) -> None:
    book = tmp_path / "code_review.ipynb"
    shutil.copy(ROOT / "notebooks" / book.name, book)
    (tmp_path / "nbflow" / "session").mkdir(parents=True)
    (tmp_path / "nbflow" / "session" / "session.py").write_text(
        "import os\n\n\ndef f(a):\n    if a == None:\n        return True\n    return False\n"
    )
    with serving(book) as server:
        script = commands().replace("8765", str(server.port))
        environment = {**os.environ, "NBFLOW_TOKEN": TOKEN}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
    for told in (
        '"event":"execution_complete"',
        '"status":"completed"',
        "suggestions",
        '"next":null',
        '"id":"Count"',
        '"state_schema"',
    ):
        assert told in done.stdout
    assert "unused-import" in done.stdout or "F401" in done.stdout
