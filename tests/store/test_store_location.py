"""Which URLs of a store are understood, and that all others are refused before anything is opened or started."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from nbflow.errors import NbflowError, StoreError
from nbflow.session import Session
from nbflow.settings import settings
from nbflow.store import Store
from nbflow.store.location import parsed, shown

SERVER = "postgresql+asyncpg://user:secret@localhost/x"
REFUSED = [
    ("mysql://localhost/x", "cannot be in 'mysql'"),
    ("postgresql://user:secret@localhost/x", "write postgresql+asyncpg://user:***@localhost/x"),
    ("postgres://user:secret@localhost/x", "write postgresql+asyncpg://user:***@localhost/x"),
    (
        "postgresql+psycopg2://user:secret@localhost/x",
        "cannot be in 'postgresql+psycopg2'; write postgresql+async",
    ),
    ("postgressql+asyncpg://user:secret@localhost/x", "did you mean 'postgresql+asyncpg'?"),
    ("sqlite:///runs.db", "cannot be in 'sqlite'; write sqlite+aiosqlite:///runs.db"),
    ("sqllite+aiosqlite:///runs.db", "did you mean 'sqlite+aiosqlite'?"),
    ("sqlite+aiosqlite:runs.db", "the URL of the store cannot be read"),
    ("sqlite+aiosqlite:/runs.db", "the URL of the store cannot be read"),
    ("no url at all", "the URL of the store cannot be read"),
    ("", "the URL of the store cannot be read: ''"),
    ("me:secret@localhost/x", "cannot be read: 'me:***@localhost/x'"),
    ("postgresql+asyncpg://user:secret@localhost:port/x", "the URL of the store cannot be read"),
    ("sqlite+aiosqlite://runs.db", "a server, which a file does not have; write sqlite+aiosqlite:///runs.db"),
    ("sqlite+aiosqlite://folder/runs.db", "write sqlite+aiosqlite:///folder/runs.db"),
    ("sqlite+aiosqlite:///runs.db?timeout=5", "a file has no options, and 'timeout' is one"),
    ("sqlite+aiosqlite:///file::memory:?cache=shared", "a file has no options"),
    ("sqlite+aiosqlite:///file::memory:", "is no path of a file"),
    ("sqlite+aiosqlite:///", "the file's name is missing"),
    ("sqlite+aiosqlite:///folder/", "'folder/' is no path of a file"),
    ("sqlite+aiosqlite:///~/runs.db", "'~/runs.db' is no path of a file"),
    (f"{SERVER}?sslmode=require", "the option 'sslmode' is called 'ssl' here; write ssl=require"),
    (f"{SERVER}?ssl=required", "ssl=required is none of disable, prefer"),
    (f"{SERVER}?pass_file=x", "it has no option 'pass_file'; did you mean 'passfile'?"),
    (f"{SERVER}?password=secret&colour=red", "?password=***&colour=red', is not understood: it has no option 'colour'"),
    (f"{SERVER}?ssl=require&ssl=prefer", "the option 'ssl' is given twice"),
    (f"{SERVER}?prepared_statement_cache_size=many", "prepared_statement_cache_size=many is no number"),
]


def numbered(urls: list[tuple[str, str]]) -> list[object]:
    """Return the parameters of a test, with ids that contain no password."""
    return [pytest.param(*pair, id=shown(pair[0]) or "empty") for pair in urls]


@pytest.mark.parametrize(("url", "problem"), numbered(REFUSED))
def test_a_url_that_is_not_understood_is_refused_with_those_that_are(url: str, problem: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store.open(url)

    assert problem in str(caught.value)
    assert "sqlite+aiosqlite:///FILE" in str(caught.value)
    assert "postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:///runs.db", "sqlite+aiosqlite:////var/a b/runs.db", "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:", SERVER, f"{SERVER}?ssl=verify-full&target_session_attrs=primary",
        "postgresql+asyncpg:///x?host=/var/run/postgresql", "postgresql+asyncpg:///x?host=a:1&host=b:2",
    ],
)  # fmt: skip
def test_other_urls_are_understood(url: str) -> None:
    pytest.importorskip("asyncpg")

    assert parsed(url).drivername == url.partition(":")[0]


@pytest.mark.parametrize(("url", "problem"), numbered([pair for pair in REFUSED if pair[0]]))
def test_the_setting_is_refused_before_a_run_starts(url: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Session()
    made.graph("nothing", "pass")
    monkeypatch.setenv("NBFLOW_DATABASE_URL", url)

    with pytest.raises(NbflowError) as caught:
        asyncio.run(made.run("nothing"))

    assert str(caught.value).startswith("the setting NBFLOW_DATABASE_URL: the URL of the store")
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)
    assert made.live == {}


@pytest.mark.parametrize("place", [".", "nowhere/runs.db"])
def test_a_place_where_no_file_can_be_is_refused_before_a_run_starts(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Session()
    made.graph("nothing", "pass")
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
    monkeypatch.setenv("NBFLOW_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / place}")

    with pytest.raises(StoreError, match="it is a folder, or its folder does not exist"):
        asyncio.run(made.run("nothing"))

    assert made.live == {}


def test_the_setting_names_the_extra_where_the_driver_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.setenv("NBFLOW_DATABASE_URL", SERVER)

    with pytest.raises(ImportError, match=r"pip install -e '\.\[postgres\]'") as caught:
        settings()

    assert "secret" not in str(caught.value)


def test_the_place_of_a_server_is_shown_without_any_password() -> None:
    assert shown(f"{SERVER}?password=secret&ssl=require") == (
        "postgresql+asyncpg://user:***@localhost/x?password=***&ssl=require"
    )


def test_a_setting_without_a_value_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_DATABASE_URL", "")

    assert settings().database_url is None
