"""The destination of text that is printed during a run."""

from __future__ import annotations

import pytest

DEFINE = """%%flow_tool
import asyncio, logging, sys, threading, time
async def speak_a():
    for i in range(20):
        print("a", i)
        await asyncio.sleep(0.002)
def speak_b():
    for i in range(20):
        print("b", i)
        time.sleep(0.002)
async def speak_c():
    for i in range(20):
        sys.stderr.write(f"c {i}\\n")
        await asyncio.to_thread(print, "c too", i)
def warn():
    logging.getLogger("mine").warning("beware")
def helper_thread():
    import contextvars
    thread = threading.Thread(target=contextvars.copy_context().run, args=(print, "from a thread"))
    thread.start()
    thread.join()
"""
PRINTED = """
def printed(run, node):
    return "".join(e.data["text"] for e in run.events if e.kind == "node_output" and e.node == node)
"""


@pytest.fixture(scope="module", autouse=True)
def _tools(kernel):
    kernel.ok(
        "import logging, sys\nearly = logging.StreamHandler(sys.stderr)\nlogging.getLogger('mine').addHandler(early)"
    )
    kernel.ok(DEFINE)
    kernel.ok(PRINTED)
    kernel.ok("%%flow_graph choir\nstart = pass\nstart -> speak_a & speak_b & speak_c\n")
    kernel.ok("%%flow_graph warning\nwarn\n")
    kernel.ok("%%flow_graph helper\nhelper_thread\n")


@pytest.mark.parametrize(
    "cell",
    ["run = %flow_run choir", "def go():\n    return get_ipython().run_line_magic('flow_run', 'choir')\nrun = go()"],
)
def test_text_of_parallel_nodes_goes_to_the_node_that_printed_it(kernel, cell):
    reply = kernel.ok(cell)
    assert (reply.stdout, reply.stderr) == ("", "")
    assert kernel.ok("printed(run, 'speak_a') == ''.join(f'a {i}\\n' for i in range(20))").value == "True"
    assert kernel.ok("printed(run, 'speak_b') == ''.join(f'b {i}\\n' for i in range(20))").value == "True"
    assert kernel.ok("printed(run, 'speak_c') == ''.join(f'c {i}\\nc too {i}\\n' for i in range(20))").value == "True"


def test_text_printed_outside_nodes_appears_below_the_cell(kernel):
    reply = kernel.ok("print('before')\nrun = %flow_run choir\nprint('after')\nimport sys\nsys.stderr.write('!')")
    assert reply.stdout == "before\nafter\n"
    assert reply.stderr == "!"


def test_a_log_line_of_a_tool_goes_to_its_node(kernel):
    reply = kernel.ok("run = %flow_run warning")
    assert "beware" not in reply.stderr
    assert kernel.ok("printed(run, 'warn')").value == "'beware\\n'"


def test_a_log_line_outside_nodes_goes_to_its_usual_handler(kernel):
    assert "careful" in kernel.ok("logging.getLogger('mine').warning('careful')").stderr


def test_a_thread_that_carries_the_context_prints_to_the_node(kernel):
    kernel.ok("run = %flow_run helper")
    assert kernel.ok("printed(run, 'helper_thread')").value == "'from a thread\\n'"


def test_threads_that_a_tool_starts_print_log_and_warn_to_the_node(kernel):
    kernel.ok(
        "%%flow_tool\n"
        "import warnings\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def speaks(item):\n"
        "    print('doubling', item)\n"
        "    logging.getLogger('mine').warning(f'logged {item}')\n"
        "    warnings.warn(f'warned {item}')\n"
        "def threads():\n"
        "    with ThreadPoolExecutor(4) as pool:\n"
        "        list(pool.map(speaks, range(20)))\n"
        "    thread = threading.Thread(target=print, args=('plain', 'thread'))\n"
        "    thread.start()\n"
        "    thread.join()\n"
    )
    kernel.ok("%%flow_graph threads\nthreads\n")
    reply = kernel.ok("run = %flow_run threads")
    assert (reply.stdout, reply.stderr) == ("", "")
    kernel.ok("lines = printed(run, 'threads').splitlines()")
    assert kernel.ok("sum(f'doubling {n}' in lines for n in range(20))").value == "20"
    assert kernel.ok("sum(f'logged {n}' in lines for n in range(20)), 'plain thread' in lines").value == "(20, True)"
    assert kernel.ok("any('UserWarning: warned' in line for line in lines)").value == "True"


def test_a_captured_cell_captures_its_own_text_and_not_that_of_nodes(kernel):
    kernel.ok("%%capture said\nprint('mine')\nrun = %flow_run choir")
    assert kernel.ok("said.stdout").value == "'mine\\n'"
    assert kernel.ok("len(printed(run, 'speak_a'))").value != "0"


def test_a_reload_does_not_wrap_the_streams_twice(kernel):
    kernel.ok("%reload_ext nbflow")
    assert kernel.ok("type(sys.stdout).__name__, type(sys.stdout.base).__name__").value == "('Tee', 'OutStream')"
    kernel.ok("run = %flow_run warning")


def test_unloading_restores_the_streams_and_removes_the_magics(kernel):
    kernel.ok("%unload_ext nbflow")
    assert kernel.ok("type(sys.stdout).__name__").value == "'OutStream'"
    assert kernel.run("%flow_run warning").status == "error"
    magics = "[m for k in get_ipython().magics_manager.magics.values() for m in k if 'flow_' in m]"
    assert kernel.ok(magics).value == "[]"
    kernel.ok("%load_ext nbflow")
    kernel.ok("run = %flow_run warning")
