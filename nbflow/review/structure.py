"""Parse a source and list the functions that it defines.

Invariant: for a source that does not parse, the result is a finding with a line, not an exception and not an empty
list.
"""

import sys
from typing import TYPE_CHECKING, Any

TRIES = (
    20  # files are parsed in parallel threads, in which `ast.parse` may fail at random (see `nbflow.functions.parser`)
)

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    Definition = ast.FunctionDef | ast.AsyncFunctionDef

NO_FILE = "<code>"


def extract_functions(code: str, path: str | None = None) -> dict[str, Any]:
    """List the functions of a source, including methods and nested functions, in the order of their lines.

    Args:
        code: The Python source.
        path: The file name to report; the file is not read.

    Returns:
        `functions`, rows of `file`, `name` (dotted, as `__qualname__`), `line`, `end_line`, `arguments` (names, with
        `*` and `**`), `docstring` (or None) and `is_async`; `syntax_error`, None or a dict of `file`, `line`, `column`
        and `message`.
    """
    import ast

    tree = parse(code, path)
    if isinstance(tree, dict):
        return {"functions": [], "syntax_error": tree}
    rows = [
        {
            "file": path or NO_FILE,
            "name": name,
            "line": node.lineno,
            "end_line": node.end_lineno or node.lineno,
            "arguments": _arguments(node.args),
            "docstring": ast.get_docstring(node),
            "is_async": isinstance(node, ast.AsyncFunctionDef),
        }
        for name, node in definitions(tree)
    ]
    return {"functions": rows, "syntax_error": None}


def parse(code: str, path: str | None = None) -> "ast.Module | dict[str, Any]":
    """Return the syntax tree of a source, or the row of its syntax error."""
    if "\0" in code:  # Python's own error has no line
        before = code[: code.index("\0")]
        return _fault(path, before.count("\n") + 1, len(before) - before.rfind("\n"), "there is a null byte")
    try:
        return _tree(code.removeprefix("\ufeff"))
    except SyntaxError as error:
        return _fault(path, error.lineno, error.offset, error.msg)
    except UnicodeEncodeError as error:
        line = code.count("\n", 0, error.start) + 1
        return _fault(path, line, error.start - code.rfind("\n", 0, error.start), f"not Unicode text: {error.reason}")
    except (RecursionError, MemoryError):
        return _fault(path, 1, 1, "nested too deeply for Python's own parser")


def _tree(source: str) -> "ast.Module":
    import ast

    for _ in range(TRIES - 1):
        try:
            return ast.parse(source)
        except SystemError:  # see `nbflow.functions.parser`, which is not a public module
            continue
    return ast.parse(source)


def _fault(path: str | None, line: int | None, column: int | None, message: str) -> dict[str, Any]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {
        "file": path or NO_FILE,
        "line": max(line or 1, 1),
        "column": max(column or 1, 1),
        "message": f"{message} (Python {version})",
    }


def definitions(tree: "ast.Module") -> "Iterator[tuple[str, Definition]]":
    """Yield every function with its dotted name, in the order of lines; without recursion, so any depth works."""
    import ast

    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        prefix, node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
            prefix += f"{node.name}.<locals>."
        elif isinstance(node, ast.ClassDef):
            prefix += f"{node.name}."
        stack.extend((prefix, child) for child in reversed(list(ast.iter_child_nodes(node))))


def _arguments(args: "ast.arguments") -> list[str]:
    names = [argument.arg for argument in (*args.posonlyargs, *args.args)]
    names += [f"*{args.vararg.arg}"] if args.vararg else []
    names += [argument.arg for argument in args.kwonlyargs]
    names += [f"**{args.kwarg.arg}"] if args.kwarg else []
    return names


def lines_by_name(code: str) -> dict[tuple[str, int], int]:
    """Return the line of each function by its name and its index among functions of that name, from 0.

    Empty if the source does not parse.
    """
    tree = parse(code)
    lines: dict[tuple[str, int], int] = {}
    seen: dict[str, int] = {}
    for name, node in () if isinstance(tree, dict) else definitions(tree):
        ordinal = seen.get(name, 0)
        seen[name] = ordinal + 1
        lines[name, ordinal] = node.lineno
    return lines
