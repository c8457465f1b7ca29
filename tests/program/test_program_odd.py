"""Files that are odd, or none of what they should be: read where it makes sense, else refused by a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nbflow.errors import NbflowError
from nbflow.program.notebook_file import NotebookError, code_cells
from nbflow.program.program import register_modules
from nbflow.program.text_file import FileError, read_text
from nbflow.session import current

DEEP = "[" * 100_000 + "]" * 100_000


def notebook(*sources: Any, **more: Any) -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for source in sources
    ]
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells, **more}


def written(folder: Path, data: Any) -> Path:
    path = folder / "flows.ipynb"
    path.write_bytes(
        data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
    )
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding_and_is_no_part_of_the_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.flow"
    path.write_bytes("fetch -> größe".encode(encoding))

    assert read_text(path) == "fetch -> größe"


@pytest.mark.parametrize(
    ("raw", "told"),
    [(b"\xff\xd8 binary", "is not text in UTF-8: byte 0"), (b"\xff\xfea", "is not text in UTF-16: byte 2")],
)
def test_what_is_no_text_is_refused_by_the_byte(tmp_path: Path, raw: bytes, told: str) -> None:
    (tmp_path / "a.flow").write_bytes(raw)

    with pytest.raises(FileError, match=told):
        read_text(tmp_path / "a.flow")


def test_a_folder_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a folder"):
        read_text(tmp_path)
    with pytest.raises(FileError, match="cannot be opened: No such file"):
        read_text(tmp_path / "none")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.flow").touch(0o000)

    with pytest.raises(FileError, match="Permission denied"):
        read_text(tmp_path / "a.flow")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (notebook("1", 5), "'source' is neither a text nor a list of texts in its cell 2"),
        (notebook(["a", 5]), "'source' is neither a text nor a list of texts in its cell 1"),
        (notebook(cells={"a": 1}), "its cells are no list"),
        (notebook(cells=None), "its cells are no list"),
        (notebook(cells=[1, None]), "its cell 1 is no object"),
        (notebook("1", metadata=None), "its metadata are no object"),
        ({"nbformat": 4, "metadata": {}}, "its cells are no list"),
        ([], "it holds list, and a notebook is an object"),
        (None, "it holds NoneType"),
        ({"nbformat": 3, "worksheets": 5}, "is not a notebook"),
        ({"nbformat": 5, "cells": [], "metadata": {}}, "Unsupported nbformat version 5"),
        ("", "it is no JSON"),
        ("hello", "it is no JSON"),
        (bytes(range(256)), "is not text in UTF-8"),
        (f'{{"nbformat": 4, "metadata": {{}}, "cells": {DEEP}}}', "it is nested too deeply"),
        (f'{{"nbformat": 3, "metadata": {{}}, "worksheets": {DEEP}}}', "it is nested too deeply"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_an_odd_notebook_is_refused_by_what_is_odd_in_it(tmp_path: Path, data: Any, told: str) -> None:
    with pytest.raises(NotebookError, match=told):
        code_cells(written(tmp_path, data))


@pytest.mark.parametrize(
    "metadata",
    [{"kernelspec": None}, {"kernelspec": {"language": 3}, "language_info": {"name": None}}, {"language_info": []}],
)
def test_odd_metadata_name_no_language_so_it_is_python(tmp_path: Path, metadata: dict[str, Any]) -> None:
    (cell,) = code_cells(written(tmp_path, notebook("x = 1", metadata=metadata)))

    assert cell["source"] == "x = 1"


def test_a_notebook_of_an_older_form_is_read(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "language": "python", "metadata": {}, "input": ["x = 1"], "outputs": []}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": [cell]}]}

    assert [cell["source"] for cell in code_cells(written(tmp_path, old))] == ["x = 1"]


def test_a_module_may_be_named_by_the_path_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("NUMBER = 3\n")
    path = tmp_path / "odd-tools.v2.py"
    path.write_bytes(b"\xef\xbb\xbffrom beside_it import NUMBER\ndef odd_one(total):\n    return {'total': NUMBER}\n")
    registry = current().registry
    before = registry.snapshot()
    try:
        register_modules([str(path)])
        register_modules([str(path)])  # again, as a command may be given it twice

        assert registry.get("odd_one").function(1) == {"total": 3}
        assert registry.get("odd_one").source is not None
    finally:
        registry.restore(before)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import sys\nsys.exit(0)", r"SystemExit: 0 \(broken_tools.py, line 2\)"),
        ("raise BaseException('x')", r"BaseException: x \(broken_tools.py, line 1\)"),
        ("\nraise ValueError('bad')", r"ValueError: bad \(broken_tools.py, line 2\)"),
        ("import asyncio\nraise asyncio.CancelledError", "CancelledError"),
        ("def f(:", r"SyntaxError: .*\(broken_tools.py, line 1\)"),
        ("import nowhere_at_all", r"No module named 'nowhere_at_all' \(broken_tools.py, line 1\)"),
        ("def f(): f()\nf()", "RecursionError"),
        ("", "defines no function"),
    ],
)
def test_a_module_that_does_not_import_is_refused_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, told: str
) -> None:
    (tmp_path / "broken_tools.py").write_text(body)
    monkeypatch.delitem(__import__("sys").modules, "broken_tools", raising=False)

    with pytest.raises(NbflowError, match=f"--tools .*broken_tools.*{told}"):
        register_modules([str(tmp_path / "broken_tools.py")])


@pytest.mark.parametrize("name", ["./none.py", ".", "./", "..", "", ".x", "a b"])
def test_a_name_that_is_no_module_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NbflowError, match="--tools"):
        register_modules([name])


def test_a_file_named_as_a_module_that_is_loaded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("def f(): ...")

    with pytest.raises(NbflowError, match="another module 'json' is loaded already; rename the file"):
        register_modules([str(tmp_path / "json.py")])
