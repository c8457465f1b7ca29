"""Text that overwrites itself is logged in whole lines, as a terminal shows it in the end."""

from __future__ import annotations

import random
import threading

import pytest

from nbflow.engine.terminal import HEIGHT, WIDTH, PrintBuffer, Screen

UP = "\x1b[A"


def shown(*pieces: str) -> str:
    """Return all that a screen passes on, written piece by piece."""
    screen = Screen()
    return "".join(map(screen.write, pieces)) + screen.settle()


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["one\ntwo\n"], "one\ntwo\n"),
        (["a", "b", "\n", "c"], "ab\nc"),
        (["\r  0%", "\r 50%", "\r100%", "\n"], "100%\n"),
        (["\r  0%", "\r 50%"], " 50%"),
        (["working 1\r", "working 2\r"], "working 2"),
        (["long text\rshort"], "shorttext"),
        (["long text\r\x1b[Kshort\n"], "short\n"),
        (["long text", "\x1b[2K\rshort\n"], "short\n"),
        (["windows\r\n", "lines\r\n"], "windows\nlines\n"),
        (["10", "\b\b", "20", "\n"], "20\n"),
        (["\r\x1b[32m 50%\x1b[0m", "\r\x1b[32m100%\x1b[0m\n"], "100%\n"),
        (["\x1b[1mbold\x1b[0m\n"], "\x1b[1mbold\x1b[0m\n"),
        (["\r50%", "\r   ", "\r", "done\n"], "done\n"),
        (["\r50%", "\r   ", "\r"], ""),
        (["\r100%\n", "after\n"], "100%\nafter\n"),
        (["\r100%\n", "\n", "after\n"], "100%\n\nafter\n"),
        (["\x1b", "[", "A", "x\n"], "x\n"),
        (["\router 0", "\n", "\rinner 0", UP, "\n", "\rinner 1", UP, "\router 1"], "outer 1\ninner 1"),
        (["\ra", "\n\n", "\rc", UP + UP, "\n", "\rb", UP, "\rA"], "A\nb\nc"),
        (["one\ntwo\n", UP, UP, "\x1b[2K", "ONE\n"], "one\ntwo\nONE\n"),
        (["\x1b[99999999999999A\x1b[99999999999999B\x1b[99999999999999Cx\n"], None),
    ],
)
def test_the_last_state_of_each_row_is_passed_on(pieces: list[str], text: str | None) -> None:
    if text is not None:
        assert shown(*pieces) == text
    else:
        assert len(shown(*pieces)) < HEIGHT * (WIDTH + 2)


def test_a_plain_line_is_passed_on_at_once() -> None:
    screen = Screen()
    assert screen.write("\r100%\n") == ""
    assert screen.write("after\n") == "100%\nafter\n"
    assert screen.write("plain\n") == "plain\n"


def test_the_retained_text_is_bounded_for_any_writes() -> None:
    random.seed(1)
    screen = Screen()
    parts = [
        "x" * 700,
        "\r",
        "\n",
        "\b",
        UP,
        "\x1b[3B",
        "\x1b[K",
        "\x1b[J",
        "\x1b[500C",
        "\x1b[",
        "\x1b[31m",
        "y",
        "\x1b",
    ]
    for _ in range(20_000):
        screen.write(random.choice(parts))
    assert len(screen.settle()) <= HEIGHT * (WIDTH + 1)


def test_a_line_without_end_is_passed_on_in_parts() -> None:
    said: list = []
    buffer = PrintBuffer("stdout", said)
    for _ in range(1000):
        buffer.write("x" * 100)
    assert sum(len(text) for _, _, text in said) > 100_000 - WIDTH - 100
    buffer.close()
    assert "".join(text for _, _, text in said) == "x" * 100_000


def test_a_bar_that_several_threads_move_is_one_line_and_their_lines_stay_whole() -> None:
    said: list = []
    buffer = PrintBuffer("stderr", said)
    turn = threading.Lock()
    count = iter(range(1, 401))

    def moves(mark: str) -> None:
        for number in range(100):
            with turn:
                buffer.write(f"\r{next(count)}/400")
            for piece in (mark, " ", str(number), "\n"):
                buffer.write(piece) if mark == "quiet" else None

    threads = [threading.Thread(target=moves, args=(mark,)) for mark in ("a", "b", "c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    buffer.close()

    assert "".join(text for _, _, text in said) == "400/400"


def test_lines_of_other_threads_come_above_a_bar_that_moves() -> None:
    said: list = []
    buffer = PrintBuffer("stderr", said)
    buffer.write("\r1/2")
    other = threading.Thread(target=lambda: [buffer.write(piece) for piece in ("other", " ", "line", "\n")])
    other.start()
    other.join()
    buffer.write("\r2/2\n")
    buffer.close()
    assert [text for _, _, text in said] == ["other line\n", "2/2\n"]


def test_a_plain_line_after_nested_bars_is_passed_on_at_once() -> None:
    said: list = []
    buffer = PrintBuffer("stderr", said)
    for piece in ("\router 1/1", "\n", "\rinner", UP, "\n", "\r     ", UP, "\router 1/1", "\n"):
        buffer.write(piece)
    assert said == []
    buffer.write("after\n")
    assert [text for _, _, text in said] == ["outer 1/1\nafter\n"]
