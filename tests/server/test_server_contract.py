"""The OpenAPI document matches the server: schemathesis generates requests from it, and checks every response against it.

All its checks are enabled. The tests include a fixed sample of the requests; `-m fuzz` generates a thousand for each
operation.
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
# These operations may answer 422 to a request that fits the schema: a graph can name unknown tools or contain an invalid
# condition, a key can belong to another request, an answer can be invalid for its question, and a run can lack the node
# to fork at. No schema can express these rules.
REFUSING = ["POST /graphs/create", "POST /executions/run", "POST /executions/{run_id}/answer"]
REFUSING += ["POST /executions/{run_id}/fork"]
ACCEPTED = ["2xx", "401", "403", "404", "409", "422"]
# A deleted graph may be created again under its name. The check recognizes a resource that was created again by the path
# of its creation, but /graphs/create is not a parent of /graphs/{graph_id}.
AGAIN = "GET /graphs/{graph_id}"


def schema_of(examples: int) -> Any:
    """Return the schema, configured to generate so many requests for each operation."""
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
    # Most requests name an existing object, so that not all of them fail with the same error.
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
    """A server with a run of each graph; the ids of the runs are fixed."""
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
def test_every_response_matches_the_document(case: schemathesis.Case, asked: Served) -> None:
    case.call_and_validate(base_url=asked.url, headers=HEADERS)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@many.parametrize()
def test_a_thousand_responses_match_the_document(case: schemathesis.Case, asked: Served) -> None:
    case.call_and_validate(base_url=asked.url, headers=HEADERS)


@pytest.mark.slow
def test_the_links_of_a_response_lead_to_existing_objects(asked: Served) -> None:
    follow_links(sample, asked, SAMPLE)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
def test_the_links_of_a_thousand_responses_lead_to_existing_objects(asked: Served) -> None:
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
def test_an_error_of_a_tool_with_a_lone_surrogate_is_reported(asked: Served, name: str) -> None:
    result = asked.result(run_id_of(name))
    with asked.client() as client:
        events = client.get(f"/executions/{run_id_of(name)}/events")
        listed = client.get("/executions", params={"graph": name})

    assert result["result"]["state"].get("half", "?") == "?"
    assert [events.status_code, listed.status_code] == [200, 200]


def test_the_document_in_the_repository_is_the_servers(asked: Served) -> None:
    with asked.client() as client:
        assert client.get("/openapi.json").json() == sample.raw_schema
