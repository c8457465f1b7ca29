"""Measure the complexity of a source by radon.

Invariant: all numbers are radon's. This module only decides what radon measures, so that nested functions and methods
are measured too.
"""

from typing import TYPE_CHECKING, Any

from nbflow.errors import ToolError
from nbflow.errors.extras import needs
from nbflow.review.maintainability import maintainability_index
from nbflow.review.structure import NO_FILE, definitions, parse

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from nbflow.review.structure import Definition

MODULE = "<module>"


def check_complexity(code: str, path: str | None = None) -> dict[str, Any]:
    """Measure the cyclomatic complexity of each function and the maintainability of the whole source.

    Branches outside all functions are counted in a row named `<module>`.

    Args:
        code: The Python source. If it does not parse, there are no rows and no maintainability.
        path: The file name to report.

    Returns:
        `complexity`, rows of `file`, `name`, `line`, `end_line`, `complexity` and radon's `rank` (A to F);
        `max_complexity` and `average_complexity` (0 without rows); `maintainability`, radon's index from 0 to 100, or
        None.

    Raises:
        ImportError: radon is not installed.
        ToolError: The source is nested too deeply for radon.
    """
    tree = parse(code, path)
    if isinstance(tree, dict):
        return {"complexity": [], "max_complexity": 0, "average_complexity": 0.0, "maintainability": None}
    try:
        rows = [*_module_row(tree, path), *(_row(name, node, path) for name, node in definitions(tree))]
        index = maintainability_index(code, tree)
    except RecursionError as error:
        raise _too_deep(path) from error
    numbers = [row["complexity"] for row in rows]
    return {
        "complexity": rows,
        "max_complexity": max(numbers, default=0),
        "average_complexity": round(sum(numbers) / len(numbers), 2) if numbers else 0.0,
        "maintainability": index,
    }


def find_hotspots(code: str, path: str | None = None, complexity_limit: int = 10) -> dict[str, Any]:
    """List the functions above a limit of complexity, each with the block that should become a separate function.

    This is the block whose number of decisions is nearest to half of the function's, so that moving it out leaves two
    functions of similar complexity.

    Args:
        code: The Python source.
        path: The file name to report.
        complexity_limit: The highest acceptable cyclomatic complexity.

    Returns:
        `hotspots`, the most complex first: rows as in `complexity` with a `part`, a dict of `line`, `end_line`, `kind`
        and `decisions`, or None if the function has no block of several decisions besides the whole.

    Raises:
        ImportError: radon is not installed.
        ToolError: The source is nested too deeply for radon.
    """
    tree = parse(code, path)
    if isinstance(tree, dict):
        return {"hotspots": []}
    try:
        rows = [(_row(name, node, path), node) for name, node in definitions(tree)]
        hot = [{**row, "part": _part(node)} for row, node in rows if row["complexity"] > complexity_limit]
    except RecursionError as error:
        raise _too_deep(path) from error
    return {"hotspots": sorted(hot, key=lambda row: (-row["complexity"], row["line"]))}


def _row(name: str, node: "Definition", path: str | None) -> dict[str, Any]:
    number = int(_visit(node).functions[0].complexity)
    return _complexity_row(path, name, node.lineno, node.end_lineno or node.lineno, number)


def _module_row(tree: "ast.Module", path: str | None) -> list[dict[str, Any]]:
    number = int(_visit(tree).complexity)
    last = tree.body[-1].end_lineno or 1 if tree.body else 1
    return [_complexity_row(path, MODULE, 1, last, number)] if number > 1 else []


def _complexity_row(path: str | None, name: str, line: int, end_line: int, number: int) -> dict[str, Any]:
    from radon.complexity import cc_rank  # type: ignore[import-untyped]

    return {
        "file": path or NO_FILE,
        "name": name,
        "line": line,
        "end_line": end_line,
        "complexity": number,
        "rank": str(cc_rank(number)),
    }


def _visit(node: "ast.AST") -> Any:
    try:
        from radon.visitors import ComplexityVisitor  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(needs("measuring complexity", "review")) from error
    return ComplexityVisitor.from_ast(node)


def _part(function: "Definition") -> dict[str, Any] | None:
    """Return the block whose number of decisions is nearest to half of the function's."""
    whole = sum(_decisions(statement) for statement in function.body)
    blocks = [(_decisions(block), block) for block in _blocks(function)]
    inner = [(number, block) for number, block in blocks if 1 < number < whole]
    if not inner:
        return None
    number, best = min(inner, key=lambda pair: (abs(2 * pair[0] - whole), pair[1].lineno))
    return {
        "line": best.lineno,
        "end_line": best.end_lineno or best.lineno,
        "kind": type(best).__name__.removeprefix("Async").lower(),
        "decisions": number,
    }


def _decisions(statement: "ast.stmt") -> int:
    return int(_visit(statement).complexity) - 1


def _blocks(function: "Definition") -> "Iterator[ast.stmt]":
    """Yield the compound statements of a function, without nested definitions (measured separately) and `elif`s."""
    import ast

    kinds = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
    branches: set[ast.AST] = set()  # in the tree an `elif` is an `if` inside an `else`; it cannot be moved out alone
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, kinds) and node not in branches:
            yield node
        if isinstance(node, ast.If):
            branches.update(after for after in node.orelse if after.col_offset == node.col_offset)
        stack.extend(ast.iter_child_nodes(node))


def _too_deep(path: str | None) -> ToolError:
    return ToolError(
        f"{path or NO_FILE} is nested too deeply to be measured (an if/elif chain or an expression hundreds of levels "
        "deep); split it, or leave this node out of the graph for this file"
    )
