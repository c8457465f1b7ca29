"""Text of threads that a tool starts reaches its node in whole lines, until the end of the node."""

# ruff: noqa: T201 - what is printed is what is tested

from __future__ import annotations

import asyncio
import gc
import io
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from multiprocessing.pool import ThreadPool
from typing import Any, TextIO

import pytest
import running
from running import engine_of, graph

from nbflow import Run, progress
from nbflow.engine import capture


@contextmanager
def captured(stream: TextIO | None = None) -> Iterator[io.StringIO]:
    """Install the capture over streams of the test's own; give what goes to no node."""
    cell = io.StringIO()
    with redirect_stdout(stream or cell), redirect_stderr(cell):
        capture.install()
        try:
            yield cell
        finally:
            capture.uninstall()


def finished(text: str, *tools: Callable[..., Any], **state: Any) -> Run:
    """Run a graph to its end while output is captured."""
    with captured():
        return running.finished(text, *tools, **state)


def said(run: Run, node: str) -> list[str]:
    """Return the texts of a node's output events."""
    return [event.data["text"] for event in run.events if event.kind == "node_output" and event.node == node]


def speak(*words: Any) -> None:
    print("thread", *words)


def by_thread() -> None:
    thread = threading.Thread(target=speak, args=(1,))
    thread.start()
    thread.join()


def by_subclass() -> None:
    class Own(threading.Thread):
        def __setattr__(self, name: str, value: Any) -> None:
            assert not name.startswith("_nbflow")
            super().__setattr__(name, value)

        def run(self) -> None:
            speak(1)

    thread = Own()
    thread.start()
    thread.join()


def by_timer() -> None:
    timer = threading.Timer(0, speak, (1,))
    timer.start()
    timer.join()


def by_nested_threads() -> None:
    thread = threading.Thread(target=by_thread)
    thread.start()
    thread.join()


def by_submit() -> None:
    with ThreadPoolExecutor(2) as pool:
        pool.submit(speak, 1).result()


def by_map() -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(speak, [1]))


def by_pool_in_pool() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(by_submit).result()


def by_initializer() -> None:
    with ThreadPoolExecutor(1, initializer=speak, initargs=(1,)) as pool:
        pool.submit(int).result()


def by_thread_pool() -> None:
    with ThreadPool(1) as pool:
        pool.apply(speak, (1,))


def by_thread_pool_keyword() -> None:
    with ThreadPool(1) as pool:
        pool.apply_async(func=speak, args=(1,)).get()


def by_thread_pool_map() -> None:
    with ThreadPool(1) as pool:
        pool.map(speak, [1])


def by_thread_pool_starmap() -> None:
    with ThreadPool(1) as pool:
        pool.starmap(speak, [(1,)])


def by_thread_pool_imap() -> None:
    with ThreadPool(1) as pool:
        list(pool.imap(speak, [1]))


async def by_to_thread() -> None:
    await asyncio.to_thread(speak, 1)


async def by_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, speak, 1)


async def by_thread_of_async_tool() -> None:
    by_thread()


def by_threads_of_a_generator() -> Iterator[dict[str, int]]:
    by_thread()
    yield {"x": 1}


@pytest.mark.parametrize(
    "tool",
    [
        by_thread, by_subclass, by_timer, by_nested_threads, by_submit, by_map, by_pool_in_pool, by_initializer,
        by_thread_pool, by_thread_pool_keyword, by_thread_pool_map, by_thread_pool_starmap, by_thread_pool_imap,
        by_to_thread, by_executor, by_thread_of_async_tool, by_threads_of_a_generator,
    ],
)  # fmt: skip
def test_text_of_a_thread_that_a_tool_starts_reaches_its_node(tool: Callable[..., Any]) -> None:
    with captured() as cell:
        run = running.finished("tool = " + tool.__name__, tool)
    assert (said(run, "tool"), cell.getvalue()) == (["thread 1\n"], "")


def test_joblib_s_threads_reach_their_node() -> None:
    joblib = pytest.importorskip("joblib")

    def tool() -> None:
        joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(speak)(number) for number in range(4))

    assert sorted("".join(said(finished("tool", tool), "tool")).splitlines()) == [f"thread {n}" for n in range(4)]


def test_logging_and_progress_of_a_thread_reach_the_node() -> None:
    logger = logging.Logger("alone")  # no logger that logging knows by its name

    def speaks() -> None:
        logger.warning("logged")
        progress(0.5, "half way")

    def tool() -> None:
        thread = threading.Thread(target=speaks)
        thread.start()
        thread.join()

    with captured():
        logger.addHandler(logging.StreamHandler())
        run = running.finished("tool", tool)
    assert said(run, "tool") == ["logged\n"]
    told = [event.data for event in run.events if event.kind == "node_progress"]
    assert told == [{"progress": 0.5, "text": "half way"}]


def test_handlers_of_before_the_capture_follow_it_and_are_put_back() -> None:
    with redirect_stderr(io.StringIO()) as stream:
        handler = logging.StreamHandler()
        capture.install()
        followed = handler.stream is sys.stderr and handler.stream is not stream
        capture.uninstall()
        assert (followed, handler.stream) == (True, stream)


def test_a_pool_works_for_the_submitter_of_the_call() -> None:
    with captured() as cell, ThreadPoolExecutor(1) as pool, ThreadPool(1) as other:

        def first() -> None:
            pool.submit(print, "of first").result()
            other.apply(print, ("also of first",))

        def second() -> None:
            pool.submit(print, "of second").result()
            other.map(print, ["also of second"])

        run = running.finished("first -> second", first, second)
        pool.submit(print, "of the cell").result()
        other.apply(print, ("also of the cell",))

    assert "".join(said(run, "first")) == "of first\nalso of first\n"
    assert "".join(said(run, "second")) == "of second\nalso of second\n"
    assert cell.getvalue() == "of the cell\nalso of the cell\n"


def test_lines_in_pieces_stay_whole_where_threads_print_at_the_same_time() -> None:
    def tool() -> None:
        together = threading.Barrier(4)

        def talk(mark: str) -> None:
            together.wait()
            for number in range(200):
                print(mark, "says", end=" ")
                print(number, end="")
                print()

        threads = [threading.Thread(target=talk, args=(mark,)) for mark in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run = finished("tool", tool)
    texts = said(run, "tool")
    assert all(text.endswith("\n") for text in texts)
    assert sorted("".join(texts).splitlines()) == sorted(f"{mark} says {n}" for mark in "abcd" for n in range(200))


def test_items_of_a_map_print_whole_lines() -> None:
    def doubling(item: int) -> int:
        for _ in range(50):
            print("doubling", item)
        return 2 * item

    run = finished("fan = doubling [map=items]", doubling, items=[0, 1, 2, 3])
    for item in range(4):
        assert set("".join(said(run, f"fan[{item}]")).splitlines()) == {f"doubling {item}"}
        assert all(text.endswith("\n") for text in said(run, f"fan[{item}]"))


def test_open_lines_of_several_threads_are_separate_lines_at_the_end() -> None:
    def tool() -> None:
        for number in range(3):
            thread = threading.Thread(target=print, args=(number,), kwargs={"end": ""})
            thread.start()
            thread.join()

    # Their order is that in which it turned out that they go on no longer.
    assert sorted("".join(said(finished("tool", tool), "tool")).splitlines()) == ["0", "1", "2"]


def test_a_bar_of_tqdm_leaves_its_last_state() -> None:
    tqdm = pytest.importorskip("tqdm").tqdm

    def tool() -> None:
        for _ in tqdm(range(2000), mininterval=0, miniters=1, desc="bar", file=sys.stderr):
            pass
        print("done")

    run = finished("tool", tool)
    lines = "".join(said(run, "tool")).splitlines()
    assert len(lines) == 2
    assert "100%" in next(line for line in lines if line.startswith("bar: "))
    assert sum(event.kind in ("node_output", "node_progress") for event in run.events) < 20


def test_nested_bars_of_tqdm_leave_their_last_states() -> None:
    tqdm = pytest.importorskip("tqdm").tqdm

    def tool() -> None:
        with tqdm(total=3, desc="outer", mininterval=0, miniters=1, file=sys.stderr, position=0) as outer:
            for number in range(3):
                for _ in tqdm(
                    range(20), desc="inner", mininterval=0, miniters=1, position=1, file=sys.stderr, leave=False
                ):
                    pass
                outer.update()
                tqdm.write(f"wrote {number}", file=sys.stderr)

    lines = "".join(said(finished("tool", tool), "tool")).splitlines()
    assert [line[:9] for line in lines] == ["wrote 0", "wrote 1", "wrote 2", "outer: 10"]


def test_a_bar_in_motion_is_shown_now_and_then() -> None:
    def tool() -> None:
        progress(0.25)
        for number in range(120):
            print(f"\rstep {number}", end="", file=sys.stderr)
            time.sleep(0.01)

    run = finished("tool", tool)
    moving = [e.data for e in run.events if e.kind == "node_progress" and e.data["text"]]
    assert 1 <= len(moving) <= 3
    assert all(data["text"].startswith("step ") and data["progress"] == 0.25 for data in moving)
    assert said(run, "tool") == ["step 119"]


def test_a_thread_that_outlives_its_node_prints_to_the_cell() -> None:
    ended, printed = threading.Event(), threading.Event()

    def late() -> None:
        print("early")
        started.set()
        ended.wait(300)
        print("late")
        printed.set()

    def tool() -> None:
        threading.Thread(target=late, daemon=True).start()
        started.wait(300)

    started = threading.Event()
    with captured() as cell:
        run = running.finished("tool", tool)
        ended.set()
        printed.wait(300)
    assert (said(run, "tool"), cell.getvalue()) == (["early\n"], "late\n")


def test_what_an_async_tool_leaves_running_prints_to_the_cell_after_its_node() -> None:
    async def late() -> None:
        await asyncio.sleep(0.05)
        print("late")

    async def tool() -> None:
        left.append(asyncio.create_task(late()))

    left: list[asyncio.Task[None]] = []

    async def main() -> Run:
        run = engine_of(tool).start(graph("tool"))
        await run
        await left[0]
        return run

    with captured() as cell:
        run = asyncio.run(main())
    assert (said(run, "tool"), cell.getvalue()) == ([], "late\n")


def test_a_tool_that_is_cancelled_leaves_its_open_line() -> None:
    async def waits() -> None:
        print("open", end="")
        await asyncio.sleep(300)

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    run = finished("pass -> waits & fails", waits, fails)
    told = [(event.kind.value, event.data.get("text")) for event in run.events if event.node == "waits"]
    assert told == [("node_start", None), ("node_output", "open"), ("node_cancelled", None)]


def test_a_thread_and_a_pool_keep_no_run_alive() -> None:
    stop = threading.Event()
    pool = ThreadPoolExecutor(1)

    def tool() -> None:
        threading.Thread(target=stop.wait, args=(300,), daemon=True).start()
        pool.submit(stop.wait, 300)
        print("open", end="")

    run = weakref.ref(finished("tool", tool))
    for _ in range(1000):  # the engine's own thread may still be about to let go of its last call
        gc.collect()
        if run() is None:
            break
        time.sleep(0.01)
    alive = run()
    stop.set()
    pool.shutdown()
    assert alive is None


def test_a_thread_inherits_nothing_else_of_the_context() -> None:
    from contextvars import ContextVar

    var = ContextVar("var", default="empty")
    seen = []

    def tool() -> None:
        var.set("of the tool")
        thread = threading.Thread(target=lambda: seen.append(var.get()))
        thread.start()
        thread.join()

    finished("tool", tool)
    assert seen == ["empty"]


def test_what_another_program_put_in_place_stays_and_works(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    with captured():
        ours = threading.Thread.start

        def start(self: threading.Thread) -> None:
            started.append(self.name)
            ours(self)

        monkeypatch.setattr(threading.Thread, "start", start)
        run = running.finished("by_thread", by_thread)
    assert threading.Thread.start is start
    assert started
    assert said(run, "by_thread") == ["thread 1\n"]


def test_the_streams_stay_usable() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")

    def tool() -> dict[str, Any]:
        sys.stdout.buffer.write("bytes é\n".encode())
        sys.stdout.writelines(["one\n", "two\n"])
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        return {"tty": sys.stdout.isatty(), "encoding": sys.stdout.encoding}

    with captured(stream):
        run = running.finished("tool", tool)
        sys.stdout.buffer.write(b"of the cell")
    assert "".join(said(run, "tool")) == "bytes é\none\ntwo\n"
    assert run.state == {"tty": False, "encoding": "utf-8"}
    stream.flush()
    assert raw.getvalue() == b"of the cell"


def test_a_bar_that_has_ended_comes_before_what_is_printed_after_it() -> None:
    def tool() -> None:
        print("1")
        print("\r2 half", end="")
        print("\r2 done", end="")
        print()
        print("3", file=sys.stderr)
        print("\r4 done")
        by_thread()
        print("6")

    lines = "".join(said(finished("tool", tool), "tool")).splitlines()

    assert lines == ["1", "2 done", "3", "4 done", "thread 1", "6"]
