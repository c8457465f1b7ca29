"""The operations of conditions: reads of the state, arithmetic, comparisons, and the built-in functions.

Invariant: an operation is refused before it starts, by the sizes of its operands. Arrays, series and frames are read,
indexed, walked and compared with one value; two of them together may broadcast to the product of their sizes.

Invariant: a read runs no code of the value except its own indexing: no property, no `__getattr__`, no method. A read of
a missing key is refused with a list of the keys there are, and a defaultdict makes no value.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from nbflow.conditions.limits import MAX_BITS, MAX_DIGITS, MAX_ELEMENTS, Refused
from nbflow.conditions.trust import (
    ABSENT,
    ANY,
    ATOMS,
    COMPARED,
    TRUTH,
    check,
    check_cells,
    check_parts,
    check_types,
    own_methods,
    stored,
)
from nbflow.errors import did_you_mean, name_list
from nbflow.names import identifier

_NUMBERS = frozenset({int, float, bool})
_PLAIN = _NUMBERS | {str, type(None)}
_WALKED = frozenset({list, tuple, dict, set, frozenset, str, bytes})
_JOINED = (str, bytes, list, tuple)

Budget = list[int]  # one number: the elements that this evaluation may still make


def type_name(value: object) -> str:
    """Return the name of a value's type as errors show it."""
    return type(value).__name__


def is_array(value: object) -> bool:
    """Return whether a value is an array, series, frame or tensor, which have a size and the array protocol."""
    kind = type(value)
    return hasattr(kind, "__array__") and hasattr(kind, "__len__") and not issubclass(kind, (str, bytes))


def missing(name: object, what: str, keys: Iterable[object]) -> Refused:
    """Return the refusal of a missing key, which lists the keys there are."""
    known = [str(key) if type(key) in ATOMS else f"a {type_name(key)}" for key in keys]
    near = did_you_mean(name, known) if type(name) is str else ""
    return Refused(f"{_shown(name)} is not in {what}, which has {name_list(known)}{near}")


def _shown(value: object) -> str:
    if type(value) not in ATOMS:
        return f"a {type_name(value)}"
    try:
        text = repr(value)
    except ValueError:  # an int with too many digits to print
        return f"a value of type {type_name(value)}"
    return text if len(text) <= 60 else text[:60] + "…"


def key(owner: Any, written: str, name: str = "") -> Any:
    """Return `owner.name` of a condition: a key of a dict, or a declared field of a model or dataclass.

    Keys inside values are not normalised, so the key `written` is tried first, and then its normalised `name`, which is
    given where the two differ.
    """
    kind, name = type(owner), name or written
    if kind is dict or issubclass(kind, Mapping):
        _check_mapping(owner)
        return _of_mapping(owner, written if written in owner else name)
    fields = _declared_fields(kind)
    if fields is None:
        raise Refused(f"{type_name(owner)} has no keys; a dot reads keys of dicts and declared fields, not attributes")
    if name not in fields:
        raise missing(name, f"this {type_name(owner)}", fields)
    value = stored(owner, name)
    if value is ABSENT:
        raise Refused(f"the field {name!r} of this {type_name(owner)} has no stored value")
    return value


def item(owner: Any, index: Any) -> Any:
    """Return `owner[index]` of a string, sequence, mapping, array, series or frame."""
    kind = type(owner)
    check("indexing", owner, index)
    if type(index) not in ATOMS:
        check_parts("indexing", index)
    if kind is dict or issubclass(kind, Mapping):
        _check_mapping(owner)
        return _of_mapping(owner, index)
    if issubclass(kind, Sequence):
        return owner[index]
    if is_array(owner) and isinstance(index, (int, str)) and not isinstance(index, bool):
        return owner[index]
    raise Refused(f"{type_name(owner)} is not indexed by {type_name(index)} here; register a predicate for it")


def state_item(state: Mapping[str, Any], index: Any) -> Any:
    """Return `state[index]` for an index that is computed."""
    index = state_key(index)
    if index not in state:
        raise missing(index, "the state", state)
    return state[index]


def state_key(index: Any) -> Any:
    """Return a key of the state, which is normalised as all its keys are."""
    if type(index) not in ATOMS:
        check_parts("indexing", index)  # it is hashed
    return identifier(index) if isinstance(index, str) else index


def _check_mapping(owner: Mapping[Any, Any]) -> None:
    """Refuse a mapping whose lookup of a key would run code of a user's class."""
    if type(owner) is dict:
        check_types("indexing", owner, methods=COMPARED)
    else:
        check("indexing", owner)
        check_parts("indexing", owner, methods=ANY)  # such as a ChainMap, which calls the methods of its maps


def _of_mapping(owner: Mapping[Any, Any], name: Any) -> Any:
    if name not in owner:
        raise missing(name, f"this {type_name(owner)}", owner)
    return owner[name]


def _declared_fields(kind: type) -> list[str] | None:
    if issubclass(kind, BaseModel):
        return list(kind.model_fields)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return None


def _numeric(sign: str, *values: object) -> None:
    check(repr(sign), *values)
    for value in values:
        if hasattr(type(value), "__len__"):
            raise Refused(f"{sign!r} takes numbers here, not {type_name(value)}")


def _bounded(sign: str, bits: int) -> None:
    if bits > MAX_BITS:
        raise Refused(f"{sign!r} would go beyond {MAX_BITS} bits, the most an integer may have here")


def _charge(budget: Budget, elements: int) -> None:
    budget[0] -= elements
    if budget[0] < 0:
        raise Refused(f"a condition may make {MAX_ELEMENTS} characters or elements; this would be more")


def add(budget: Budget, left: Any, right: Any) -> Any:
    """Return `left + right`; the elements of joined strings, lists and tuples are charged to the budget."""
    if type(left) not in _NUMBERS or type(right) not in _NUMBERS:
        check("'+'", left, right)
        if isinstance(left, _JOINED) and isinstance(right, _JOINED):
            _charge(budget, len(left) + len(right))
        else:
            _numeric("+", *(value for value in (left, right) if not isinstance(value, _JOINED)))
    return left + right


def multiply(budget: Budget, left: Any, right: Any) -> Any:
    """Return `left * right`: numbers, or a string repeated. Repeated lists, nested, would compare without end."""
    check("'*'", left, right)
    if isinstance(left, int) and isinstance(right, int):
        _bounded("*", left.bit_length() + right.bit_length())
    elif type(left) not in _NUMBERS or type(right) not in _NUMBERS:
        for text, times in ((left, right), (right, left)):
            if isinstance(text, (str, bytes)) and isinstance(times, int):
                _charge(budget, len(text) * max(times, 0))
                return text * times
        _numeric("*", left, right)
    return left * right


def power(left: Any, right: Any) -> Any:
    """Return `left ** right` of numbers whose powers have a bounded size."""
    check("'**'", left, right)
    if isinstance(left, int) and isinstance(right, int):
        if abs(left) > 1 and right > 0:
            _bounded("**", left.bit_length() * right)
    elif not all(isinstance(value, (int, float, Decimal)) or hasattr(value, "dtype") for value in (left, right)):
        raise Refused(f"'**' takes int, float and Decimal here, not {type_name(left)} and {type_name(right)}")
    _numeric("**", left, right)
    return left**right


def _whole(sign: str, compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        check(repr(sign), left, right)
        try:
            left, right = operator.index(left), operator.index(right)
        except TypeError:
            raise Refused(f"{sign!r} takes integers here, not {type_name(left)} and {type_name(right)}") from None
        if sign == "<<":
            _bounded(sign, left.bit_length() + right)
        return compute(left, right)

    return apply


def _quotient(sign: str, compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        _numeric(sign, left, right)
        if isinstance(left, int):
            _bounded(sign, left.bit_length())
        return compute(left, right)

    return apply


def _plain(sign: str, compute: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*values: Any) -> Any:
        for value in values:
            if type(value) not in _NUMBERS:
                _numeric(sign, value)
        return compute(*values)

    return apply


def _comparison(sign: str, compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    who = repr(sign)

    def apply(left: Any, right: Any) -> Any:
        if type(left) not in _PLAIN or type(right) not in _PLAIN:
            _comparable(who, left, right)
        return compute(left, right)

    return apply


def _comparable(who: str, left: Any, right: Any) -> None:
    """Refuse two values whose comparison would run code of a user's class, or would not end."""
    check(who, left, right, methods=COMPARED)
    if type(left) in ATOMS or type(right) in ATOMS:
        check_cells(who, left)
        check_cells(who, right)
        return
    _one_array_at_most(left, right)
    check_parts(who, left, right)


def single(value: Any) -> Any:
    """Return a value that a condition compares with a literal, or looks up in literals."""
    if type(value) not in _PLAIN:
        check("a comparison", value, methods=COMPARED)
        check_cells("a comparison", value)
    return value


def keyed(value: Any) -> Any:
    """Return a value that a condition hashes."""
    if type(value) not in _PLAIN:
        check_parts("a key", value)
    return value


def truthful(value: Any) -> Any:
    """Return a value that a condition uses as a truth."""
    if type(value) not in _PLAIN:
        check("its truth", value, methods=TRUTH)
    return value


def identical(left: Any, right: Any) -> bool:
    """Return `left is right` where the right side is computed, and is None, True or False."""
    if right is not None and type(right) is not bool:
        raise Refused("'is' is for None, True and False; write ==")
    return left is right


def _one_array_at_most(left: object, right: object) -> None:
    for array, other in ((left, right), (right, left)):
        if is_array(array) and (is_array(other) or isinstance(other, (list, tuple))):
            raise Refused(
                f"{type_name(left)} and {type_name(right)} are not compared here; register a predicate for it"
            )


def contains(item: Any, values: Any) -> bool:
    """Return `item in values`; values without a size, such as generators, are refused, as they would be consumed."""
    check("'in'", item, methods=COMPARED)
    check("'in'", values)
    if type(item) not in _PLAIN:
        _one_array_at_most(item, values)
    known = type(values) in _WALKED or issubclass(type(values), (Mapping, Set))
    if not known and not (type(values) is range and type(item) is int):
        _walkable("in", values)
    if type(values) not in (str, bytes, range):
        if type(item) not in ATOMS:
            check_parts("'in'", item, values)
            if not issubclass(type(values), (list, tuple)):
                check_parts("'in'", item)  # it is hashed
        elif type(values) in _WALKED:
            check_types("'in'", values, methods=COMPARED)
        else:
            check_parts("'in'", values, methods=ANY)
    return item in values


def _walkable(who: str, values: Any) -> Collection[Any]:
    """Return `values` if they have a size, which is bounded where it may exceed the elements in memory."""
    check(repr(who), values)
    if type(values) in _WALKED:
        return values  # type: ignore[no-any-return]
    if not hasattr(type(values), "__len__") or not hasattr(type(values), "__iter__"):
        raise Refused(f"{who!r} takes a collection with a size, not {type_name(values)}")
    if not issubclass(type(values), _JOINED) and len(values) > MAX_ELEMENTS:
        raise Refused(f"{who!r} walks at most {MAX_ELEMENTS} elements of {type_name(values)}, not {len(values)}")
    return values  # type: ignore[no-any-return]


def _no_arrays(who: str, values: Iterable[Any]) -> None:
    for kind in set(map(type, values)) - _PLAIN:
        if hasattr(kind, "__array__") and hasattr(kind, "__len__") and not issubclass(kind, (str, bytes)):
            raise Refused(f"{who!r} takes single values, not {kind.__name__}")


def _single(who: str, compute: Callable[[Any], Any]) -> Callable[..., Any]:
    def apply(*values: Any) -> Any:
        compared = _walkable(who, values[0]) if len(values) == 1 else values
        if not issubclass(type(compared), (str, bytes, range)):
            _no_arrays(who, compared)
            check_types(repr(who), compared)
            if not ATOMS.issuperset(map(type, compared)):
                check_parts(repr(who), compared)
        return compute(compared)

    return apply


def whole(state: Any) -> Any:
    """Return the state as a value; a mapping of a class that is not trusted is converted to a dict."""
    return state if not own_methods(type(state)) else {key: state[key] for key in state}


def _every(who: str, compute: Callable[[Iterable[Any]], bool]) -> Callable[[Any], bool]:
    def apply(values: Any) -> bool:
        walked = _walkable(who, values)
        if type(walked) is not range:
            check_types(repr(who), walked, methods=TRUTH)
        return compute(walked)

    return apply


def length(value: Any) -> int:
    """Return `len(value)`."""
    check("'len'", value)
    return len(value)


def rounded(number: Any, digits: Any = None) -> Any:
    """Return `round(number, digits)`; many digits, or a Decimal's exponent, would make a huge power of ten."""
    _numeric("round", number)
    if isinstance(number, Decimal) and number.is_finite():
        _bounded("round", 4 * number.adjusted())
    if digits is None:
        return round(number)
    check("'round'", digits)
    if not isinstance(digits, int) or abs(digits) > MAX_DIGITS:
        raise Refused(f"'round' takes up to {MAX_DIGITS} digits as an integer")
    return round(number, digits)


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "Eq": _comparison("==", operator.eq),
    "NotEq": _comparison("!=", operator.ne),
    "Lt": _comparison("<", operator.lt),
    "LtE": _comparison("<=", operator.le),
    "Gt": _comparison(">", operator.gt),
    "GtE": _comparison(">=", operator.ge),
}
CHARGED: dict[str, Callable[[Budget, Any, Any], Any]] = {"Add": add, "Mult": multiply}
ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Sub": _plain("-", operator.sub),
    "Div": _plain("/", operator.truediv),
    "FloorDiv": _quotient("//", operator.floordiv),
    "Mod": _quotient("%", operator.mod),
    "Pow": power,
    "LShift": _whole("<<", operator.lshift),
    "RShift": _whole(">>", operator.rshift),
    "BitAnd": _whole("&", operator.and_),
    "BitOr": _whole("|", operator.or_),
    "BitXor": _whole("^", operator.xor),
}
UNARY: dict[str, Callable[[Any], Any]] = {
    "USub": _plain("-", operator.neg),
    "UAdd": _plain("+", operator.pos),
    "Invert": _plain("~", operator.invert),
}
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int | None]] = {  # with the fewest and most arguments
    "len": (length, 1, 1),
    "min": (_single("min", min), 1, None),
    "max": (_single("max", max), 1, None),
    "sum": (_single("sum", sum), 1, 1),
    "abs": (_plain("abs", abs), 1, 1),
    "any": (_every("any", any), 1, 1),
    "all": (_every("all", all), 1, 1),
    "round": (rounded, 1, 2),
}
