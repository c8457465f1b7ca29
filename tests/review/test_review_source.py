"""Files are read as they declare, listed in order, and written only where that is safe."""

import stat
import sys
import sysconfig
from pathlib import Path

import pytest

from nbflow.errors import ToolError
from nbflow.review import apply_fixes, list_sources, read_source

UNUSED = "import os\nx = 1\n"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        (b"#!/bin/env python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n", None),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        ("x = 'ü'\r\ny = 2\r\n".encode(), "x = 'ü'\r\ny = 2\r\n"),
        (b"", ""),
    ],
)
def test_a_file_is_read_in_the_encoding_it_declares_with_its_line_ends(tmp_path, raw, text):
    path = tmp_path / "a.py"
    path.write_bytes(raw)

    answer = read_source(str(path))

    assert answer == {"code": raw.decode("cp1252") if text is None else text, "path": str(path)}


@pytest.mark.parametrize(
    "raw", [b"x = '\xff'\n", b"# coding: no-such\n", b"# coding: rot13\n", b"ok = 1\n" * 5 + b"\xe9"]
)
def test_bytes_that_are_not_in_the_declared_encoding_are_an_error_that_names_the_file(tmp_path, raw):
    path = tmp_path / "a.py"
    path.write_bytes(raw)

    with pytest.raises(ToolError, match=r"a\.py cannot be read as Python source.*declare its encoding"):
        read_source(str(path))


def test_a_missing_file_or_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.py"):
        read_source(str(tmp_path / "gone.py"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list_sources(str(tmp_path / "nowhere"))
    (tmp_path / "a.py").touch()
    with pytest.raises(NotADirectoryError, match=r"a\.py"):
        list_sources(str(tmp_path / "a.py"))


def test_sources_are_listed_sorted_without_caches_hidden_directories_and_environments(tmp_path):
    for name in (
        "b.py",
        "a.py",
        "z/c.py",
        "z/.git/x.py",
        "z/__pycache__/y.py",
        "env/lib/e.py",
        "notes.txt",
        "d.py/in.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "env/pyvenv.cfg").touch()

    listed = list_sources(str(tmp_path))["files"]

    assert listed == [str(tmp_path / name) for name in ("a.py", "b.py", "d.py/in.py", "z/c.py")]
    assert list_sources(str(tmp_path), "*.txt")["files"] == [str(tmp_path / "notes.txt")]


def test_a_file_is_unchanged_without_write(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(UNUSED)

    answer = apply_fixes(UNUSED, str(path))

    assert answer["code"] == "x = 1\n"
    assert path.read_text() == UNUSED


def test_write_replaces_the_file_and_preserves_its_mode(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(UNUSED)
    path.chmod(0o750)

    apply_fixes(UNUSED, str(path), write=True)

    assert path.read_text() == "x = 1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"# coding: latin-1\nimport os\nx = '\xe9'\n", b"# coding: latin-1\nx = '\xe9'\n"),
        (b"\xef\xbb\xbfimport os\nx = 1\n", b"\xef\xbb\xbfx = 1\n"),
        (b"import os\r\nx = 1\r\n", b"x = 1\r\n"),
    ],
)
@pytest.mark.parametrize("translated", [False, True])
def test_write_preserves_encoding_mark_and_line_ends(tmp_path, before, after, translated):
    path = tmp_path / "a.py"
    path.write_bytes(before)
    code = read_source(str(path))["code"]

    apply_fixes(code.replace("\r\n", "\n") if translated else code, str(path), write=True)

    assert path.read_bytes() == after


def test_a_file_that_holds_another_text_is_not_overwritten(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("import os\nx = 2\n")

    with pytest.raises(ToolError, match="does not contain the text that was reviewed"):
        apply_fixes(UNUSED, str(path), write=True)

    assert path.read_text() == "import os\nx = 2\n"


def test_write_needs_the_name_of_a_file_that_exists(tmp_path):
    with pytest.raises(ToolError, match="give 'path'"):
        apply_fixes(UNUSED, write=True)
    with pytest.raises(FileNotFoundError, match=r"gone\.py"):
        apply_fixes(UNUSED, str(tmp_path / "gone.py"), write=True)


@pytest.mark.parametrize("write", ["false", 1, None])
def test_write_is_true_or_false_and_nothing_that_only_looks_so(tmp_path, write):
    with pytest.raises(ToolError, match="write must be True or False"):
        apply_fixes(UNUSED, str(tmp_path / "a.py"), write=write)


@pytest.mark.parametrize(
    "path",
    [
        Path(sys.prefix, "lib", "mine.py"),
        Path(sys.base_prefix, "lib", "mine.py"),
        Path(sysconfig.get_paths()["purelib"], "nbflow", "x.py"),
        Path(sysconfig.get_paths()["stdlib"], "textwrap.py"),
        Path("/home/somebody/env/lib/python3.12/site-packages/pkg/a.py"),
        Path(sys.prefix, "..", Path(sys.prefix).name, "a.py"),
    ],
)
def test_nothing_beneath_a_python_installation_is_written(path):
    held = path.read_bytes() if path.exists() else None

    with pytest.raises(ToolError, match="never written"):
        apply_fixes(UNUSED, str(path), write=True)

    assert (path.read_bytes() if path.exists() else None) == held


def test_a_link_into_an_installation_is_refused_and_any_other_is_followed(tmp_path):
    inward, outward, real = tmp_path / "in.py", tmp_path / "out.py", tmp_path / "real.py"
    inward.symlink_to(Path(sysconfig.get_paths()["stdlib"], "textwrap.py"))
    real.write_text(UNUSED)
    outward.symlink_to(real)

    with pytest.raises(ToolError, match="never written"):
        apply_fixes(UNUSED, str(inward), write=True)
    apply_fixes(UNUSED, str(outward), write=True)

    assert outward.is_symlink()
    assert real.read_text() == "x = 1\n"
