"""Completion on the lines of magics, in the kernel's replies to a page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernels import Kernel

DEFINE = """%%flow_tool
import asyncio
from nbflow import ask
from pydantic import BaseModel
class Verdict(BaseModel):
    severity: str
    lines: int
def fetch(pages: int, source: str = "web") -> dict: return {"rows": [source] * pages}
def score(rows: list, bonus: float = 0) -> dict: return {"score": len(rows) + bonus}
async def ship() -> dict: return {"shipped": await ask("Ship it?", choices=["yes", "as draft"])}
async def judge() -> dict: return {"verdict": await ask(schema=Verdict)}
def once() -> int: return 1
"""
WAIT = "\nwhile not run.asking: await asyncio.sleep(0.01)\nprint(run.id)"


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("notebook")
    kernel = Kernel({"NBFLOW_DURABILITY": "async", "NBFLOW_DETERMINISTIC": ""}, folder)
    kernel.ok("%load_ext nbflow")
    kernel.ok(DEFINE)
    kernel.ok("%%flow_graph review\nfetch -> score")
    kernel.ok("%%flow_graph report\nonce -> inner\ninner = graph review")
    kernel.ok("%%flow_graph ships\nonce -> ship")
    kernel.ok("%%flow_graph judges\njudge -> once")
    kernel.ok("done = %flow_run review pages=2")
    yield kernel
    kernel.close()


def completed(kernel: Kernel, text: str) -> list[str]:
    """Complete the text at `|`; return its last line with each match inserted."""
    before, _, after = text.partition("|")
    kernel.client.complete(before + after, len(before))
    content = kernel.client.get_shell_msg(timeout=300)["content"]
    assert content["status"] == "ok"
    return [(before[: content["cursor_start"]] + match).splitlines()[-1] for match in content["matches"]]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("%flow_run re|", ["%flow_run review", "%flow_run report"]),
        ("x = %flow_run rev|", ["x = %flow_run review"]),
        ("if True:\n    a, b = %flow_run rev|", ["    a, b = %flow_run review"]),
        ("n = 1\n%flow_show rev|\nm = 2", ["%flow_show review"]),
        ("%%flow_run rev|\nn = 1", ["%%flow_run review"]),
        ("%%flow_graph rev|\nfetch -> score", ["%%flow_graph review"]),
        ("%flow_runs --graph rev|", ["%flow_runs --graph review"]),
        ("%flow_run --no-cache rev|", ["%flow_run --no-cache review"]),
        ("%flow_graphs --load review|", ["%flow_graphs --load review@1"]),
        ("%flow_graphs --load review@|", ["%flow_graphs --load review@1"]),
        ("%%flow_tool fe|\ndef fetch(): ...\nasync def fee(): ...", ["%%flow_tool fetch", "%%flow_tool fee"]),
    ],
)
def test_names_are_completed_at_every_position_of_a_magic(keeping: Kernel, text: str, lines: list[str]) -> None:
    assert completed(keeping, text) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("%flow_run review --dur|", ["%flow_run review --durability"]),
        ("%flow_run review pages=1 --no|", ["%flow_run review pages=1 --no-cache"]),
        ("%flow_run review --no-cache --no|", []),
        ("%flow_run review --break fetch --bre|", ["%flow_run review --break fetch --break"]),
        ("%flow_run review \\\n    --dur|", ["    --durability"]),
        ("%flow_run review --durability |", [f"%flow_run review --durability {to}" for to in ("sync", "async", "off")]),
        ("%flow_runs --status fa|", ["%flow_runs --status failed"]),
        ("x = %flow_resume --fr|", ["x = %flow_resume --from"]),
        ("%flow_answer --no|", ["%flow_answer --node"]),
        ("%flow_graphs --fo|", ["%flow_graphs --force"]),
        ("%%flow_tool --executor th|\ndef a(): ...", ["%%flow_tool --executor thread"]),
    ],
)
def test_options_and_their_values_are_completed(keeping: Kernel, text: str, lines: list[str]) -> None:
    assert completed(keeping, text) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("%flow_run review pa|", ["%flow_run review pages="]),
        ("%flow_run review pages=max(1, 2) b|", ["%flow_run review pages=max(1, 2) bonus="]),
        ("%flow_run review pages=1 pag|", []),
        ("%flow_resume --from score bo|", ["%flow_resume --from score bonus="]),
        ("%flow_resume --from score ro|", ["%flow_resume --from score rows="]),
        ("%%flow_run review source='x'\npag|", ["pages = "]),
    ],
)
def test_the_keys_that_a_graph_needs_and_that_are_not_given_are_completed(
    keeping: Kernel, text: str, lines: list[str]
) -> None:
    assert [line for line in completed(keeping, text) if line.rstrip().endswith("=")] == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("%flow_run review --break |", ["%flow_run review --break fetch", "%flow_run review --break score"]),
        ("%flow_run report --break inner/s|", ["%flow_run report --break inner/score"]),
        ("%flow_resume RUN --from s|", ["%flow_resume RUN --from score"]),
        ("%flow_resume --from s|", ["%flow_resume --from score"]),
        ("%flow_resume RU|N", ["%flow_resume RUN"]),
    ],
)
def test_completed_nodes_belong_to_the_graph_or_run_of_the_line(keeping: Kernel, text: str, lines: list[str]) -> None:
    run = keeping.ok("print(done.id)").stdout.strip()
    text = text.replace("RU|N", f"{run[:5]}|").replace("RUN", run)

    assert completed(keeping, text) == [line.replace("RUN", run) for line in lines]


@pytest.mark.parametrize(
    ("graph", "text", "lines"),
    [
        ("ships", "%flow_answer |", ["%flow_answer yes", '%flow_answer "as draft"']),
        ("ships", '%flow_answer "as|', ['%flow_answer "as draft"']),
        ("ships", "%flow_answer yes --node |", ["%flow_answer yes --node ship"]),
        ("ships", "%flow_answer yes --run |", ["%flow_answer yes --run RUN"]),
        ("ships", "%flow_cancel |", ["%flow_cancel RUN"]),
        ("judges", "%flow_answer |", ["%flow_answer severity=", "%flow_answer lines="]),
        ("judges", "%flow_answer lines=1 |", ["%flow_answer lines=1 severity="]),
    ],
)
def test_an_active_run_is_completed_with_its_questions(
    keeping: Kernel, graph: str, text: str, lines: list[str]
) -> None:
    run = keeping.ok(f"run = %flow_run {graph} --background{WAIT}").stdout.strip()

    try:
        found = [line for line in completed(keeping, text) if not line.split()[-1].startswith("--")]
        assert found == [line.replace("RUN", run) for line in lines]
    finally:
        keeping.ok("%flow_cancel\nawait run.wait()")


@pytest.mark.parametrize(
    "text",
    [
        "%flow_run review pages=don|",  # an expression is Python's to complete
        "%flow_run review pages=max(don|",
    ],
)
def test_in_an_expression_python_names_are_completed(keeping: Kernel, text: str) -> None:
    assert text.replace("don|", "done") in completed(keeping, text)


@pytest.mark.parametrize(
    "text",
    [
        "%flow_run nowhere |", '%flow_run "review |', "%flow_run review pages='|", "%flow_run review; |",
        "%flow_run review # pa|", "# %flow_run re|", "%flow_resume ffffffff --from |", "%flow_nothing |",
        "%flow_run review pages=1 pages=2 |", "%%flow_run nowhere\n|", "%flow_runs 'a |",
    ],
)  # fmt: skip
def test_an_unreadable_graph_or_run_offers_no_names_and_breaks_nothing(keeping: Kernel, text: str) -> None:
    found = completed(keeping, text)

    assert not [line for line in found if line.split()[-1:] in (["pages="], ["review"])]
