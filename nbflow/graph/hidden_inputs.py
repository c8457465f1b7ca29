"""Inputs of a tool besides its arguments and its code, which a cache of its outputs cannot see change.

The sources of the tool and of the user functions that it names are read; nothing runs. A name is resolved in the
function's scope, an import inside the function by the name of the module. A method of an object that exists only at run
time is recognised by its name alone, so the list has likely inputs, and may be incomplete.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.fingerprint.packages import owner_of
from nbflow.functions.parser import parse_module
from nbflow.functions.signatures import entered_by
from nbflow.functions.source import source_of

if TYPE_CHECKING:
    from nbflow.tools import ToolSpec

MOST = 200
"""The most functions that are read for one tool."""

_READS: dict[str, str] = {
    "the environment": r"os\.getenvb?$",
    "code that is made at run time": r"(builtins\.(eval|exec|compile|__import__)|importlib\.import_module)$",
    "names that are looked up at run time": r"builtins\.(globals|locals|vars)$",
    "files": (
        r"(builtins|io|_io|os|codecs|gzip|bz2|lzma|tarfile)\.open$|os\.(listdir|scandir|walk|f?stat|lstat|access)$"
        r"|(os|posix|nt)path\.(exists|lexists|isfile|isdir|getmtime|getsize)$|glob\.i?glob$|linecache\.|sqlite3\.connect$"
        r"|pathlib\..*\.(read_text|read_bytes|open|iterdir|r?glob|walk|exists|is_file|is_dir|stat)$"
        r"|pandas\..*\bread_\w+$|polars\..*\b(read|scan)_\w+$|numpy\..*\b(load|loadtxt|genfromtxt|fromfile|memmap)$"
        r"|pyarrow\..*\b(read_\w+|memory_map|OSFile)$|\?\.(read_text|read_bytes|open|iterdir)$"
    ),
    "the time": (
        r"time\.(time|monotonic|perf_counter|process_time|thread_time|clock_gettime)(_ns)?$|time\.(localtime|gmtime|ctime)$"
        r"|datetime\.(datetime|date)\.(now|today|utcnow)$|pandas\..*\bTimestamp\.(now|today|utcnow)$"
    ),
    "random numbers": (
        r"random\.(?!Random$)\w+$|secrets\.(?!compare_digest)\w+$|uuid\.uuid[14]$|os\.urandom$"
        r"|numpy\.random\.(?!default_rng\b|Generator\b|RandomState\b|SeedSequence\b)[\w.]+$|torch\.(rand\w*|normal)$"
    ),
    "the network": (
        r"(requests|httpx|httpx2|aiohttp|urllib3|websockets?|boto3|botocore|paramiko|ftplib|smtplib|imaplib)\."
        r"|urllib\.request\.|http\.client\.|socket\.(socket|create_connection|getaddrinfo|gethostby\w+)$"
        r"|asyncio\..*\bopen_(unix_)?connection$"
    ),
    "other processes": r"subprocess\.|os\.(system|popen|spawn\w+|exec\w+)$|asyncio\..*\bcreate_subprocess_\w+$",
    "what a person types": r"(builtins\.input|getpass\.getpass)$",
}
_PATTERNS = [(what, re.compile(pattern)) for what, pattern in _READS.items()]
_WITHOUT_A_SEED = re.compile(r"numpy\.random\.(default_rng|RandomState|SeedSequence)$|random\.Random$")
_MODULES = {"posix": "os", "nt": "os", "_io": "io", "_socket": "socket", "_random": "random"}
"""Modules whose objects users import from another module."""


@dataclass(frozen=True, slots=True)
class HiddenInput:
    """An input: its kind, such as `files`, the expression that reads it, and the helper function that does."""

    what: str
    written: str
    via: str = ""

    @property
    def place(self) -> str:
        """The expression, and the function that contains it if that is not the tool itself."""
        return f"{self.written} in {self.via}" if self.via else self.written


def hidden_inputs(spec: ToolSpec) -> list[HiddenInput]:
    """Return the inputs of a tool that a cache cannot see, in the order of its code, each once."""
    function = entered_by(spec.function)
    return list(dict.fromkeys(_Reader().read(function, ""))) if function is not None else []


@dataclass(slots=True)
class _Reader:
    met: set[int] = field(default_factory=set)

    def read(self, function: FunctionType, via: str) -> Iterator[HiddenInput]:
        """Yield the inputs of a function, and then those of the functions that it names."""
        function = entered_by(inspect.unwrap(function)) or function
        if id(function) in self.met or len(self.met) >= MOST:
            return
        self.met.add(id(function))
        tree = _tree_of(function)
        if tree is None:
            return
        scope = _Scope(function, tree)
        helpers: list[FunctionType] = []
        for node in _walked(tree):
            if isinstance(node, ast.Call) and (found := scope.called(node)):
                yield HiddenInput(found, _written(node.func) + "()", via)
            elif isinstance(node, ast.Name | ast.Attribute):
                if scope.path(node).startswith(("os.environ", "os.environb")) and not _is_part(node, tree):
                    yield HiddenInput("the environment", _written(node), via)
                helper = scope.value(node)
                if isinstance(helper, FunctionType) and owner_of(helper.__module__) is None:
                    helpers.append(helper)
        for helper in helpers:
            yield from self.read(helper, via or helper.__name__)


def _tree_of(function: Callable[..., Any]) -> ast.AST | None:
    source = source_of(function)
    if source is None:
        return None
    try:
        tree = parse_module(source)
    except (SyntaxError, ValueError):
        return None
    return tree.body[0] if len(tree.body) == 1 else tree


def _walked(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, without its decorators, defaults and annotations."""
    parts = tree.body if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef) else [tree]
    for part in parts:
        yield from ast.walk(part)


def _is_part(node: ast.AST, tree: ast.AST) -> bool:
    """Return whether a node is the object of an attribute, so that the longer expression is the one to name."""
    return any(isinstance(each, ast.Attribute) and each.value is node for each in ast.walk(tree))


def _written(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"…{text[-59:]}"


class _Scope:
    """Resolves names and dotted expressions inside a function."""

    def __init__(self, function: FunctionType, tree: ast.AST) -> None:
        self._function = function
        self._closure = inspect.getclosurevars(function).nonlocals if function.__closure__ else {}
        self._imported = dict(_imports(tree, function))
        code = function.__code__
        self._local = {*code.co_varnames, *code.co_cellvars} - self._imported.keys()

    def value(self, node: ast.AST) -> Any:
        """Return the object that a dotted expression refers to outside the call; None if it is unknown."""
        if isinstance(node, ast.Name):
            if node.id in self._local or node.id in self._imported:
                return None
            names = (self._closure, self._function.__globals__, vars(builtins))
            return next((each[node.id] for each in names if node.id in each), None)
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            return inspect.getattr_static(owner, node.attr, None) if isinstance(owner, ModuleType) else None
        return None

    def path(self, node: ast.AST) -> str:
        """Return the dotted name of the object of an expression, such as `os.environ`; unknown parts are `?`."""
        if isinstance(node, ast.Name) and node.id in self._imported:
            return self._imported[node.id]
        if (value := self.value(node)) is not None and (path := _path_of(value)):
            return path
        if isinstance(node, ast.Attribute):
            return f"{self.path(node.value)}.{node.attr}"
        # An instance counts as its class, so that Path("x").read_text is known.
        return self.path(node.func) if isinstance(node, ast.Call) else "?"

    def called(self, call: ast.Call) -> str | None:
        """Return the kind of hidden input that a call reads, or None."""
        path = self.path(call.func)
        if not call.args and not call.keywords and _WITHOUT_A_SEED.match(path):
            return "random numbers"
        return next((what for what, pattern in _PATTERNS if pattern.match(path)), None)


def _path_of(value: Any) -> str | None:
    """Return the dotted name of a module, a class, a function or the environment."""
    if isinstance(value, ModuleType):
        return _public(value.__name__)
    if value is os.environ or value is getattr(os, "environb", None):
        return "os.environ"
    if isinstance(value, BuiltinFunctionType | MethodType) and not isinstance(value.__self__, ModuleType | None):
        holder = value.__self__ if isinstance(value.__self__, type) else type(value.__self__)
        return f"{_public(holder.__module__)}.{value.__name__}"
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return f"{_public(module)}.{name}" if isinstance(module, str) and isinstance(name, str) else None


def _public(module: str) -> str:
    return _MODULES.get(module, module)


def _imports(tree: ast.AST, function: FunctionType) -> Iterator[tuple[str, str]]:
    """Yield the names that imports inside a function bind, with their dotted names."""
    for node in _walked(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
