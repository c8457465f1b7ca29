"""The live page and the static picture say the same of a node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scenes import node

from nbflow.view.text import badge, duration, second_line

ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")
SAY = """
import { badge, duration, secondText } from './nbflow/view/js/format.js';
import { readFileSync } from 'node:fs';
const { nodes, times } = JSON.parse(readFileSync(0, 'utf8'));
const lines = nodes.map((node) => [secondText(node, 1000), badge(node)]);
console.log(JSON.stringify({ lines, times: times.map((ms) => duration(ms / 1000)) }));
"""
ITEMS = {"done": 37, "total": 500, "failed": 2}
NODES: list[dict[str, Any]] = [
    node(),
    node(inputs=[1, 4]),
    node("running", progress=0.62),
    node("running", since=880),
    node("running"),
    node("running", items=ITEMS),
    node("waiting", since=940),
    node("waiting"),
    node("retrying", since=1004.2, attempt=3),
    node("completed", ms=1200),
    node("completed", ms=1200, attempt=2, runs=4),
    node("completed"),
    node("completed", ms=2, cached=True),
    node("completed", ms=9000, items=ITEMS),
    node("completed", ms=9000, items=ITEMS | {"failed": 0}),
    node("failed", error="KeyError"),
    node("failed"),
    node("cancelled", ms=8000),
    node("cancelled"),
    node("skipped"),
]
TIMES = [0, 0.4, 3, 94, 99, 100, 400, 1200, 9949, 9951, 12_400, 59_400, 59_600, 125_000, 3_599_000, 3_900_000]


@pytest.mark.skipif(NODE is None, reason="there is no node here")
def test_the_page_and_the_picture_use_the_same_words() -> None:
    given = json.dumps({"nodes": NODES, "times": TIMES})
    script = ["--input-type=module", "-e", SAY]
    done = subprocess.run([NODE or "", *script], cwd=ROOT, input=given, text=True, capture_output=True, check=True)
    said = json.loads(done.stdout)
    assert said["lines"] == [[" · ".join(filter(None, second_line(one, 1000))), badge(one)] for one in NODES]
    assert said["times"] == [duration(ms) for ms in TIMES]
