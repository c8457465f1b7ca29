"""Secrets: tools get them, nothing shows or stores them, and a run resumed elsewhere is given them again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from nbflow import ask
from nbflow.engine import Run
from nbflow.engine.capture import install, uninstall
from nbflow.errors import SecretsNeededError
from nbflow.events import Kind
from nbflow.live_view.state_history import StateHistory
from nbflow.program.export import export_graphs
from nbflow.server.telemetry.tracing import Spans
from nbflow.session import Session
from nbflow.session.serialization import plain, result_data
from nbflow.view.fold.run_view import RunView
from nbflow.view.panels.inspector import inspect
from nbflow.view.panels.log import LogLines
from nbflow.view.panels.state_panel import StatePanel
from nbflow.view.render.picture import static_svg

CANARY = "canary-5ecret-\u00e9\"'\n2nd-line-of-it"
PARTS = ("canary-5ecret", "2nd-line-of-it")


class Login(BaseModel):
    """Holds a secret, and a field that is one by its name."""

    user: str
    password: SecretStr
    api_key: str = ""


@dataclass(frozen=True)
class Config:
    """Holds secrets deeper down."""

    login: Login
    raw: SecretBytes
    more: dict[str, Any] = field(default_factory=dict)


def use(api_key: str, token: SecretStr, config: Config) -> dict[str, Any]:
    """Use all secrets, and say them in every way that a tool may."""
    assert api_key == token.get_secret_value() == config.login.password.get_secret_value() == CANARY
    assert config.login.api_key == CANARY
    assert config.raw.get_secret_value() == CANARY.encode()
    assert config.more == {"api_key": CANARY, "list": [SecretStr(CANARY)]}
    print("the key is", api_key)  # noqa: T201
    print(f"parts of it: {CANARY.splitlines()}")  # noqa: T201
    return {
        "header": f"Bearer {api_key}", "again": token, "nested": {"deep": [api_key, 1]}, "config": config, "length": 7,
    }  # fmt: skip


def param(api_key: str, options: dict[str, Any]) -> dict[str, Any]:
    """Get secrets from the node's params."""
    assert api_key == options["api_key"] == CANARY
    return {"param": True}


def check(length: int, api_key: str) -> None:
    """Raise an error that names the secret, until the test fixes the tool."""
    if not check.mended:  # type: ignore[attr-defined]
        raise ValueError(f"refused {api_key}")


def last(header: str, again: SecretStr, nested: dict[str, Any], config: Config) -> dict[str, Any]:
    """See that a resumed run has all that it had."""
    use(CANARY, again, config)
    assert header == f"Bearer {CANARY}"
    assert nested == {"deep": [CANARY, 1]}
    return {"done": True}


def graph() -> dict[str, Any]:
    """Return a graph with a secret among its params."""
    return {
        "name": "g",
        "nodes": [
            {"node_id": "use", "tool": "use"},
            {"node_id": "param", "tool": "param", "params": {"api_key": CANARY, "options": {"api_key": CANARY}}},
            {"node_id": "check", "tool": "check"},
            {"node_id": "last", "tool": "last"},
        ],
        "edges": [
            {"from_node": "use", "to_node": "param"},
            {"from_node": "param", "to_node": "check"},
            {"from_node": "check", "to_node": "last", "condition": "length > 3 and api_key != 'none'"},
        ],
    }


def state() -> dict[str, Any]:
    login = Login(user="ann", password=SecretStr(CANARY), api_key=CANARY)
    config = Config(login, SecretBytes(CANARY.encode()), {"api_key": CANARY, "list": [SecretStr(CANARY)]})
    return {"api_key": CANARY, "token": SecretStr(CANARY), "config": config, "plain": "text"}


def session(*, defined: bool = True) -> Session:
    made = Session()
    for tool in (use, param, check, last):
        made.tool(tool)
    if defined:
        made.graph("g", graph())
    return made


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_SECRET_KEYS", "API_KEY, *_password")
    check.mended = False  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def capture() -> Iterator[None]:
    install()
    yield
    uninstall()


def failed(**options: Any) -> tuple[Session, Run]:
    """Return a run that failed after it had stored everything."""

    async def main() -> tuple[Session, Run]:
        made = session()
        run = made.start("g", state(), **options)
        await run.wait()
        made.history.close()
        return made, run

    return asyncio.run(main())


def leaks(text: str | bytes) -> list[str]:
    """Return the parts of the canary that are in a text."""
    data = text.encode() if isinstance(text, str) else text
    return [part for part in PARTS if part.encode() in data]


def stored(folder: Path) -> bytes:
    """Return all bytes of the store."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("durability", ["async", "sync"])
def test_a_canary_is_found_nowhere(tmp_path: Path, durability: str, caplog: pytest.LogCaptureFixture) -> None:
    made, run = failed(durability=durability)

    assert run.status == "failed"
    assert leaks(stored(tmp_path)) == []
    shown: dict[str, Any] = {
        "events": [plain(event.as_dict(run.id)) for event in run.events],
        "result": result_data(run.result, run.error),  # type: ignore[arg-type]
        "error": str(run.error),
        "repr": repr(run.result) + repr(run.result.logs) + repr(run.logs[0]) + repr(list(run.events)),  # type: ignore[union-attr]
        "frame": run.logs.to_pandas().to_csv(),
        "table": run.logs.table()._repr_html_() + repr(run.diff(run)),
        "notices": made.history.take_notices(),
    }
    spans = Spans("g", run.id)
    shown["spans"] = [repr(change) for event in run.events for change in spans.feed(event)]
    view = RunView(run.graph)
    view.apply(run.events)
    shown["snapshot"] = view.snapshot(0.0)
    shown["inspected"] = [inspect(view, run.graph, node) for node in ("use", "param", "check")]
    shown["svg"] = static_svg(run.graph, view.snapshot(0.0), title="g")
    answers = StatePanel(run, StateHistory(run))
    asked: list[dict[str, Any]] = [
        {"type": "state", "at": None, "after": 0, "named": 0, "rows": [0, 50]},
        {"type": "editable", "at": None},
        *({"type": "value", "at": None, "key": key, "from": 0} for key in range(10)),
    ]
    shown["state"] = [answers.answer(each) for each in asked]
    log = {"type": "log", "node": None, "level": "all", "text": "", "at": None, "first": 0, "count": 100}
    shown["log"] = LogLines(run, None).answer(log)
    shown["export"] = export_graphs({"g": run.graph}, "g.json").text
    shown["logged"] = caplog.text

    found = {name: leaks(json.dumps(what, default=repr, ensure_ascii=False)) for name, what in shown.items()}
    assert found == {name: [] for name in shown}
    assert "***" in json.dumps(shown["events"])


def test_tools_get_the_value_and_so_does_who_runs_the_graph(tmp_path: Path) -> None:
    _, run = failed()

    assert run.state["api_key"] == CANARY
    assert run.state["token"].get_secret_value() == CANARY


def resumed(run_id: str, *, defined: bool = True, **given: Any) -> Run:
    async def main() -> Run:
        made = session(defined=defined)
        made.history.codecs.register_type(Config)
        made.history.codecs.register_type(Login)
        try:
            return await made.resume(run_id, **given)
        finally:
            made.history.close()

    return asyncio.run(main())


NAMES = [
    "again", "api_key", "config.login.api_key", "config.login.password", "config.more.api_key", "config.more.list[0]",
    "config.raw", "header", "nested.deep[0]", "token",
]  # fmt: skip


def test_a_run_of_another_process_names_the_secrets_that_it_needs() -> None:
    _, run = failed()

    with pytest.raises(SecretsNeededError) as caught:
        resumed(run.id)

    assert sorted(caught.value.names) == NAMES
    assert "--secret api_key" in str(caught.value)
    assert "NBFLOW_SECRET_API_KEY" in str(caught.value)


def test_a_run_of_another_process_continues_with_the_secrets_it_is_given_and_is_no_fork(tmp_path: Path) -> None:
    _, run = failed()
    check.mended = True  # type: ignore[attr-defined]
    given = dict.fromkeys(NAMES, CANARY) | {"header": f"Bearer {CANARY}"}

    done = resumed(run.id, secrets=given)

    assert (done.id, done.status, done.state["done"]) == (run.id, "completed", True)
    assert [event.node for event in done.events if event.kind is Kind.NODE_START].count("use") == 1
    assert not any(event.data.get("edited") for event in done.events)
    assert leaks(stored(tmp_path)) == []


def test_a_run_whose_graph_is_only_stored_gets_the_secrets_of_its_params(tmp_path: Path) -> None:
    _, run = failed()
    check.mended = True  # type: ignore[attr-defined]
    given = dict.fromkeys(NAMES, CANARY) | {"header": f"Bearer {CANARY}"}

    with pytest.raises(SecretsNeededError) as caught:
        resumed(run.id, defined=False, secrets=given)
    assert caught.value.names == ("options.api_key",)

    done = resumed(run.id, defined=False, secrets=given | {"options.api_key": CANARY})
    assert done.status == "completed"
    assert leaks(stored(tmp_path)) == []


def test_secrets_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _, run = failed()
    check.mended = True  # type: ignore[attr-defined]
    for name in NAMES:
        variable = "NBFLOW_SECRET_" + name.upper().replace(".", "_").replace("[0]", "_0")
        monkeypatch.setenv(variable, f"Bearer {CANARY}" if name == "header" else CANARY)

    assert resumed(run.id).status == "completed"


def test_a_secret_given_again_stays_one_where_its_key_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = failed()
    check.mended = True  # type: ignore[attr-defined]
    monkeypatch.delenv("NBFLOW_SECRET_KEYS")
    given = dict.fromkeys(NAMES, CANARY) | {"header": f"Bearer {CANARY}"}

    resumed(run.id, secrets=given, at="check")

    assert leaks(stored(tmp_path)) == []


def connect(key: SecretStr) -> dict[str, Any]:
    """Return values that contain a secret and are none themselves."""
    return {"url": f"https://host/?key={key.get_secret_value()}", "links": {"deep": [f"?key={key.get_secret_value()}"]}}


def fetch(url: str) -> dict[str, Any]:
    return {"rows": len(url)}


def rest(rows: int) -> dict[str, Any]:
    check(rows, "none")
    return {"done": rows}


def fails_after(*lines: str) -> str:
    """Return the id of a run that failed before its last node, in a process that is over."""

    async def main() -> str:
        made = connecting(*lines)
        run = made.start("connects", {"key": SecretStr("a-secret-of-many-signs")})
        await run.wait()
        made.history.close()
        return run.id

    return asyncio.run(main())


def connecting(*lines: str) -> Session:
    made = Session()
    for tool in (connect, fetch, rest, check):
        made.tool(tool)
    made.graph("connects", "\n".join(lines))
    return made


def resumed_connecting(run_id: str, *lines: str, **given: Any) -> Run:
    async def main() -> Run:
        made = connecting(*lines)
        try:
            return await made.resume(run_id, **given)
        finally:
            made.history.close()

    return asyncio.run(main())


def test_a_value_that_only_contains_a_secret_is_needed_only_if_something_still_to_run_reads_it() -> None:
    graph = ("connect -> fetch", "fetch -> rest if len(url) > 3")
    run_id = fails_after(*graph)
    check.mended = True  # type: ignore[attr-defined]

    with pytest.raises(SecretsNeededError) as caught:
        resumed_connecting(run_id, *graph)
    assert caught.value.names == ("key",)  # `url` and `links` were read by nodes that are completed

    done = resumed_connecting(run_id, *graph, secrets={"key": "a-secret-of-many-signs"})
    assert (done.id, done.status, done.state["done"]) == (run_id, "completed", done.state["rows"])


def test_a_value_that_contains_a_secret_is_needed_by_a_node_and_by_a_condition_still_to_run() -> None:
    graph = ("connect -> check_first -> fetch", "check_first = check(length=1, api_key='none')", "fetch -> rest")
    run_id = fails_after(*graph)
    check.mended = True  # type: ignore[attr-defined]

    with pytest.raises(SecretsNeededError) as caught:
        resumed_connecting(run_id, *graph, secrets={"key": "a-secret-of-many-signs"})
    assert caught.value.names == ("url",)

    conditional = ("connect -> check_first", "check_first = check(length=1, api_key='none')",
                   "check_first -> rest_of if 'x' not in links['deep']", "rest_of = rest(rows=1)")  # fmt: skip
    with pytest.raises(SecretsNeededError) as caught:
        resumed_connecting(fails_after_again(*conditional), *conditional, secrets={"key": "a-secret-of-many-signs"})
    assert caught.value.names == ("links.deep[0]",)


def fails_after_again(*lines: str) -> str:
    check.mended = False  # type: ignore[attr-defined]
    try:
        return fails_after(*lines)
    finally:
        check.mended = True  # type: ignore[attr-defined]


def test_within_one_process_a_resume_has_the_secrets_in_memory() -> None:
    async def main() -> Run:
        made = session()
        run = made.start("g", state())
        await run.wait()
        check.mended = True  # type: ignore[attr-defined]
        done = await made.resume(run.id)
        made.history.close()
        return done

    assert asyncio.run(main()).status == "completed"


def test_a_fork_that_writes_the_key_does_not_ask_for_it(tmp_path: Path) -> None:
    def tell(api_key: str) -> dict[str, Any]:
        return {"size": len(api_key)}

    async def main(run_id: str | None = None, **given: Any) -> Run:
        made = Session()
        made.tool(tell)
        made.graph("t", "tell")
        run = await (made.resume(run_id, **given) if run_id else made.run("t", **given))
        made.history.close()
        return run

    run = asyncio.run(main(api_key=CANARY))

    fork = asyncio.run(main(run.id, at=1, state={"api_key": "canary-5ecret-other"}))

    assert fork.state["size"] == len("canary-5ecret-other")
    assert leaks(stored(tmp_path)) == []


def test_a_run_read_back_shows_asterisks() -> None:
    _, run = failed()

    made = session()
    found = made.read(run.id)
    made.history.close()

    assert plain(found.state)["api_key"] == "***"
    assert plain(found.state)["token"] == "***"
    assert plain(found.state)["header"] == "***"
    assert plain(found.state)["plain"] == "text"


def test_a_secret_answer_is_not_stored_and_its_question_asked_again(tmp_path: Path) -> None:
    async def login() -> dict[str, Any]:
        password = await ask("Your password?", schema=SecretStr)
        assert password.get_secret_value() == CANARY
        print(f"got {CANARY}")  # noqa: T201
        if not check.mended:  # type: ignore[attr-defined]
            raise ValueError(f"wrong: {CANARY}")
        return {"ok": True}

    async def main(go: Callable[[Session], Any]) -> Run:
        made = Session()
        made.tool(login)
        made.graph("t", "login")
        run = await go(made)
        while not run.asking:
            await run.changed()
        run.answer(CANARY)
        await run.wait()
        made.history.close()
        return run

    async def start(made: Session) -> Run:
        return made.start("t", {})

    run = asyncio.run(main(start))
    assert run.status == "failed"
    assert leaks(stored(tmp_path)) == []
    assert leaks(json.dumps([plain(event.as_dict(run.id)) for event in run.events], ensure_ascii=False)) == []

    check.mended = True  # type: ignore[attr-defined]
    again = asyncio.run(main(lambda made: made.reopen(run.id)))
    assert again.status == "completed"


def test_an_output_with_a_secret_is_not_cached(tmp_path: Path) -> None:
    calls: list[int] = []

    def fetch(n: int) -> dict[str, Any]:
        calls.append(n)
        return {"api_key": f"{CANARY}{n}"}

    async def main() -> Any:
        made = Session()
        made.tool(fetch)
        made.graph("t", "fetch = fetch(n=1) [cache=true]")
        run = await made.run("t")
        made.history.close()
        return run.state["api_key"]

    assert [asyncio.run(main()) for _ in range(2)] == [f"{CANARY}1"] * 2
    assert calls == [1, 1]
    assert leaks(stored(tmp_path)) == []


def test_values_that_merely_look_empty_are_no_secrets(tmp_path: Path) -> None:
    async def main() -> Run:
        made = Session()
        made.tool(lambda: {"x": 1}, name="one")
        made.graph("t", "one")
        run = await made.run("t", api_key=None)
        made.history.close()
        return run

    run = asyncio.run(main())

    assert plain(run.state) == {"api_key": None, "x": 1}
    assert b'"$":"secret"' not in stored(tmp_path)


def test_a_secret_at_the_end_of_a_list_that_grows_is_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_SECRET_KEYS", "token")
    made = Session()

    @made.tool
    async def says(n: int, messages: list[dict[str, str]]) -> dict[str, Any]:
        messages.append({"role": "user", "token": f"grown-canary-{n:03}"})
        return {"n": n + 1, "messages": messages}

    @made.tool
    async def fails(messages: list[dict[str, str]]) -> None:
        raise ValueError(f"refused {messages[-1]['token']}")

    made.graph("g", "says -> says if n < 30 [max=40]\nsays -> fails")

    async def main() -> Run:
        run = made.start("g", {"n": 0, "messages": []})
        await run.wait()
        return run

    run = asyncio.run(main())
    made.history.close()

    assert "refused ***" in str(run.error)
    assert len(run.state["messages"]) == 30
