"""A PostgreSQL server that is there and does not answer is given up in the end."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import make_url
from stores import WAIT_S, add, batch, create
from surroundings import database

from nbflow.errors import StoreError
from nbflow.store import Store, db_errors

POSTGRES = os.environ.get("NBFLOW_TEST_POSTGRES_URL")
Open = Callable[[str], Store]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_errors, "PATIENCE_S", 1.0)


class Relay:
    """A server that hands on to another what it is sent, and the answers back, until it falls silent."""

    def __init__(self, target: tuple[str, int] | None) -> None:
        self._target, self._silent = target, threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listening]
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        self._silent.set()

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._sockets.append(client)
                if self._target is None or self._silent.is_set():
                    continue
                server = socket.create_connection(self._target)
                self._sockets.append(server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._silent.is_set():
                    return
                target.sendall(data)


@contextmanager
def relay(target: tuple[str, int] | None) -> Iterator[Relay]:
    made = Relay(target)
    try:
        yield made
    finally:
        made.close()


def test_a_server_that_takes_connections_and_says_nothing_is_given_up(opened: Open) -> None:
    with relay(None) as silent, pytest.raises(StoreError, match="has not answered for 2 s"):
        opened(f"postgresql+asyncpg://user@127.0.0.1:{silent.port}/database")


@pytest.mark.skipif(POSTGRES is None, reason="NBFLOW_TEST_POSTGRES_URL names no server")
def test_a_server_that_falls_silent_is_given_up_by_writing_and_reading(opened: Open) -> None:
    with database(str(POSTGRES)) as url:
        read = make_url(url)
        with relay((read.host or "127.0.0.1", read.port or 5432)) as between:
            store = opened(read.set(host="127.0.0.1", port=between.port).render_as_string(hide_password=False))
            epoch = create(store, "silenced")
            add(store, "silenced", epoch, 1, 1)

            between.fall_silent()
            writing, reading = store.append("silenced", epoch, lambda: batch(2, 2)), store.log("silenced")

            with pytest.raises(StoreError, match="has not answered for 2 s"):
                writing.result(WAIT_S)
            with pytest.raises(StoreError, match="has not answered for 2 s"):
                reading.result(WAIT_S)
