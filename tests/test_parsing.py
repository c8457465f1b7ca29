"""Concurrent use of Python's parser in several threads."""

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
    """An object that the garbage collector finalizes while a tree is being built, and that yields to other threads."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        time.sleep(0)


@pytest.mark.slow
@pytest.mark.parametrize("parse", [parse_module, structure.parse])
def test_a_valid_source_is_parsed_while_other_threads_parse(parse: Callable[[str], ast.Module]) -> None:
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
            except SystemError:  # a bare `ast.parse` is not retried, and fails now and then
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


def test_the_error_of_an_invalid_source_is_the_parsers_own() -> None:
    with pytest.raises(SyntaxError, match="invalid syntax"):
        parse_expression("1 +")
    with pytest.raises(SyntaxError, match="invalid syntax"):
        parse_module("a = = b")
