"""A worker: the process that executes the cells of a file once and serves its graphs.

`nbflow serve` starts the worker, passes it a listening socket, and ends it by SIGTERM. The processes that tools start
inherit no descriptor of the worker, so none of them holds the port open.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import socket
import sys
from pathlib import Path

from nbflow.engine import capture
from nbflow.errors import NbflowError
from nbflow.program.origin import origin_of
from nbflow.program.program import open_program
from nbflow.serve.supervisor import ending_signals
from nbflow.server.app import Server
from nbflow.server.cluster.recovery import adopt_for_ever
from nbflow.server.cluster.relay import Siblings
from nbflow.server.options import Options, options
from nbflow.server.telemetry.logs import log_as_json
from nbflow.session import Session
from nbflow.settings import settings

logger = logging.getLogger("nbflow.server")


def main() -> None:
    """Serve a file until SIGTERM, SIGINT or SIGHUP."""
    gc.enable()
    asked = _arguments()
    for descriptor in filter(None, (asked.socket, asked.ready)):
        os.set_inheritable(descriptor, False)
    try:
        chosen, stored = options(), settings()  # before the cells, which may take long
        program = open_program(asked.file, asked.tools)
        log_as_json(hidden=() if chosen.token is None else (chosen.token,))
        for note in program.notes:
            logger.warning(note)
        history = program.session.history
        history.folder = Path.cwd() if stored.database_url else asked.file.absolute().parent
        history.origin = origin_of(asked.file, history.folder)
        capture.install()
        asyncio.run(_serve(program.session, asked, chosen))
    except (NbflowError, ImportError) as error:  # ImportError: the message names the missing extra
        sys.exit(f"nbflow: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nbflow.server", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--tools", action="append", default=[])
    parser.add_argument("--socket", type=int, required=True, help="the descriptor of a socket that listens")
    parser.add_argument("--ready", type=int, help="a descriptor to write to once the worker accepts requests")
    parser.add_argument("--life", type=int, help="a descriptor that `nbflow.server.cluster.watcher` reads")
    parser.add_argument("--siblings", type=Path, help="a folder where the workers of one server find each other")
    return parser.parse_args()


async def _serve(session: Session, asked: argparse.Namespace, chosen: Options) -> None:
    siblings = None if asked.siblings is None else Siblings(asked.siblings)
    server = Server(session, chosen, siblings=siblings)
    service = server.service
    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    sockets = [socket.socket(fileno=asked.socket)]
    if siblings is not None:
        sockets.append(siblings.listen())
    await asyncio.to_thread(session.history.open)
    _collect_less()
    adopting = asyncio.create_task(adopt_for_ever(service))
    telling = asyncio.create_task(_tell_ready(server, asked.ready))
    try:
        await server.serve(sockets=sockets)
    finally:
        adopting.cancel()
        telling.cancel()
        await service.drain()
        if siblings is not None:
            siblings.leave()


def _collect_less() -> None:
    """Freeze the objects that exist now and collect less often; by default collection is a third of the work."""
    gc.collect()
    gc.freeze()
    # The oldest generation is collected soon again, as released runs are in it.
    gc.set_threshold(20_000, 5, 2)


async def _tell_ready(server: Server, descriptor: int | None) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    if descriptor is not None:
        os.write(descriptor, b"1")
        os.close(descriptor)
