"""The positions at which `%flow_run` is allowed, and that its cell waits for the run."""

from __future__ import annotations

import pytest

DEFINE = """%%flow_tool
import asyncio
async def quick(x: int = 1) -> dict:
    await asyncio.sleep(0.05)
    return {"y": x + 1}
def slow(y: int) -> dict:
    import time
    time.sleep(0.02)
    return {"z": y * 10}
"""


@pytest.fixture(scope="module", autouse=True)
def _graph(kernel):
    kernel.ok(DEFINE)
    kernel.ok("%%flow_graph chain\nquick -> slow\n")


def test_the_value_of_the_cell_is_the_finished_run(kernel):
    kernel.ok("run = %flow_run chain x=4")
    assert kernel.ok("run.status.value, run.state['z']").value == "('completed', 50)"


def test_an_expression_sees_the_names_of_the_notebook(kernel):
    kernel.ok("n = 6\nrun = %flow_run chain x=sum([n, 1])")
    assert kernel.ok("run.state['y']").value == "8"


@pytest.mark.parametrize(
    "cell",
    [
        "if True:\n    run = %flow_run chain x=1",
        "for i in range(2):\n    run = %flow_run chain x=i",
        "with open('/dev/null') as f:\n    run = %flow_run chain x=1",
        "try:\n    run = %flow_run chain x=1\nfinally:\n    done = True",
        "async def go(value):\n    run = %flow_run chain x=value\n    return run\nrun = await go(1)",
        "def go(value):\n    run = %flow_run chain x=value\n    return run\nrun = go(1)",
        "class Holder:\n    run = %flow_run chain x=1\nrun = Holder.run",
        "a = %flow_run chain x=0\nrun = %flow_run chain x=a.state['y']",
        "run = %flow_run chain \\\n    x=1",
        "%precision 3\nrun = %flow_run chain x=1",
        "größe = 1; print('ü')\nrun = %flow_run chain x=größe",
        "get_ipython().run_cell('run = %flow_run chain x=1')",
        "run = get_ipython().run_line_magic('flow_run', 'chain x=1')",
        "%%capture seen\nrun = %flow_run chain x=1",
        "%%time\nrun = %flow_run chain x=1",
        "%time run = get_ipython().run_line_magic('flow_run', 'chain x=1')",
        "async def value():\n    return 1\nrun = %flow_run chain x=await value()",
    ],
)
def test_a_run_has_finished_after_the_line_at_every_position(kernel, cell):
    kernel.ok("run = None")
    kernel.ok(cell)
    assert kernel.ok("run.status.value, run.state['z']").value == "('completed', 20)"


def test_the_cell_waits_with_autoawait_off_too(kernel):
    kernel.ok("%autoawait off")
    try:
        kernel.ok("run = %flow_run chain x=1")
    finally:
        kernel.ok("%autoawait on")
    assert kernel.ok("run.status.value").value == "'completed'"


def test_a_string_that_looks_like_a_magic_is_unchanged(kernel):
    assert kernel.ok("text = '''\n%flow_run chain\n'''\ntext").value == "'\\n%flow_run chain\\n'"


def test_time_measures_the_run(kernel):
    reply = kernel.ok("%time run = get_ipython().run_line_magic('flow_run', 'chain x=1;')")
    assert "Wall time" in reply.stdout


def test_the_assignments_of_a_cell_are_the_initial_state(kernel):
    kernel.ok("base = 2\nx = 'of the notebook'")
    kernel.ok("%%flow_run chain\nimport math\nx = math.floor(base + 0.5)\ndef helper(): pass\n")
    assert kernel.ok("run = _; run.state['y'], 'helper' in run.state, x").value == "(3, False, 'of the notebook')"


def test_a_cell_body_may_await_and_use_magics(kernel):
    kernel.ok("%%flow_run chain\nimport asyncio\nx = await asyncio.sleep(0, 41)\nhere = %pwd\n")
    assert kernel.ok("run = _; run.state['y'], len(run.state['here']) > 1").value == "(42, True)"


@pytest.mark.parametrize(
    "cell",
    [
        "%flow_run chain x=1;",
        "%flow_run chain x=1 --max-parallel 2 ; # a comment",
        "%%flow_run chain ;\nx = 1\n",
        "%flow_run chain x=1 --background;",
        "%flow_resume {run_id} x=2;",
        "%flow_show {run_id};",
        "%flow_show chain;",
        "%flow_graphs;",
        "%flow_tools ;",
        "%flow_runs --graph chain;",
        "%%capture said\n%flow_run chain x=1;",
        "if True:\n    %flow_run chain x=1;",
    ],
)
def test_a_semicolon_hides_the_value_where_it_would_be_displayed(kernel, cell):
    kernel.ok("run = %flow_run chain x=1;")
    run_id = kernel.ok("print(run.id)").stdout.strip()
    kernel.ok("get_ipython().ast_node_interactivity = 'all'")
    try:
        assert kernel.ok(cell.format(run_id=run_id)).result == {}
    finally:
        kernel.ok("get_ipython().ast_node_interactivity = 'last_expr'")


@pytest.mark.parametrize(
    ("magic", "kind"),
    [
        ("%flow_run chain x=1;", "Run"),
        ("%flow_run chain x=1 --max-parallel 2 ; # a comment", "Run"),
        ("%flow_run chain x=1 --background;", "Run"),
        ("%flow_resume {run_id} x=2;", "Run"),
        ("%flow_show {run_id};", "Run"),
        ("%flow_graphs;", "Table"),
        ("%flow_tools ;", "Table"),
        ("%flow_runs --graph chain;", "RunList"),
    ],
)
@pytest.mark.parametrize("inside", ["{0}", "%%capture said\n{0}"])
def test_a_semicolon_leaves_the_name_bound(kernel, magic, kind, inside):
    kernel.ok("run = %flow_run chain x=1;")
    run_id = kernel.ok("print(run.id)").stdout.strip()
    assert kernel.ok(inside.format("value = " + magic.format(run_id=run_id))).result == {}
    assert kernel.ok("type(value).__name__").value == repr(kind)


def test_without_a_semicolon_the_value_is_the_run_in_one_line(kernel):
    value = kernel.ok("%flow_run chain x=1").value
    assert "chain" in value
    assert "completed" in value
    assert "\n" not in value


def test_a_comment_is_not_part_of_the_line(kernel):
    kernel.ok("run = %flow_run chain x=1  # as before")
    assert kernel.ok("run.state['y']").value == "2"


def test_a_local_name_is_visible_inside_a_function(kernel):
    kernel.ok("def go(local):\n    run = %flow_run chain x=[local for _ in 'a'][0]\n    return run")
    assert kernel.ok("go(5).state['y']").value == "6"


def test_a_background_run_is_returned_at_once(kernel):
    reply = kernel.ok("run = %flow_run chain x=1 --background\nprint(run.status.value)")
    assert reply.stdout == "running\n"
    assert kernel.ok("result = await run\nresult.state['z']").value == "20"


def test_a_background_run_starts_from_a_function_too(kernel):
    kernel.ok("def go():\n    return get_ipython().run_line_magic('flow_run', 'chain x=2 --background')\nrun = go()")
    assert kernel.ok("(await run).state['y']").value == "3"


def test_a_cell_that_never_mentions_flow_is_not_touched(kernel):
    assert kernel.ok("import ast\nget_ipython().transform_cell('x = 1')").value == "'x = 1\\n'"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%flow_run", "NAME"),
        ("%flow_run chain --durability never", "--durability"),
        ("%flow_run chain --back", "--back"),
        ("%flow_run chain --background stray", "stray"),
        ("%flow_run chain x=1 x=2", "twice"),
        ("%flow_run chain --max-parallel 0", "max-parallel"),
        ("%flow_run chian x=1", "chain"),
        ("%flow_run chain x=1, y=2", ","),
        ("%flow_run chain x=nosuch", "nosuch"),
        ("%%flow_run chain x=1\nx = 2", "'x'"),
        ("%%flow_run chain\nx = = 2", "invalid syntax"),
    ],
)
def test_an_invalid_run_line_is_refused(kernel, line, told):
    reply = kernel.run(line)
    assert reply.status == "error"
    assert told in reply.error["evalue"]


def test_the_kernel_works_after_all_these_tests(kernel):
    assert kernel.ok("1 + 1").value == "2"
