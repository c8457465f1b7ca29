"""The help of magics, as a page shows it for `%magic?` and for Shift-Tab."""

from __future__ import annotations

import pytest
from kernels import Kernel, plain

MAGICS = (
    "%flow_run", "%%flow_run", "%flow_resume", "%flow_show", "%flow_runs", "%flow_graphs", "%flow_tools",
    "%flow_cancel", "%flow_answer", "%flow_serve", "%%flow_graph", "%%flow_tool",
)  # fmt: skip


def test_the_magics_are_these(kernel: Kernel) -> None:
    known = kernel.ok(
        "magics = get_ipython().magics_manager.magics\n"
        "print(*sorted({name for kind in magics.values() for name in kind if name.startswith('flow_')}))"
    ).stdout.split()

    assert known == sorted({magic.lstrip("%") for magic in MAGICS})


@pytest.mark.parametrize("magic", MAGICS)
def test_help_shows_usage_options_and_an_example(kernel: Kernel, magic: str) -> None:
    kernel.client.execute(f"{magic}?", silent=False)
    paged = plain(kernel.client.get_shell_msg(timeout=300)["content"]["payload"][0]["data"]["text/plain"])
    kernel.client.inspect(magic, len(magic))
    inspected = plain(kernel.client.get_shell_msg(timeout=300)["content"]["data"]["text/plain"])

    for text in (paged, inspected):
        usage, _, examples = text.partition("Example")
        own = magic.replace("%%flow_run", "%flow_run")  # one page for both
        assert f"  {own}" in usage
        assert f"    {magic}" in examples or f" = {magic}" in examples
        assert ("positional arguments:" in examples or "options:" in examples) is (magic != "%flow_tools")


@pytest.mark.parametrize(
    "line", ["%flow_run --help", "%flow_resume --help", "%flow_runs --help", "%%flow_tool --help\nx"]
)
def test_a_magic_prints_its_help_and_does_nothing(kernel: Kernel, line: str) -> None:
    reply = kernel.ok(line)

    magic = line.split()[0]
    assert reply.stdout.startswith(f"{magic} ")
    assert f"    {magic}" in reply.stdout.partition("Example")[2]
