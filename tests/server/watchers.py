"""A process with many watchers of one run: most read every message, some never read.

Invariant: the process prints a line once all watchers are connected. At the end it prints one line of JSON that contains,
for each reader, the number of its events and whether they are complete and in order.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

from websockets.asyncio.client import connect

TOKEN = "token-of-the-tests"
AT_ONCE = 50


async def read(port: int, run_id: str, door: asyncio.Semaphore, watching: asyncio.Event) -> list[int]:
    """Watch a run to its end; return the numbers of its events in the order of arrival."""
    address, headers = f"ws://127.0.0.1:{port}/ws/runs/{run_id}", {"Authorization": f"Bearer {TOKEN}"}
    async with door:
        client = await connect(address, additional_headers=headers, compression=None, open_timeout=300)
        got = [json.loads(await client.recv())["seq"]]
        watching.set()
    got += [json.loads(text)["seq"] async for text in client]
    return got


def never_read(port: int, run_id: str) -> socket.socket:
    """Watch a run without ever reading. The buffer is small, so that the server notices."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET /ws/runs/{run_id} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    return client


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(port: int, run_id: str, readers: int, silent: int) -> None:
    """Watch the run, and print the result."""
    door, told = asyncio.Semaphore(AT_ONCE), [asyncio.Event() for _ in range(readers)]
    reading = [asyncio.create_task(read(port, run_id, door, event)) for event in told]
    quiet = [never_read(port, run_id) for _ in range(silent)]
    for event in told:
        await event.wait()
    tell("watching")
    got = await asyncio.gather(*reading)
    tell(json.dumps([[len(each), each == list(range(1, len(each) + 1))] for each in got]))
    for client in quiet:
        client.close()


if __name__ == "__main__":
    port, run_id, readers, silent = sys.argv[1:]
    asyncio.run(main(int(port), run_id, int(readers), int(silent)))
