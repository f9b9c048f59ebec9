"""The built-in functions, but those that ask something of every element (predicates): they work on values alone.

A Function says how many arguments it takes, of what kinds, and what kind it gives, so that a wrong call is refused when
the Corefile is read.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple

from kdns.errors import EvaluationError
from kdns.expression.values import Kind, Value, bounded, is_equal, is_integer, is_number, show

# Functions with a predicate, and which of their arguments it is.
PREDICATES = {
    "all": 1, "any": 1, "one": 1, "none": 1, "map": 1, "filter": 1, "find": 1, "findIndex": 1, "findLast": 1,
    "findLastIndex": 1, "count": 1, "sum": 1, "groupBy": 1, "sortBy": 1, "reduce": 1,
}  # fmt: skip

RESERVED = frozenset({"type", "now", "duration", "date", "timezone"})  # built-in names that are not to be had here


class Function(NamedTuple):
    """`low` to `high` arguments (None: any number), their kinds (the last holds for all further ones), the result's.

    `call` is None where the function comes with each evaluation, by its name.
    """

    low: int
    high: int | None
    kinds: tuple[Kind, ...]
    result: Kind
    call: Callable[..., Value] | None = None


def _number(value: Value, name: str) -> int | float:
    if not is_number(value):
        raise EvaluationError(f"invalid argument for {name} ({show(value)})")
    return value


def _integer(value: Value) -> int:
    """Go's `int`: of a number its whole part, of a text the number that it spells."""
    if is_number(value):
        return int(value)
    if isinstance(value, str) and value.lstrip("+-").isascii() and value.lstrip("+-").isdigit():
        return int(value[:40])
    raise EvaluationError(f"invalid operation: int({show(value)})")


def _float(value: Value) -> float:
    try:
        return float(value) if is_number(value) or isinstance(value, str) else math.nan
    except ValueError:
        raise EvaluationError(f"invalid operation: float({show(value)})") from None


def _length(value: Value) -> int:
    if isinstance(value, str | list | dict):
        return len(value.encode()) if isinstance(value, str) else len(value)
    raise EvaluationError(f"invalid argument for len ({show(value)})")


def _rounded(value: float) -> float:
    """Half away from zero."""
    return math.copysign(math.floor(abs(value) + 0.5), value)


def _split(text: str, separator: str, count: int = -1) -> list[Value]:
    parts = list(text) if not separator else text.split(separator, count - 1 if count > 0 else -1)
    return [] if count == 0 else list(parts)


def _split_after(text: str, separator: str, count: int = -1) -> list[Value]:
    parts = [str(part) for part in _split(text, separator, count)]
    return [*[part + separator for part in parts[:-1]], *parts[-1:]]


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    bounded(len(text) + (text.count(old) if count < 0 else min(count, text.count(old))) * len(new))
    return text.replace(old, new, count)


def _repeat(text: str, count: int) -> str:
    if count < 0:
        raise EvaluationError(f"repeat with a negative count ({count})")
    bounded(len(text) * count)
    return text * count


def _join(items: list[Value], separator: str = "") -> str:
    return separator.join(str(item) for item in items)


def _numbers(values: tuple[Value, ...], name: str) -> list[int | float]:
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [_number(item, name) for item in flat]


def _extreme(name: str, choose: Callable[[list[int | float]], int | float]) -> Callable[..., Value]:
    def call(*values: Value) -> Value:
        found = _numbers(values, name)
        if not found:
            raise EvaluationError(f"not enough arguments to call {name}")
        return choose(found)

    return call


def _mean(*values: Value) -> float:
    found = _numbers(values, "mean")
    return sum(found) / len(found) if found else 0.0


def _median(*values: Value) -> float:
    found = sorted(_numbers(values, "median"))
    middle = len(found) // 2
    return float((found[middle] + found[~middle]) / 2) if found else 0.0


def _get(of: Value, key: Value) -> Value:
    if isinstance(of, dict):
        return of.get(show(key))
    if isinstance(of, list) and is_integer(key):
        return of[key] if -len(of) <= key < len(of) else None
    return None


def _take(items: list[Value], count: int) -> list[Value]:
    if count < 0:
        raise EvaluationError(f"cannot take {count} elements")
    return items[:count]


def _from_pairs(pairs: list[Value]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise EvaluationError(f"invalid pair {show(pair)}")
        found[show(pair[0])] = pair[1]
    return found


def _unique(items: list[Value]) -> list[Value]:
    found: list[Value] = []
    for item in items:
        if not any(is_equal(item, known) for known in found):
            found.append(item)
    return found


def _flat(items: list[Value]) -> list[Value]:
    return [inner for item in items for inner in (_flat(item) if isinstance(item, list) else [item])]


def sorted_values(items: list[Value], order: Value = "asc", key: Callable[[Value], Value] | None = None) -> list[Value]:
    """The items in ascending (`asc`) or descending (`desc`) order. EvaluationError if they cannot be compared."""
    if order not in ("asc", "desc"):
        raise EvaluationError(f"invalid order {show(order)}, expected asc or desc")
    comparable: Callable[[Value], Any] = key or (lambda item: item)
    try:
        return sorted(items, key=comparable, reverse=order == "desc")
    except TypeError as fault:
        raise EvaluationError(f"cannot sort: {fault}") from None


def _from_json(text: str) -> Value:
    try:
        found: Value = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise EvaluationError(f"fromJSON: {fault}") from None
    return found


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError) as fault:
        raise EvaluationError(f"fromBase64: {fault}") from None


def _shift(value: int, count: int) -> int:
    if not -64 < count < 64:
        raise EvaluationError(f"invalid operation: shift by {count}")
    return _wrapped(value << count if count >= 0 else value >> -count)


def _wrapped(value: int) -> int:
    """As Go keeps it in 64 bits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


_S, _I, _F, _B, _L, _M, _X = Kind.STRING, Kind.INT, Kind.FLOAT, Kind.BOOL, Kind.LIST, Kind.MAP, Kind.ANY

BUILTINS: Mapping[str, Function] = {
    "len": Function(1, 1, (_X,), _I, _length),
    "abs": Function(1, 1, (_X,), _X, lambda value: abs(_number(value, "abs"))),
    "ceil": Function(1, 1, (_X,), _F, lambda value: float(math.ceil(_number(value, "ceil")))),
    "floor": Function(1, 1, (_X,), _F, lambda value: float(math.floor(_number(value, "floor")))),
    "round": Function(1, 1, (_X,), _F, lambda value: _rounded(_number(value, "round"))),
    "int": Function(1, 1, (_X,), _I, _integer),
    "float": Function(1, 1, (_X,), _F, _float),
    "string": Function(1, 1, (_X,), _S, show),
    "trim": Function(1, 2, (_S,), _S, lambda text, characters=None: text.strip(characters)),
    "trimPrefix": Function(1, 2, (_S,), _S, lambda text, prefix=" ": text.removeprefix(prefix)),
    "trimSuffix": Function(1, 2, (_S,), _S, lambda text, suffix=" ": text.removesuffix(suffix)),
    "upper": Function(1, 1, (_S,), _S, str.upper),
    "lower": Function(1, 1, (_S,), _S, str.lower),
    "split": Function(2, 3, (_S, _S, _I), _L, _split),
    "splitAfter": Function(2, 3, (_S, _S, _I), _L, _split_after),
    "replace": Function(3, 4, (_S, _S, _S, _I), _S, _replace),
    "repeat": Function(2, 2, (_S, _I), _S, _repeat),
    "join": Function(1, 2, (_L, _S), _S, _join),
    "indexOf": Function(2, 2, (_S,), _I, str.find),
    "lastIndexOf": Function(2, 2, (_S,), _I, str.rfind),
    "hasPrefix": Function(2, 2, (_S,), _B, str.startswith),
    "hasSuffix": Function(2, 2, (_S,), _B, str.endswith),
    "max": Function(1, None, (_X,), _X, _extreme("max", max)),
    "min": Function(1, None, (_X,), _X, _extreme("min", min)),
    "mean": Function(1, None, (_X,), _F, _mean),
    "median": Function(1, None, (_X,), _F, _median),
    "first": Function(1, 1, (_L,), _X, lambda items: items[0] if items else None),
    "last": Function(1, 1, (_L,), _X, lambda items: items[-1] if items else None),
    "get": Function(2, 2, (_X,), _X, _get),
    "take": Function(2, 2, (_L, _I), _L, _take),
    "keys": Function(1, 1, (_M,), _L, list),
    "values": Function(1, 1, (_M,), _L, lambda of: list(of.values())),
    "toPairs": Function(1, 1, (_M,), _L, lambda of: [list(pair) for pair in of.items()]),
    "fromPairs": Function(1, 1, (_L,), _M, _from_pairs),
    "reverse": Function(1, 1, (_L,), _L, lambda items: items[::-1]),
    "uniq": Function(1, 1, (_L,), _L, _unique),
    "concat": Function(1, None, (_L,), _L, lambda *lists: [item for each in lists for item in each]),
    "flatten": Function(1, 1, (_L,), _L, _flat),
    "sort": Function(1, 2, (_L, _S), _L, sorted_values),
    "toJSON": Function(1, 1, (_X,), _S, lambda value: json.dumps(value, indent=2, ensure_ascii=False)),
    "fromJSON": Function(1, 1, (_S,), _X, _from_json),
    "toBase64": Function(1, 1, (_S,), _S, lambda text: base64.b64encode(text.encode()).decode()),
    "fromBase64": Function(1, 1, (_S,), _S, _from_base64),
    "bitand": Function(2, None, (_I,), _I, lambda *values: reduce(int.__and__, values)),
    "bitor": Function(2, None, (_I,), _I, lambda *values: reduce(int.__or__, values)),
    "bitxor": Function(2, None, (_I,), _I, lambda *values: reduce(int.__xor__, values)),
    "bitnand": Function(2, 2, (_I,), _I, lambda left, right: left & ~right),
    "bitnot": Function(1, 1, (_I,), _I, lambda value: ~value),
    "bitshl": Function(2, 2, (_I,), _I, _shift),
    "bitshr": Function(2, 2, (_I,), _I, lambda value, count: _shift(value, -count)),
    "bitushr": Function(2, 2, (_I,), _I, lambda value, count: _shift(value % (1 << 64), -count)),
}
