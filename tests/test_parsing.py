"""Python's parser in several threads at once."""

from __future__ import annotations

import argparse
import ast
import gc
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nbflow.functions.parser import parse_expression, parse_module
from nbflow.review import structure


class Loop:
    """Something that the garbage collector meets in the midst of a tree, and which lets other threads go first."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        time.sleep(0)


@pytest.mark.slow
@pytest.mark.parametrize("parse", [parse_module, structure.parse])
def test_a_sound_source_is_parsed_whatever_other_threads_parse(parse: Callable[[str], ast.Module]) -> None:
    source = Path(argparse.__file__).read_text()
    said: list[SystemError] = []

    def parse_many() -> None:
        for _ in range(10):
            for _ in range(50):
                Loop()
            try:
                assert len(parse(source).body) > 10
            except SystemError as error:
                said.append(error)

    def meanwhile() -> None:
        while any(thread.is_alive() for thread in threads):
            try:
                ast.parse(source)
            except SystemError:  # as whoever parses without us is told now and then
                continue

    threads = [threading.Thread(target=parse_many) for _ in range(3)]
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-5)
    gc.set_threshold(200)
    try:
        for thread in threads:
            thread.start()
        meanwhile()
    finally:
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)

    assert said == []


def test_what_is_wrong_with_a_source_is_said_as_the_parser_says_it() -> None:
    with pytest.raises(SyntaxError, match="invalid syntax"):
        parse_expression("1 +")
    with pytest.raises(SyntaxError, match="invalid syntax"):
        parse_module("a = = b")
