"""Compiles conditions: text to a checked expression, and the expression to a function of the state.

Invariant: nothing of the tree that Python parses is passed on. Each kind of node has a method that makes its
counterpart from checked parts, names become string constants, and every call in the result is of a function from this
package or of a predicate. The compiled function has no builtins. Any failure in it is a ConditionError, whose column is
found from the failing instruction, so that an evaluation that succeeds pays nothing for it.

The work is split in two. `check` reads a text when a graph is defined, and remembers its outline: the keys that it
reads and the functions that it calls. `compile_condition` needs only that outline. It compiles the expression when the
condition is evaluated for the first time, because most graphs are displayed more often than they are run.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from nbflow.conditions import operations
from nbflow.conditions.limits import MAX_BITS, MAX_DEPTH, MAX_ELEMENTS, Refused
from nbflow.conditions.parser import scan, simple_names
from nbflow.errors import ConditionError, did_you_mean, name_list
from nbflow.errors.failures import text_of
from nbflow.functions.parser import parse_expression
from nbflow.names import are_normal, identifier
from nbflow.values import pure

Predicates = Mapping[str, Callable[..., Any]]

_UNREAD = object()
_SHOWN = 200  # characters of another error's message
_REMEMBERED = 10_000  # outlines; as many as a graph may have different conditions
_REMEMBERED_LENGTH = 1_000  # characters of such a condition

_WORDS = {"true": True, "false": False, "null": None}
_REFUSED = {
    ast.Set: "a set is no part of a condition; write a list: [1, 2]",
    ast.Slice: "a slice is no part of a condition; index one element",
    ast.Starred: "a condition unpacks nothing",
}


class Condition:
    """A condition whose text has been checked; `compile_condition` makes it.

    Attributes:
        source: The text of the condition.
        names: The top-level keys of the state that it reads.
    """

    __slots__ = ("_columns", "_evaluate", "_predicates", "names", "source")

    def __init__(self, source: str, names: frozenset[str], predicates: Predicates) -> None:
        self.source, self.names, self._predicates = source, names, predicates
        self._evaluate: Callable[[Mapping[str, Any]], tuple[bool, dict[str, Any]]] = self._compile_and_evaluate
        self._columns: dict[int, str] = {}

    def __repr__(self) -> str:
        return f"Condition({self.source!r})"

    def evaluate(self, state: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
        """Return the truth, and the values read, by path (`user.age`), in the order of their first read.

        Raises:
            ConditionError: A name is not in the state, an operation failed or was refused, or a truth is ambiguous.
        """
        try:
            return self._evaluate(state)
        except Refused as refusal:
            raise self._error(refusal.problem, self._column(refusal)) from None
        except Exception as error:
            column = self._column(error)
            name = self._absent_key(error, column, state)
            if name is not None:
                raise self._error(operations.missing(name, "the state", state).problem, column) from None
            raise self._error(f"{type(error).__name__}: {_message(error)}", column) from error

    def _compile_and_evaluate(self, state: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
        expression, rebuilder = _rebuilt(self.source, self._predicates)
        self._columns = rebuilder.key_columns
        evaluate: Callable[[Mapping[str, Any]], tuple[bool, dict[str, Any]]] = _function(expression, rebuilder)
        self._evaluate = evaluate
        return evaluate(state)

    def _absent_key(self, error: Exception, column: int | None, state: Mapping[str, Any]) -> str | None:
        """Return the key that is not in the state, if that is the cause of an error."""
        if not isinstance(error, KeyError):
            return None
        if column is None:
            name = next((name for name in self.names if error.args == (name,)), None)
        else:
            name = self._columns.get(column)
        return None if name is None or name in state else name

    def _error(self, problem: str, column: int | None) -> ConditionError:
        return ConditionError(problem, source=self.source, column=None if column is None else column + 1)

    def _column(self, error: Exception) -> int | None:
        """Return the column, from 0, of the instruction that failed; None if the code has no positions."""
        frame = error.__traceback__
        while frame is not None and frame.tb_frame.f_code is not getattr(self._evaluate, "__code__", None):
            frame = frame.tb_next
        if frame is None:
            return None
        positions = list(frame.tb_frame.f_code.co_positions())
        return positions[frame.tb_lasti // 2][2]


def compile_condition(text: str, predicates: Predicates | None = None) -> Condition:
    """Return a text as a condition that calls the current predicates of these names.

    Raises:
        ConditionError: The text is not a condition, contains what conditions may not, or calls an unknown function.
    """
    known = predicates or {}
    try:
        outline = _outline(text)
        called = outline.calls - operations.FUNCTIONS.keys()
        hidden = outline.calls & operations.FUNCTIONS.keys() & known.keys()
        if hidden or not called <= known.keys() or any(inspect.iscoroutinefunction(known[name]) for name in called):
            _rebuilt(text, known)  # raises, and names the column of the call
        return Condition(text, outline.names, {name: known[name] for name in called})
    except Refused as refusal:
        raise _located(text, refusal) from None


def check(text: str) -> None:
    """Check that a text is a condition, without looking up its predicates.

    Raises:
        ConditionError: The text is not a condition, or contains what conditions may not.
    """
    try:
        _outline(text)
    except Refused as refusal:
        raise _located(text, refusal) from None


def _located(text: str, refusal: Refused) -> ConditionError:
    column = None if refusal.column is None else refusal.column + 1
    return ConditionError(refusal.problem, source=text if isinstance(text, str) else "", column=column)


class _Outline(NamedTuple):
    """The top-level keys that a condition reads, and the functions that it calls."""

    names: frozenset[str]
    calls: frozenset[str]


def _outline(text: str) -> _Outline:
    """Return the outline of a text; raises Refused if the text is not a condition."""
    if not isinstance(text, str):
        raise Refused(f"a condition is text, not {type(text).__name__}")
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _read(text)


def _read(text: str) -> _Outline:
    if (names := simple_names(text)) is not None:
        return _Outline(names, frozenset())
    _, rebuilder = _rebuilt(text, _AnyPredicate())
    return _Outline(frozenset(rebuilder.key_columns.values()), frozenset(rebuilder.calls))


_remembered = lru_cache(maxsize=_REMEMBERED)(_read)


class _AnyPredicate(dict[str, Callable[..., Any]]):
    """Stands for the registered predicates, which are known only when a graph runs."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name not in operations.FUNCTIONS

    def __missing__(self, name: str) -> Callable[..., Any]:
        return bool


def _rebuilt(text: str, predicates: Predicates) -> tuple[ast.expr, Rebuilder]:
    """Return the checked expression of a text, and the rebuilder that made it.

    Raises:
        Refused: The text is not a condition, or calls an unknown function.
    """
    padded = scan(text)
    source = padded.lstrip(" ")
    shift = len(padded) - len(source)
    try:
        parsed = parse_expression(source)
        rebuilder = Rebuilder(source, shift, predicates)
        return rebuilder.truth(parsed), rebuilder
    except SyntaxError as error:
        raise Refused(f"this is no condition: {error.msg}", max((error.offset or 1) - 1, 0) + shift) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"this cannot be read as a condition: {_message(error)}") from None


def _is_of_a_name(character: str) -> bool:
    return ("_" + character).isidentifier()


class Read(NamedTuple):
    """A read of the state: the local variable for the value, the path, and whether `and` or `or` may skip it."""

    variable: str
    path: str
    may_be_skipped: bool


class Rebuilder:
    """Rebuilds one condition; the public attributes then list what it reads, calls and needs."""

    def __init__(self, text: str, shift: int, predicates: Predicates) -> None:
        self._text, self._shift, self._predicates = text, shift, predicates
        self._depth = self._skippable = self._temporaries = 0
        self._budget: operations.Budget = [MAX_ELEMENTS]
        self.reads: list[Read] = []
        self.key_columns: dict[int, str] = {}
        """The top-level keys, by the columns at which they are read."""
        self.calls: set[str] = set()
        self.makes_elements = False
        self.functions: dict[str, Callable[..., Any]] = {}
        self._rules: dict[type[ast.expr], Callable[[Any], ast.expr]] = {
            ast.Constant: self._constant,
            ast.Name: self._chain,
            ast.Attribute: self._chain,
            ast.Subscript: self._chain,
            ast.BoolOp: self._bool_op,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.Compare: self._compare,
            ast.Call: self._call,
            ast.List: self._list,
            ast.Tuple: self._tuple,
            ast.Dict: self._dict,
        }

    def rebuild(self, node: ast.expr) -> ast.expr:
        """Return the counterpart of `node`, placed in its column; raises Refused with a column."""
        rule = self._rules.get(type(node))
        if rule is None:
            problem = _REFUSED.get(type(node), f"{type(node).__name__} is no part of a condition")
            raise Refused(problem, self._column(node))
        self._deeper(node)
        built = rule(node)
        self._depth -= 1
        return self._at(built, self._column(node))

    def _deeper(self, node: ast.expr) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Refused(f"a condition is nested at most {MAX_DEPTH} deep", self._column(node))

    def _column(self, node: ast.expr, *, end: bool = False) -> int:
        """Return the column from 0; the parser counts bytes."""
        offset = (node.end_col_offset or 0) if end else node.col_offset
        if self._text.isascii():
            return offset + self._shift
        return len(self._text.encode()[:offset].decode(errors="ignore")) + self._shift

    def _attribute_column(self, node: ast.Attribute) -> int:
        return max(self._column(node, end=True) - len(self._written(node)), 0)

    def _written(self, node: ast.Attribute) -> str:
        """Return the name after the dot as the text writes it; the parser normalises it."""
        if self._text.isascii():
            return node.attr
        end = self._column(node, end=True) - self._shift
        return "".join(takewhile(_is_of_a_name, reversed(self._text[:end])))[::-1]

    @staticmethod
    def _at(built: ast.expr, column: int) -> ast.expr:
        if not hasattr(built, "lineno"):
            built.lineno = built.end_lineno = 1
            built.col_offset, built.end_col_offset = column, column + 1
        return built

    def _function(self, name: str, function: Callable[..., Any], arguments: Sequence[ast.expr]) -> ast.Call:
        self.functions[name] = function
        return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])

    def _constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, (int, float, str, type(None))):
            raise Refused(f"a {type(node.value).__name__} is no part of a condition", self._column(node))
        if isinstance(node.value, int) and node.value.bit_length() > MAX_BITS:
            raise Refused(f"an integer has at most {MAX_BITS} bits here", self._column(node))
        return ast.Constant(node.value)

    # Keys, fields and elements

    def _chain(self, node: ast.Name | ast.Attribute | ast.Subscript) -> ast.expr:
        built, path = self._link(node)
        if path is None:
            return built
        read = Read(f"read{len(self.reads)}", path, self._skippable > 0)
        self.reads.append(read)
        return ast.NamedExpr(ast.Name(read.variable, ast.Store()), self._at(built, self._column(node)))

    def _link(self, node: ast.expr) -> tuple[ast.expr, str | None]:
        """Return the expression of one link of `a.b[c]`, and its path from the state, None if it starts elsewhere."""
        if isinstance(node, ast.Name):
            return self._name(node)
        if not isinstance(node, (ast.Attribute, ast.Subscript)):
            return self.rebuild(node), None
        self._deeper(node)
        whole = isinstance(node.value, ast.Name) and node.value.id == "state"
        owner, path = (ast.Name("state", ast.Load()), None) if whole else self._link(node.value)
        if isinstance(node, ast.Attribute):
            built, step = self._dotted(node, owner, whole)
        else:
            built, step = self._indexed(node, owner, whole)
        self._depth -= 1
        if whole:
            return built, step.removeprefix(".")
        return built, None if path is None else path + step

    def _name(self, node: ast.Name) -> tuple[ast.expr, str | None]:
        if node.id in _WORDS:
            return ast.Constant(_WORDS[node.id]), None
        if node.id == "state":
            return self._function("whole", operations.whole, [ast.Name("state", ast.Load())]), None
        self._not_dunder(node.id, self._column(node))
        return self._top(node.id, self._column(node)), node.id

    def _dotted(self, node: ast.Attribute, owner: ast.expr, whole: bool) -> tuple[ast.expr, str]:
        column = self._attribute_column(node)
        self._not_dunder(node.attr, column)
        if whole:
            return self._top(node.attr, column), f".{node.attr}"
        names: list[ast.expr] = [ast.Constant(name) for name in dict.fromkeys((self._written(node), node.attr))]
        built = self._function("key", operations.key, [owner, *names])
        return self._at(built, column), f".{node.attr}"

    def _indexed(self, node: ast.Subscript, owner: ast.expr, whole: bool) -> tuple[ast.expr, str]:
        index = self.rebuild(node.slice)
        literal = isinstance(index, ast.Constant)
        step = f"[{index.value!r}]" if isinstance(index, ast.Constant) else f"[{ast.unparse(node.slice)}]"
        column = self._column(node.slice)
        if whole and isinstance(index, ast.Constant) and isinstance(index.value, str):
            name = identifier(index.value)
            return self._top(name, column), f".{name}"
        if whole and literal:
            raise Refused("the keys of the state are strings", column)
        name, function = ("state_item", operations.state_item) if whole else ("item", operations.item)
        return self._at(self._function(name, function, [owner, index]), column), f"state{step}" if whole else step

    def _top(self, name: str, column: int) -> ast.expr:
        self.key_columns[column] = name
        read = ast.Subscript(ast.Name("state", ast.Load()), ast.Constant(name), ast.Load())
        return self._at(read, column)

    @staticmethod
    def _not_dunder(name: str, column: int) -> None:
        if name.startswith("__"):
            instead = f"if it is a key, write [\"{name}\"] behind its dict or behind 'state'"
            raise Refused(f"a name with two underscores in front is refused; {instead}", column)

    # Operators

    def truth(self, node: ast.expr) -> ast.expr:
        """Return the counterpart of an expression that is used as a truth; raises Refused with a column."""
        built = self.rebuild(node)
        if isinstance(node, (ast.Compare, ast.BoolOp, ast.Constant)):
            return built
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return built
        return self._at(self._function("truthful", operations.truthful, [built]), self._column(node))

    def _bool_op(self, node: ast.BoolOp) -> ast.expr:
        values = [self.truth(node.values[0])]
        self._skippable += 1
        values += [self.truth(value) for value in node.values[1:]]
        self._skippable -= 1
        return ast.BoolOp(ast.And() if isinstance(node.op, ast.And) else ast.Or(), values)

    def _unary(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return ast.UnaryOp(ast.Not(), self.truth(node.operand))
        operand = self.rebuild(node.operand)
        name = type(node.op).__name__
        return self._folded(node, name, operations.UNARY[name], [operand])

    def _binary(self, node: ast.BinOp) -> ast.expr:
        name = type(node.op).__name__
        left, right = self.rebuild(node.left), self.rebuild(node.right)
        if name in operations.CHARGED:
            if name == "Mult" and any(isinstance(side, (ast.List, ast.Tuple)) for side in (left, right)):
                raise Refused("a condition does not repeat lists", self._column(node))
            return self._folded(node, name, operations.CHARGED[name], [left, right], charged=True)
        if name not in operations.ARITHMETIC:
            raise Refused(f"{name} is no operator of a condition", self._column(node))
        if isinstance(left, ast.Constant) and isinstance(left.value, str) and name == "Mod":
            raise Refused("'%' takes numbers here and formats no text", self._column(node))
        return self._folded(node, name, operations.ARITHMETIC[name], [left, right])

    def _folded(
        self, node: ast.expr, name: str, function: Callable[..., Any], operands: list[ast.expr], charged: bool = False
    ) -> ast.expr:
        """Return the call, or its result where all operands are literals.

        So an operation on literals that would grow too large is refused when the graph is defined.
        """
        known = [operand.value for operand in operands if isinstance(operand, ast.Constant)]
        if len(known) == len(operands):
            try:
                result = function(self._budget, *known) if charged else function(*known)
            except Refused as refusal:
                raise Refused(refusal.problem, self._column(node)) from None
            except Exception:  # noqa: BLE001 - the evaluation raises it if it reaches this operation
                result = None
            if isinstance(result, (int, float)):
                return ast.Constant(result)
        self.makes_elements |= charged
        budget: list[ast.expr] = [ast.Name("budget", ast.Load())] if charged else []
        return self._function(name, function, budget + operands)

    def _compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) > MAX_DEPTH:
            raise Refused(f"a comparison has at most {MAX_DEPTH} links", self._column(node))
        pairs: list[ast.expr] = []
        left = self.rebuild(node.left)
        for number, (sign, operand) in enumerate(zip(node.ops, node.comparators, strict=True), start=1):
            right = again = self.rebuild(operand)
            if number < len(node.ops) and not isinstance(right, ast.Constant):
                self._temporaries += 1
                variable = f"link{self._temporaries}"
                right = self._at(ast.NamedExpr(ast.Name(variable, ast.Store()), right), self._column(operand))
                again = ast.Name(variable, ast.Load())
            pairs.append(self._at(self._pair(sign, left, right, operand, self._column(node)), self._column(node)))
            left = again
            self._skippable += number == 1
        self._skippable -= 1
        return pairs[0] if len(pairs) == 1 else ast.BoolOp(ast.And(), pairs)

    def _pair(self, sign: ast.cmpop, left: ast.expr, right: ast.expr, operand: ast.expr, column: int) -> ast.expr:
        name = type(sign).__name__
        if name in ("Is", "IsNot"):
            if isinstance(left, ast.Constant):
                raise Refused("'is' compares no literal; write ==", self._column(operand))
            if isinstance(operand, (ast.BinOp, ast.UnaryOp)) and not isinstance(right, ast.Constant):
                # As in `n is not None + z`, where the operator binds closer: an error only if it is reached.
                found = self._function("identical", operations.identical, [left, right])
                return found if isinstance(sign, ast.Is) else ast.UnaryOp(ast.Not(), found)
            if not (isinstance(right, ast.Constant) and (right.value is None or isinstance(right.value, bool))):
                raise Refused("'is' is for None, True and False; write ==", self._column(operand))
            return ast.Compare(left, [type(sign)()], [right])
        if name in ("In", "NotIn"):
            return self._membership(sign, left, right, operand, column)
        if isinstance(left, ast.Constant) or isinstance(right, ast.Constant):
            return ast.Compare(self._single(left, column), [type(sign)()], [self._single(right, column)])
        return self._function(name, operations.COMPARISONS[name], [left, right])

    def _single(self, built: ast.expr, column: int) -> ast.expr:
        """Return the expression of a value that is compared with a literal."""
        if isinstance(built, ast.Constant):
            return built
        return self._at(self._function("single", operations.single, [built]), column)

    def _membership(self, sign: ast.cmpop, left: ast.expr, right: ast.expr, operand: ast.expr, column: int) -> ast.expr:
        if isinstance(operand, ast.Name) and operand.id == "state":
            if not (isinstance(left, ast.Constant) and are_normal((left.value,))):
                left = self._at(self._function("state_key", operations.state_key, [left]), column)
            return ast.Compare(left, [type(sign)()], [ast.Name("state", ast.Load())])
        listed = isinstance(right, (ast.List, ast.Tuple)) and all(isinstance(one, ast.Constant) for one in right.elts)
        if listed:
            return ast.Compare(self._single(left, column), [type(sign)()], [right])
        found = self._function("contains", operations.contains, [left, right])
        return found if isinstance(sign, ast.In) else ast.UnaryOp(ast.Not(), found)

    # Calls and displays

    def _call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Attribute):
            raise Refused("a condition calls functions, no methods", self._attribute_column(node.func))
        if not isinstance(node.func, ast.Name):
            raise Refused("a condition calls functions by their names", self._column(node.func))
        name, column = node.func.id, self._column(node)
        if node.keywords:
            raise Refused(f"{name!r} takes its values by position", self._column(node.keywords[0].value))
        arguments = [self.rebuild(argument) for argument in node.args]
        self.calls.add(name)
        if name in operations.FUNCTIONS:
            if name in self._predicates:
                raise Refused(f"the predicate {name!r} has the name of a built-in function; give it another", column)
            function, fewest, most = operations.FUNCTIONS[name]
            if len(arguments) < fewest or (most is not None and len(arguments) > most):
                raise Refused(f"{name!r} does not take {len(arguments)} values", column)
            return self._folded(node, name, function, arguments)
        if name not in self._predicates:
            known = [*operations.FUNCTIONS, *self._predicates]
            problem = f"{name!r} is no function known here; these are: {name_list(known, most=20)}"
            raise Refused(problem + did_you_mean(name, known), column)
        predicate = self._predicates[name]
        if inspect.iscoroutinefunction(predicate):
            raise Refused(f"the predicate {name!r} is async; a predicate is a plain function", column)
        return self._function(f"predicate_{name}", pure(predicate), arguments)

    def _list(self, node: ast.List) -> ast.expr:
        return ast.List([self.rebuild(element) for element in node.elts], ast.Load())

    def _tuple(self, node: ast.Tuple) -> ast.expr:
        return ast.Tuple([self.rebuild(element) for element in node.elts], ast.Load())

    def _dict(self, node: ast.Dict) -> ast.expr:
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                raise Refused("a condition does not unpack dicts", self._column(value))
            keys.append(self._at(self._function("keyed", operations.keyed, [self.rebuild(key)]), self._column(key)))
            values.append(self.rebuild(value))
        return ast.Dict(keys, values)


def _function(expression: ast.expr, rebuilt: Rebuilder) -> FunctionType:
    """Return the function of the state that gives truth and reads."""
    truth = ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), expression))
    body: list[ast.stmt] = []
    if rebuilt.makes_elements:
        body.append(_assign(["budget"], ast.List([ast.Constant(MAX_ELEMENTS)], ast.Load())))
    certain = list(takewhile(lambda read: not read.may_be_skipped, rebuilt.reads))
    values: list[ast.expr] = [_load(read.variable) for read in certain]
    known = ast.Dict([ast.Constant(read.path) for read in certain], values)
    if len(certain) == len(rebuilt.reads):
        body.append(ast.Return(ast.Tuple([truth, known], ast.Load())))
    else:
        later = rebuilt.reads[len(certain) :]
        body.append(_assign([read.variable for read in later if read.may_be_skipped], _load("unread")))
        body += [_assign(["truth"], truth), _assign(["reads"], known)]
        for read in later:
            body += _noted(read.variable, read.path, read.may_be_skipped)
        body.append(ast.Return(ast.Tuple([_load("truth"), _load("reads")], ast.Load())))
    return _compile(body, expression, {**rebuilt.functions, "unread": _UNREAD})


def _noted(variable: str, path: str, may_be_skipped: bool) -> list[ast.stmt]:
    target = ast.Subscript(_load("reads"), ast.Constant(path), ast.Store())
    note = ast.Assign([target], _load(variable))
    if not may_be_skipped:
        return [note]
    return [ast.If(ast.Compare(_load(variable), [ast.IsNot()], [_load("unread")]), [note], [])]


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _assign(names: list[str], value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store()) for name in names], value)


def _compile(body: list[ast.stmt], place: ast.expr, functions: dict[str, Any]) -> FunctionType:
    for statement in body:
        statement.lineno = statement.end_lineno = 1
        statement.col_offset, statement.end_col_offset = place.col_offset, place.col_offset + 1
    arguments = ast.arguments(posonlyargs=[ast.arg("state")], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.FunctionDef("evaluate", arguments, body, [], lineno=1, col_offset=0)
    module = ast.fix_missing_locations(ast.Module([function], []))
    code = compile(module, "<condition>", "exec")
    inner = next(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return FunctionType(inner, {"__builtins__": {}, **functions})


def _message(error: BaseException) -> str:
    text = text_of(error)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
