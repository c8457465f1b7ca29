"""The OpenAPI document is what the server does: schemathesis makes requests from it, and checks every answer by it.

All its checks are on. A sample of the requests is part of the tests, the same ones each time; `-m fuzz` makes a
thousand for each operation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from served import TOKEN, Served, notebook, serving
from surroundings import database

from nbflow.server.app import make_app
from nbflow.server.options import options
from nbflow.server.service import Service, run_id_of
from nbflow.session import Session

POSTGRES = os.environ.get("NBFLOW_TEST_POSTGRES_URL")
SAMPLE, MANY = 20, 1_000
CELLS = [
    "%load_ext nbflow",
    '''%%flow_tool
import asyncio

async def wait(n: int = 1) -> dict:
    """Wait a while."""
    await asyncio.sleep(0.01)
    return {"n": n + 1}

def count(text: str) -> dict:
    """Count the words of a text."""
    return {"words": len(text.split())}

def fail(n: int = 0, limit: float = float("inf")):
    """Fail, unless n is large."""
    if n < limit:
        raise ValueError(f"n is {n}, and half a character is \\udc80")

def half() -> dict:
    """Return what is no character."""
    return {"half": "\\udc80"}
''',
    "%%flow_graph chain\na = wait()\nb = wait()\na -> b",
    "%%flow_graph counted\ncount",
    "%%flow_graph failing\nwait -> fail",
    "%%flow_graph halved\nhalf",
    '%%flow_graph asking\nask = ask(question="Ship it?", choices=["yes", "no"])\nask -> wait',
]
GRAPHS = ["chain", "counted", "failing", "halved", "asking"]
SENT = ["one", "two"]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
# What fits the schema of these, and is refused all the same: a graph may name tools that are not here or a condition
# that cannot be read, a key may have come with another request, an answer may not fit its question, and a run may have
# no such node to be forked at. No schema can say it, so for these 422 is an answer to what the schema allows.
REFUSING = ["POST /graphs/create", "POST /executions/run", "POST /executions/{run_id}/answer"]
REFUSING += ["POST /executions/{run_id}/fork"]
ACCEPTED = ["2xx", "401", "403", "404", "409", "422"]
# A graph that was deleted may be sent again under its name, and is there then. The check knows a resource that was made
# anew by the path it was made at, and /graphs/create does not lie above /graphs/{graph_id}.
AGAIN = "GET /graphs/{graph_id}"


def schema_of(examples: int) -> Any:
    """Return the schema, set to make so many requests for each operation."""
    app = make_app(Service(Session(), options(token=TOKEN)), TOKEN)
    known = {
        "graphs": [*GRAPHS, *SENT],
        "names": SENT,
        "answers": ["yes", "no"],
        "runs": [run_id_of(name) for name in GRAPHS],
        "cursors": [f"41da000000000000{run_id_of(name)}" for name in GRAPHS],  # a moment in 2025
        "tools": ["wait", "count", "fail", "half", "ask", "pass"],
        "nodes": ["a", "b", "c", "d"],
    }
    # Most requests name what is there, so that not all are refused by the same words.
    bound = {
        "path.graph_id": "graphs", "query.graph": "graphs", "query.cursor": "cursors", "body.graph_id": "graphs",
        "body.name": "names", "body.value": "answers",
        "path.run_id": "runs", "body.nodes[*].tool": "tools", "body.nodes[*].graph": "graphs",
        "body.nodes[*].node_id": "nodes", "body.edges[*].from_node": "nodes", "body.edges[*].to_node": "nodes",
    }  # fmt: skip
    told = {
        "dictionaries": {name: {"values": values} for name, values in known.items()},
        "parameters": {place: {"dictionary": name, "probability": 0.7} for place, name in bound.items()},
        "generation": {
            "max-examples": examples,
            "deterministic": True,
            "database": "none",
            "with-security-parameters": False,
        },
        "suppress-health-check": ["all"],
        "request-timeout": 30,
        "operations": [
            {"include-name": REFUSING, "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}}},
            {"include-name": AGAIN, "checks": {"use_after_free": {"enabled": False}}},
        ],
    }
    return schemathesis.openapi.from_dict(app.openapi(), config=schemathesis.Config.from_dict(told))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a run of each graph, whose ids are known beforehand."""
    with ExitStack() as stack:
        told = {"NBFLOW_MAX_RATE": "100000", "NBFLOW_MAX_RUNS": "100000", "NBFLOW_DRAIN": "0"}
        if request.param == "postgres":
            if POSTGRES is None:
                pytest.skip("NBFLOW_TEST_POSTGRES_URL names no server")
            told["NBFLOW_DATABASE_URL"] = stack.enter_context(database(POSTGRES))
        server = stack.enter_context(serving(notebook(tmp_path_factory.mktemp("asked"), CELLS), **told))
        with server.client() as client:
            for name in GRAPHS:
                body = {"graph_id": name, "initial_state": {"text": "a b"}}
                assert client.post("/executions/run", json=body, headers={"Idempotency-Key": name}).is_success
        yield server


sample, many = schema_of(SAMPLE), schema_of(MANY)


@pytest.mark.slow
@sample.parametrize()
def test_every_answer_is_as_the_document_says(case: schemathesis.Case, asked: Served) -> None:
    case.call_and_validate(base_url=asked.url, headers=HEADERS)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@many.parametrize()
def test_a_thousand_answers_are_as_the_document_says(case: schemathesis.Case, asked: Served) -> None:
    case.call_and_validate(base_url=asked.url, headers=HEADERS)


@pytest.mark.slow
def test_what_an_answer_links_to_is_there(asked: Served) -> None:
    follow_links(sample, asked, SAMPLE)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
def test_what_a_thousand_answers_link_to_is_there(asked: Served) -> None:
    follow_links(many, asked, MANY)


def follow_links(schema: Any, server: Served, examples: int) -> None:
    class Machine(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"base_url": server.url, "headers": HEADERS}

    Machine.run(
        settings=settings(
            max_examples=examples, stateful_step_count=6, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )
    )  # fmt: skip


@pytest.mark.parametrize("name", ["failing", "halved"])
def test_what_a_tool_said_that_is_no_character_is_told_all_the_same(asked: Served, name: str) -> None:
    result = asked.result(run_id_of(name))
    with asked.client() as client:
        events = client.get(f"/executions/{run_id_of(name)}/events")
        listed = client.get("/executions", params={"graph": name})

    assert result["result"]["state"].get("half", "?") == "?"
    assert [events.status_code, listed.status_code] == [200, 200]


def test_the_document_is_that_of_the_server(asked: Served) -> None:
    with asked.client() as client:
        assert client.get("/openapi.json").json() == sample.raw_schema
