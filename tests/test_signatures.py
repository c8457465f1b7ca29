"""The parameters that a call of a tool accepts, through decorators, partials, methods and standard library wrappers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydantic
import pytest

from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine
from nbflow.errors import ToolError


def asks(function: Any) -> list[str]:
    """Return the parameters of a tool; `?` marks an optional one, and `**` means that the tool accepts further params."""
    spec = ToolRegistry().register("t", function)
    return [param.name + "?" * (not param.required) for param in spec.params] + ["**"] * spec.takes_kwargs


def called(function: Any, /, **state: Any) -> Any:
    """Return the final state of a run of one node that calls the tool without params."""
    registry = ToolRegistry()
    registry.register("t", function)
    graph = GraphDefinition.from_text("t")
    return asyncio.run(WorkflowEngine(registry).execute(graph, state)).state


def add(x: int, y: int = 1) -> dict[str, int]:
    return {"z": x + y}


def passes_all(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_a_wrapper_that_passes_all_arguments_on_has_the_functions_parameters() -> None:
    assert asks(passes_all(add)) == ["x", "y?"]
    assert called(passes_all(passes_all(add)), x=1, y=2)["z"] == 3


def test_a_wrapper_that_names_all_its_parameters_is_called_with_those() -> None:
    @functools.wraps(add)
    def wrapper(text: str) -> Any:
        return add(int(text), 5)

    assert asks(wrapper) == ["text"]
    assert called(wrapper, text="2", x=100)["z"] == 7


def test_a_wrapper_with_an_additional_parameter_has_it_and_the_rest_of_the_functions() -> None:
    @functools.wraps(add)
    def drops(factor: int, *args: Any, **kwargs: Any) -> Any:
        return {"z": factor * add(*args, **kwargs)["z"]}

    @functools.wraps(add)
    def shares(x: int, *args: Any, **kwargs: Any) -> Any:
        return add(x + 1, *args, **kwargs)

    @functools.wraps(add)
    def keyword_only(*args: Any, verbose: bool = False, **kwargs: Any) -> Any:
        return add(*args, **kwargs) | {"verbose": verbose}

    @functools.wraps(add)
    def other_name(first: int, *args: Any, **kwargs: Any) -> Any:
        return add(first, *args, **kwargs)

    assert (asks(drops), asks(shares)) == (["factor", "x", "y?"], ["x", "y?"])
    assert (asks(keyword_only), asks(other_name)) == (["verbose?", "x", "y?"], ["first", "y?"])
    assert called(drops, factor=3, x=1)["z"] == 6
    assert called(shares, x=1, y=2)["z"] == 4
    assert called(keyword_only, x=1, verbose=True)["verbose"] is True
    assert called(other_name, first=1)["z"] == 2


def query(conn: str, x: int, *, timeout: int = 1) -> dict[str, Any]:
    return {"z": (conn, x, timeout)}


class Pool:
    """A decorator that is an object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function("pool", *args, **kwargs)


def injects_first(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function("pool", *args, **kwargs)

    return wrapper


def injects_by_name(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, conn="pool", **kwargs)

    return wrapper


def injects_into_kwargs(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kwargs["conn"] = "pool"
        return function(*args, **kwargs)

    return wrapper


def injects_by_update(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(**kwargs: Any) -> Any:
        kwargs.update(conn="pool")
        return function(**kwargs)

    return wrapper


def injects_in_a_new_dict(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **{**kwargs, "conn": "pool"})

    return wrapper


def injects_in_a_union(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **(kwargs | {"conn": "pool"}))

    return wrapper


def injects_in_a_context(function: Callable[..., Any]) -> Callable[..., Any]:
    @contextlib.contextmanager
    def connection() -> Iterator[str]:
        yield "pool"

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with connection() as conn:
            return await asyncio.to_thread(function, conn, *args, **kwargs)

    return wrapper


def injects_in_an_inner_function(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        def attempt() -> Any:
            return function("pool", *args, **kwargs)

        print(*args)  # noqa: T201 - another call with the arguments
        return attempt()

    return wrapper


@pytest.mark.parametrize(
    "decorator",
    [
        Pool, injects_first, injects_by_name, injects_into_kwargs, injects_by_update, injects_in_a_new_dict,
        injects_in_a_union, injects_in_a_context, injects_in_an_inner_function,
    ],
    ids=lambda decorator: decorator.__name__,
)  # fmt: skip
def test_an_argument_that_a_decorator_passes_itself_is_not_a_parameter(decorator: Callable[..., Any]) -> None:
    tool = decorator(query)

    assert asks(tool) == ["x", "timeout?"]
    assert called(tool, x=1, timeout=2)["z"] == ("pool", 1, 2)
    assert called(tool, x=1, conn="a key of that name")["z"] == ("pool", 1, 1)


def test_an_argument_for_which_a_decorator_has_a_default_is_optional() -> None:
    @functools.wraps(query)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("conn", "pool")
        if "timeout" not in kwargs:
            kwargs["timeout"] = 9
        return query(*args, **kwargs)

    assert asks(wrapper) == ["conn?", "x", "timeout?"]
    assert called(wrapper, x=1)["z"] == ("pool", 1, 9)
    assert called(wrapper, x=1, conn="mine", timeout=2)["z"] == ("mine", 1, 2)


def test_an_argument_that_a_wrapper_pops_from_its_kwargs_is_a_parameter() -> None:
    @functools.wraps(add)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        factor, loud = kwargs.pop("factor"), kwargs.pop("loud", False)
        return {"z": factor * add(*args, **kwargs)["z"], "loud": loud}

    assert asks(wrapper) == ["x", "y?", "factor", "loud?"]
    assert called(wrapper, x=1, factor=4, loud=True) == {"x": 1, "factor": 4, "loud": True, "z": 8}


def test_if_the_source_hides_the_arguments_of_a_decorator_the_error_names_the_decorator() -> None:
    space: dict[str, Any] = {"functools": functools}
    exec(
        "def with_pool(fn):\n @functools.wraps(fn)\n def wrapper(*args, **kwargs):\n"
        "  return fn('pool', *args, **kwargs)\n return wrapper",
        space,
    )

    with pytest.raises(Exception, match="needs 'conn'") as caught:
        called(space["with_pool"](query), x=1)

    assert str(caught.value).endswith(
        "keys there are: x. It is a parameter of the function that the decorator 'with_pool' wraps; if the decorator "
        "passes it by itself, write the wrapper's own parameters in place of *args and **kwargs, or set its "
        "__signature__"
    )


def test_a_signature_set_on_a_wrapper_is_used() -> None:
    tool = injects_first(query)
    tool.__signature__ = inspect.signature(lambda x, timeout: None)  # type: ignore[attr-defined]

    assert asks(tool) == ["x", "timeout"]


def test_a_signature_that_a_wrapper_copied_from_the_function_is_not_its_own() -> None:
    def function(**kwargs: Any) -> Any:
        return {"z": kwargs["x"]}

    function.__signature__ = inspect.signature(lambda x: None)  # type: ignore[attr-defined]

    @functools.wraps(function)
    def wrapper(text: str) -> Any:
        return function(x=int(text))

    assert asks(passes_all(function)) == ["x"]
    assert asks(wrapper) == ["text"]


def test_a_wrapper_that_passes_only_positional_arguments_is_called_by_position() -> None:
    @functools.wraps(add)
    def wrapper(*args: Any) -> Any:
        return add(*args)

    assert asks(wrapper) == ["x", "y?"]
    assert called(wrapper, x=1, y=5)["z"] == 6
    assert called(wrapper, x=1)["z"] == 2


def test_an_argument_bound_by_a_partial_is_not_required() -> None:
    assert asks(functools.partial(add, 1)) == ["y?"]
    assert asks(functools.partial(add, x=1)) == ["x?", "y?"]
    assert asks(functools.partial(functools.partial(query, "pool"), timeout=3)) == ["x", "timeout?"]
    assert asks(functools.partial(injects_first(query), timeout=3)) == ["x", "timeout?"]
    assert called(functools.partial(add, 1), y=5)["z"] == 6
    assert called(functools.partial(add, x=1), y=5)["z"] == 6
    assert called(functools.update_wrapper(functools.partial(query, "pool"), query), x=1)["z"] == ("pool", 1, 1)


class Tools:
    def plain(self, x: int, by: int = 1) -> dict[str, int]:
        return {"z": x * by}

    @passes_all
    def wrapped(self, x: int, by: int = 1) -> dict[str, int]:
        return {"z": x * by}

    @functools.cache  # noqa: B019 - a tool of a user
    def cached(self, x: int, by: int = 1) -> dict[str, int]:
        return {"z": x * by}

    @classmethod
    def of_class(cls, x: int, by: int = 1) -> dict[str, int]:
        return {"z": x * by}

    @staticmethod
    def static(x: int, by: int = 1) -> dict[str, int]:
        return {"z": x * by}

    def __call__(self, x: int, by: int = 1) -> dict[str, int]:
        return {"z": x * by}

    @functools.singledispatchmethod
    def dispatched(self, x: Any, by: int = 1) -> dict[str, int]:
        return {"z": -1}

    @dispatched.register
    def _(self, x: int, by: int = 1) -> dict[str, int]:
        return {"z": x * by}

    doubled = functools.partialmethod(plain, by=2)
    of_three = functools.partialmethod(plain, 3)


@functools.singledispatch
def dispatched(x: Any, by: int = 1) -> dict[str, int]:
    return {"z": -1}


@dispatched.register
def _(x: int, by: int = 1) -> dict[str, int]:
    return {"z": x * by}


@pytest.mark.parametrize(
    "tool",
    [
        Tools().plain, Tools().wrapped, Tools().cached, Tools.of_class, Tools.static, Tools(), Tools().dispatched,
        dispatched, functools.cache(Tools.static), functools.lru_cache(maxsize=1)(passes_all(Tools.static)),
        pydantic.validate_call(Tools.static), contextlib.nullcontext() and passes_all(dispatched),
    ],
    ids=[
        "method", "wrapped method", "cached method", "classmethod", "staticmethod", "__call__", "singledispatchmethod",
        "singledispatch", "cache", "lru_cache of a wrapper", "validate_call", "wrapped singledispatch",
    ],
)  # fmt: skip
def test_methods_and_standard_library_wrappers_of_functions_are_tools(tool: Any) -> None:
    assert asks(tool) == ["x", "by?"]
    assert called(tool, x=2, by=3)["z"] == 6
    assert called(tool, x=2)["z"] == 2


def test_an_argument_bound_by_a_partialmethod_is_not_required() -> None:
    assert asks(Tools().doubled) == ["x", "by?"]
    assert called(Tools().doubled, x=3)["z"] == 6
    assert asks(Tools().of_three) == ["by?"]
    assert called(Tools().of_three, by=3)["z"] == 9


class Timed(contextlib.ContextDecorator):
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@contextlib.contextmanager
def timed() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def timed_async() -> AsyncIterator[None]:
    yield


async def add_async(x: int, y: int = 1) -> dict[str, int]:
    await asyncio.sleep(0)
    return {"z": x + y}


def test_functions_that_contextlib_decorates_are_tools() -> None:
    for tool in (Timed()(add), timed()(add), timed_async()(add_async)):
        assert asks(tool) == ["x", "y?"]
        assert called(tool, x=1, y=2)["z"] == 3


def test_a_validation_error_of_pydantic_is_the_nodes_error() -> None:
    with pytest.raises(Exception, match="1 validation error"):
        called(pydantic.validate_call(add), x="no number")


def test_a_class_is_called_by_its_constructor() -> None:
    @dataclass
    class Point:
        x: int
        y: int = 0

    assert asks(Point) == ["x", "y?"]
    assert called(Point, x=1)["t"] == Point(1)


@pytest.mark.parametrize("function", [min, int], ids=["builtin", "int"])
def test_a_callable_without_a_signature_is_refused_with_a_cure(function: Any) -> None:
    with pytest.raises(ToolError, match=r"tool 't': Python knows no signature of .*; wrap it in a function"):
        asks(function)


@pytest.mark.parametrize(
    "function", [np.add, len, dict.get, operator.itemgetter(1)], ids=["ufunc", "len", "dict.get", "itemgetter"]
)
def test_a_callable_in_c_with_only_positional_parameters_is_refused_with_a_reason(function: Any) -> None:
    with pytest.raises(ToolError, match=r"positional-only, and arguments are given by name|wrap it in a function"):
        asks(function)


def test_a_wrapper_that_wraps_itself_is_refused() -> None:
    def tool(*args: Any, **kwargs: Any) -> None: ...

    tool.__wrapped__ = tool  # type: ignore[attr-defined]

    with pytest.raises(ToolError, match="wrap it in a function"):
        asks(tool)


def test_a_wrapper_with_a_signature_may_wrap_a_callable_without_one() -> None:
    @functools.wraps(min)
    def smallest(*, values: list[int], **kwargs: Any) -> int:
        return min(values, **kwargs)

    assert asks(smallest) == ["values", "**"]
    assert called(smallest, values=[3, 1])["t"] == 1


def test_the_source_of_a_tool_is_that_of_the_function_that_does_the_work() -> None:
    for tool in (passes_all(add), functools.partial(add, 1), functools.cache(add), Pool(add)):
        assert (ToolRegistry().register("t", tool).source or "").startswith("def add(x: int")
    assert (ToolRegistry().register("t", Tools()).source or "").startswith("def __call__(self")


def test_types_are_known_through_partials_methods_and_objects() -> None:
    for tool in (functools.partial(add, y=2), Tools().plain, Tools(), passes_all(add)):
        assert ToolRegistry().register("t", tool).types["x"] is int
