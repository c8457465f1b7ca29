"""Printed text and progress of a tool: logged in order, before its end, and for the right attempt."""

from __future__ import annotations

import asyncio

import pytest
from running import engine_of, finished, graph, say

from nbflow import Run, progress


def test_printed_text_and_progress_are_logged_in_their_order() -> None:
    async def talks() -> None:
        say("one ")
        say("two\n")
        progress(0.5, "half way")
        say("oh no\n", "stderr")
        progress(7)

    done = finished("talks", talks)

    told = [(e.kind.value, e.node, e.data) for e in done.events][2:-2]
    assert told == [
        ("node_output", "talks", {"text": "one two\n", "stream": "stdout"}),
        ("node_progress", "talks", {"progress": 0.5, "text": "half way"}),
        ("node_output", "talks", {"text": "oh no\n", "stream": "stderr"}),
        ("node_progress", "talks", {"progress": 1.0, "text": ""}),
    ]


@pytest.mark.parametrize("sync", [False, True])
def test_what_a_tool_says_arrives_before_its_end(sync: bool) -> None:
    def from_thread() -> None:
        for number in range(300):
            say(f"{number} ")

    async def on_loop() -> None:
        for number in range(300):
            say(f"{number} ")
            await asyncio.sleep(0)

    tool = from_thread if sync else on_loop
    done = finished(f"pass -> a & b\na = {tool.__name__}\nb = {tool.__name__}", tool)

    for node in "ab":
        own = [event for event in done.events if event.node == node and event.kind != "edge_taken"]
        assert own[0].kind == "node_start"
        assert own[-1].kind == "node_complete"
        assert "".join(e.data["text"] for e in own[1:-1]) == "".join(f"{number} " for number in range(300))


def test_threads_that_a_tool_starts_lose_no_words() -> None:
    import contextvars
    import threading

    def talks() -> None:
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(talk, mark)) for mark in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def talk(mark: str) -> None:
        for _ in range(2000):
            say(mark)

    done = finished("talks", talks)

    said = "".join(event.data["text"] for event in done.events if event.kind == "node_output")
    assert {mark: said.count(mark) for mark in "abcd"} == dict.fromkeys("abcd", 2000)


def test_what_the_thread_of_an_earlier_attempt_says_is_dropped() -> None:
    import threading

    second, calls = threading.Event(), []

    def talks() -> None:
        calls.append(1)
        if len(calls) == 1:
            second.wait(300)
            say("too late")
            calls.append(1)
            return
        second.set()
        while len(calls) < 3:
            pass
        say("in time")

    async def main() -> Run:
        # The next attempt waits for the thread of the one before; with a short grace both run at once.
        started = engine_of(talks, attempt_grace=0.01).start(graph("talks [timeout=0.3, retries=1]"))
        await started.wait()
        return started

    said = [event.data for event in asyncio.run(main()).events if event.kind == "node_output"]
    assert [data["text"] for data in said if data["stream"] == "stdout"] == ["in time"]
