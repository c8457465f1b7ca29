"""`%%flow_tool` and `%%flow_graph`: the names that a cell registers and replaces, and those it does not change when it fails."""

from __future__ import annotations

import ast

import pytest


@pytest.fixture(autouse=True)
def _fresh(kernel):
    kernel.ok(
        "from nbflow import session\nhere = session.current()\nhere.graphs.clear()\n"
        "[here.registry.remove(name) for name in here.registry.names() if name != 'pass'];"
    )


def tools(kernel):
    return ast.literal_eval(kernel.ok("sorted(set(here.registry.names()) - {'pass'})").value)


def graphs(kernel):
    return ast.literal_eval(kernel.ok("sorted(here.graphs)").value)


def test_every_public_function_of_the_cell_is_a_tool(kernel):
    kernel.ok("%%flow_tool\nimport re\ndef a(): pass\nasync def b(): pass\ndef _c(): pass\nd = 3")
    assert tools(kernel) == ["a", "b"]


def test_functions_inside_an_if_are_top_level_and_methods_are_not(kernel):
    kernel.ok("%%flow_tool\nif True:\n    def a(): pass\nclass C:\n    def b(self): pass\ndef c():\n    def d(): pass")
    assert tools(kernel) == ["a", "c"]


def test_named_functions_alone_are_tools(kernel):
    kernel.ok("%%flow_tool _c a\ndef a(): pass\ndef b(): pass\ndef _c(): pass")
    assert tools(kernel) == ["_c", "a"]


def test_a_name_may_be_imported_or_assigned_in_the_cell(kernel):
    kernel.ok("%%flow_tool join twice\nfrom os.path import join\ntwice = lambda x: 2 * x")
    assert tools(kernel) == ["join", "twice"]


@pytest.mark.parametrize("cell", ["%%flow_tool b\ndef a(): pass", "%%flow_tool\nx = 1", "%%flow_tool a\na = 3"])
def test_a_cell_without_the_function_is_refused(kernel, cell):
    kernel.ok("b = len")
    reply = kernel.run(cell)
    assert reply.error["ename"] == "ToolError"
    assert tools(kernel) == []


def test_options_are_the_tools_defaults(kernel):
    kernel.ok("%%flow_tool --retries 2 --timeout 1.5 --executor inline\nasync def a(): pass")
    value = kernel.ok("s = here.registry.get('a'); s.retries, s.timeout, s.executor").value
    assert value == "(2, 1.5, 'inline')"


@pytest.mark.parametrize(
    "options", ["--cache", "--retries -1", "--timeout 0", "--timeout nan", "--executor nowhere", "--ret 2", "'"]
)
def test_an_unknown_or_invalid_option_is_refused_before_the_body_runs(kernel, options):
    reply = kernel.run(f"%%flow_tool {options}\nran = True\ndef a(): pass")
    assert reply.error["ename"] == "UsageError"
    assert kernel.run("ran").status == "error"


def test_the_body_runs_as_an_ordinary_cell(kernel):
    reply = kernel.ok(
        "%%flow_tool\nimport asyncio\nhere_now = %pwd\nwho = !echo hi\nvalue = await asyncio.sleep(0, 7)\n"
        "print('said')\ndef a(): pass\nvalue + 1"
    )
    assert reply.stdout == "said\n"
    assert reply.value == "8"
    assert kernel.ok("who[0], value, len(here_now) > 0").value == "('hi', 7, True)"


def test_a_body_without_await_is_interrupted_like_any_cell(kernel):
    message = kernel.send("%%flow_tool\nprint('go', flush=True)\nimport time\ntime.sleep(60)\ndef a(): pass")
    kernel.wait_for_text(message, "go")
    kernel.interrupt()
    assert kernel.collect(message).error["ename"] == "KeyboardInterrupt"
    assert tools(kernel) == []


@pytest.mark.parametrize("first", ["", "await asyncio.sleep(0)\n"])
def test_an_error_in_the_body_shows_only_the_bodys_lines(kernel, first):
    reply = kernel.run(f"%%flow_tool\nimport asyncio\n{first}def a():\n    return 1 / 0\na()")
    assert reply.error["ename"] == "ZeroDivisionError"
    assert "return 1 / 0" in reply.traceback
    assert "Cell In[" in reply.traceback
    for machinery in ("nbflow/", "IPython/", "run_cell_magic"):
        assert machinery not in reply.traceback


def test_an_error_in_the_body_counts_lines_as_the_cell_does(kernel):
    assert "----> 4 a()" in kernel.run("%%flow_tool\ndef a():\n    return 1 / 0\na()").traceback


def test_a_syntax_error_in_the_body_is_pythons_own(kernel):
    reply = kernel.run("%%flow_tool\ndef a(:\n    pass")
    assert reply.error["ename"] == "SyntaxError"
    assert "line 2" in reply.traceback
    assert "nbflow/" not in reply.traceback
    assert "IPython/" not in reply.traceback


def test_a_cell_that_fails_does_not_change_tools(kernel):
    kernel.ok("%%flow_tool\ndef a(): return {'v': 1}", cell_id="one")
    kernel.run("%%flow_tool\ndef a(): return {'v': 2}\ndef b(): pass\n1 / 0", cell_id="one")
    assert tools(kernel) == ["a"]
    assert kernel.ok("here.registry.get('a').function()").value == "{'v': 1}"


def test_a_graph_that_fails_does_not_change_graphs(kernel):
    kernel.ok("%%flow_graph g\na -> b")
    kernel.run("%%flow_graph g\na ->")
    assert kernel.ok("[e.to_node for e in here.graphs['g'].edges]").value == "['b']"


def test_running_the_cell_again_replaces_its_tools(kernel):
    kernel.ok("%%flow_tool\ndef a(): return {'v': 1}\ndef b(): pass", cell_id="one")
    kernel.ok("%%flow_graph g\na")
    kernel.ok("%%flow_tool\ndef a(): return {'v': 2}\ndef c(): pass", cell_id="one")
    assert tools(kernel) == ["a", "c"]
    kernel.ok("run = %flow_run g")
    assert kernel.ok("run.state").value == "{'v': 2}"


def test_a_tool_that_another_cell_has_defined_since_stays(kernel):
    kernel.ok("%%flow_tool\ndef a(): pass\ndef b(): pass", cell_id="one")
    kernel.ok("%%flow_tool\ndef b(): pass", cell_id="two")
    kernel.ok("%%flow_tool\ndef a(): pass", cell_id="one")
    assert tools(kernel) == ["a", "b"]


def test_a_cell_that_runs_again_after_a_failure_still_replaces_its_earlier_tools(kernel):
    kernel.ok("%%flow_tool\ndef a(): pass\ndef b(): pass", cell_id="one")
    kernel.run("%%flow_tool\n1 / 0", cell_id="one")
    kernel.ok("%%flow_tool\ndef a(): pass", cell_id="one")
    assert tools(kernel) == ["a"]


def test_without_cell_ids_no_tool_is_removed(kernel):
    kernel.ok("%%flow_tool\ndef a(): pass")
    kernel.ok("%%flow_tool\ndef b(): pass")
    assert tools(kernel) == ["a", "b"]


def test_a_graph_renamed_in_its_cell_leaves_no_old_name(kernel):
    kernel.ok("%%flow_graph g\na -> b", cell_id="three")
    kernel.ok("%%flow_graph h\na -> b", cell_id="three")
    assert graphs(kernel) == ["h"]


def test_a_graph_is_shown_as_a_picture_and_as_text(kernel):
    kernel.ok("%%flow_tool\ndef a(): pass\ndef b(): pass")
    data = kernel.ok("%%flow_graph g\na -> b").result
    assert "data:image/svg+xml" in data["text/html"]
    assert data["text/plain"]


def test_a_graph_in_json_is_a_graph(kernel):
    kernel.ok('%%flow_graph g\n{"nodes": [{"node_id": "a", "tool": "pass"}], "edges": []}')
    assert graphs(kernel) == ["g"]


def test_warnings_about_a_graph_are_shown_at_once(kernel):
    kernel.ok("%%flow_tool\ndef fetch_page(url): pass")
    reply = kernel.ok("%%flow_graph g\nfetch_pgae -> b\nb -> b")
    said = reply.stdout + reply.stderr + "".join(d["text/plain"] for d in reply.displays) + reply.value
    assert "fetch_page" in said


def test_a_valid_graph_prints_no_warning(kernel):
    kernel.ok("%%flow_tool\ndef a(): pass\ndef b(): pass")
    reply = kernel.ok("%%flow_graph g\na -> b")
    assert (reply.stdout, reply.stderr, reply.displays) == ("", "", [])


def test_a_tool_redefined_is_used_by_the_next_run(kernel):
    kernel.ok("%%flow_tool\ndef a(): return {'v': 'old'}")
    kernel.ok("%%flow_graph g\na")
    kernel.ok("%%flow_tool\ndef a(): return {'v': 'new'}")
    kernel.ok("run = %flow_run g")
    assert kernel.ok("run.state['v']").value == "'new'"


def test_lists_name_all_tools_and_graphs(kernel):
    kernel.ok("%%flow_tool\ndef fetch_page(url: str):\n    'Get a page.'")
    kernel.ok("%%flow_graph reading\nfetch_page")
    assert "reading" in kernel.ok("%flow_graphs").value
    listed = kernel.ok("%flow_tools").value
    assert "fetch_page" in listed
    assert "Get a page." in listed


def test_show_shows_the_graph(kernel):
    kernel.ok("%%flow_graph reading\nfetch_page -> x")
    assert "text/html" in kernel.ok("%flow_show reading").result
    assert kernel.ok("%flow_show reading;").result == {}
    assert "reading" in kernel.run("%flow_show readnig").error["evalue"]
