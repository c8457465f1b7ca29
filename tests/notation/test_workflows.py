"""Eight workflows: each parses to the edges that it shows, and is written as it was typed."""

from __future__ import annotations

import pytest

from nbflow.notation import read_graph, to_text

REVIEW = """\
extract_functions -> check_complexity -> detect_issues
detect_issues -> apply_fixes if fixable > 0 else suggest_improvements
apply_fixes -> detect_issues [max=5]
apply_fixes -> suggest_improvements on error
"""
RETRIEVAL = """\
retrieve -> grade_documents
grade_documents -> generate if relevant else rewrite_question
rewrite_question -> retrieve [max=3]
rewrite_question -> web_search on error [max=1]
web_search -> generate
generate -> END if grounded else rewrite_question
"""
FAN_IN = """\
extract_orders -> clean_orders
clean_orders & extract_users & extract_prices -> join_tables -> load
load -> alert on error
"""
AGENT = """\
approve = ask(question="Run this step?", choices=["yes", "no"])
plan -> approve if risky else act
approve -> act if approve == "yes" else plan
act -> observe
observe -> END if done else plan [max=20]
"""
MAP = """\
review = graph code_review [map=files, as=code, into=reports, limit=4, on_error=collect]
list_files -> review -> summarize
"""
RESCUE = """\
fetch = http_get [retries=3, backoff=0.5, timeout=10]
fetch -> parse -> store
fetch -> read_cache on error
read_cache -> parse
"""
RACE = """\
start = pass; answer = pick_answer [join=race]
start -> ask_openai & ask_anthropic -> answer
ask_openai & ask_anthropic -> END on error
"""
BRANCHES = """\
triage [route=all]
triage -> check_style if "python" in kinds
triage -> check_security if risk > 3
triage & check_style & check_security -> report
"""
EDGES = [
    (REVIEW, """
        extract_functions > check_complexity
        check_complexity > detect_issues
        detect_issues > apply_fixes | conditional | fixable > 0
        detect_issues > suggest_improvements
        apply_fixes > detect_issues | max 5
        apply_fixes > suggest_improvements | error
    """),
    (RETRIEVAL, """
        retrieve > grade_documents
        grade_documents > generate | conditional | relevant
        grade_documents > rewrite_question
        rewrite_question > retrieve | max 3
        rewrite_question > web_search | error | max 1
        web_search > generate
        generate > END | conditional | grounded
        generate > rewrite_question
    """),
    (FAN_IN, """
        extract_orders > clean_orders
        clean_orders > join_tables
        extract_users > join_tables
        extract_prices > join_tables
        join_tables > load
        load > alert | error
    """),
    (AGENT, """
        plan > approve | conditional | risky
        plan > act
        approve > act | conditional | approve == "yes"
        approve > plan
        act > observe
        observe > END | conditional | done | max 20
        observe > plan | max 20
    """),
    (MAP, """
        list_files > review
        review > summarize
    """),
    (RESCUE, """
        fetch > parse
        parse > store
        fetch > read_cache | error
        read_cache > parse
    """),
    (RACE, """
        start > ask_openai
        start > ask_anthropic
        ask_openai > answer
        ask_anthropic > answer
        ask_openai > END | error
        ask_anthropic > END | error
    """),
    (BRANCHES, """
        triage > check_style | conditional | "python" in kinds
        triage > check_security | conditional | risk > 3
        triage > report
        check_style > report
        check_security > report
    """),
]  # fmt: skip


def listed(text: str) -> list[str]:
    lines = []
    for edge in read_graph(text).edges:
        parts = [f"{edge.from_node} > {edge.to_node}", edge.type, edge.condition]
        limit = f"max {edge.max_iterations}" if edge.max_iterations else None
        lines.append(" | ".join(part for part in (*parts, limit) if part not in (None, "normal")))
    return lines


@pytest.mark.parametrize(("text", "edges"), EDGES)
def test_a_workflow_has_the_edges_it_seems_to_have(text: str, edges: str) -> None:
    assert listed(text) == [line.strip() for line in edges.strip().splitlines()]


@pytest.mark.parametrize("text", [text for text, _ in EDGES])
def test_a_workflow_is_written_as_people_write_it(text: str) -> None:
    graph = read_graph(text, name="g")

    assert to_text(graph) == text.replace("; ", "\n")
    assert read_graph(to_text(graph), name="g") == graph


def test_the_parts_of_a_declaration_are_all_read() -> None:
    review, *_ = read_graph(MAP).nodes
    approve, *_ = read_graph(AGENT).nodes

    assert review.model_dump(exclude_defaults=True) == {
        "node_id": "review", "graph": "code_review", "map": "files", "as": "code", "into": "reports", "limit": 4,
        "on_error": "collect",
    }  # fmt: skip
    assert approve.params == {"question": "Run this step?", "choices": ["yes", "no"]}


def test_long_chains_are_written_over_several_lines() -> None:
    names = [f"a_step_with_a_long_name_{at}" for at in range(12)]
    graph = read_graph(" -> ".join(names) + "\n" + " & ".join(names[:6]) + " -> last if x else END")

    text = to_text(graph)

    assert max(map(len, text.splitlines())) <= 104
    assert read_graph(text) == graph


def test_nodes_whose_order_the_edges_do_not_show_are_declared_above_them() -> None:
    graph = read_graph("c; a -> b; d")

    assert to_text(graph) == "c\na\nb\nd\na -> b\n"
    assert to_text(read_graph("a -> b -> c; c = t")) == "a -> b -> c\nc = t\n"
