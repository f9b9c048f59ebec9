"""The operators: of which kinds they may be, what kind they give, and what they do."""

import math
from collections.abc import Callable, Mapping

from kdns.corefile.patterns import compiled
from kdns.errors import EvaluationError
from kdns.expression.values import Kind, Value, bounded, is_equal, is_integer, is_number, kind_of, show

_NUMBERS = frozenset({Kind.INT, Kind.FLOAT})
_ORDERED = ("<", ">", "<=", ">=")
_TEXTUAL = ("matches", "contains", "startsWith", "endsWith")


def result_kind(operator: str, left: Kind, right: Kind) -> Kind:
    """The kind that two operands give. ValueError if the operator does not take such kinds."""
    if operator == "??":
        return left if left is right else Kind.ANY
    kind = _result(operator, left, right)
    if kind is None:
        raise ValueError(f"invalid operation: {operator} (mismatched types {left.value} and {right.value})")
    return kind


def _result(operator: str, left: Kind, right: Kind) -> Kind | None:
    both = {left, right} - {Kind.ANY}
    is_known = Kind.ANY not in (left, right)
    if operator in ("==", "!="):
        return Kind.BOOL if len(both) < 2 or both <= _NUMBERS or Kind.NIL in both else None
    if operator in ("and", "or"):
        return Kind.BOOL if both <= {Kind.BOOL} else None
    if operator in _ORDERED:
        return Kind.BOOL if both <= _NUMBERS or both == {Kind.STRING} else None
    if operator in _TEXTUAL:
        return Kind.BOOL if both <= {Kind.STRING} else None
    if operator == "in":
        return Kind.BOOL if right in (Kind.ANY, Kind.LIST, Kind.MAP, Kind.NIL) else None
    if operator == "..":
        return Kind.LIST if both <= {Kind.INT} else None
    if operator == "%":
        return Kind.INT if both <= {Kind.INT} else None
    if operator == "+" and both == {Kind.STRING}:
        return Kind.STRING if is_known else Kind.ANY
    if not both <= _NUMBERS:
        return None
    if operator in ("/", "**"):
        return Kind.FLOAT
    if not is_known:
        return Kind.ANY
    return Kind.FLOAT if Kind.FLOAT in both else Kind.INT


def truth(value: Value) -> bool:
    """A bool. EvaluationError for anything else."""
    if not isinstance(value, bool):
        raise EvaluationError(f"invalid operation: {show(value)} is no bool")
    return value


def member(of: Value, key: Value) -> Value:
    """`of[key]`: nil for what a map does not have. EvaluationError for what a list does not, and for other kinds."""
    if isinstance(of, dict):
        return of.get(show(key))
    if isinstance(of, list | str) and is_integer(key):
        if -len(of) <= key < len(of):
            return of[key]
        raise EvaluationError(f"index out of range: {key} (array length is {len(of)})")
    raise EvaluationError(f"cannot fetch {show(key)} from {kind_of(of).value}")


def sliced(of: Value, low: Value, high: Value) -> Value:
    """`of[low:high]`; None is the beginning or the end, bounds below zero count from the end."""
    if not isinstance(of, list | str):
        raise EvaluationError(f"cannot slice {show(of)}")
    for bound in (low, high):
        if bound is not None and not is_integer(bound):
            raise EvaluationError(f"non-integer slice index {show(bound)}")
    start = low if is_integer(low) else None
    return of[start : high if is_integer(high) else None]


def matching(pattern: str) -> Callable[[Value], Value]:
    """`matches` with a pattern that is known. ValueError if it is none."""
    found = compiled(pattern)
    return lambda value: found.search(_text("matches", value)) is not None


def _text(operator: str, value: Value) -> str:
    if not isinstance(value, str):
        raise _mismatch(operator, value)
    return value


def _mismatch(operator: str, *values: Value) -> EvaluationError:
    kinds = " and ".join(kind_of(value).value for value in values)
    return EvaluationError(f"invalid operation: {operator} (mismatched types {kinds})")


def _negated(value: Value) -> Value:
    if not is_number(value):
        raise _mismatch("-", value)
    return -value


def _kept(value: Value) -> Value:
    if not is_number(value):
        raise _mismatch("+", value)
    return value


def _sum(left: Value, right: Value) -> Value:
    if isinstance(left, str) and isinstance(right, str):
        bounded(len(left) + len(right))
        return left + right
    return _arithmetic("+", lambda a, b: a + b)(left, right)


def _arithmetic(
    operator: str, act: Callable[[int | float, int | float], int | float]
) -> Callable[[Value, Value], Value]:
    def apply(left: Value, right: Value) -> Value:
        if not (is_number(left) and is_number(right)):
            raise _mismatch(operator, left, right)
        try:
            found = act(left, right)
        except (OverflowError, ZeroDivisionError, ValueError) as fault:
            raise EvaluationError(f"invalid operation: {operator} ({fault})") from None
        return (found + (1 << 63)) % (1 << 64) - (1 << 63) if isinstance(found, int) else found

    return apply


def _quotient(left: int | float, right: int | float) -> float:
    if right:
        return left / right
    return float("nan") if not left else float("inf") if left > 0 else float("-inf")


def _remainder(left: Value, right: Value) -> Value:
    """With the sign of the dividend."""
    if not (is_integer(left) and is_integer(right)):
        raise _mismatch("%", left, right)
    if not right:
        raise EvaluationError("integer divide by zero")
    found = abs(left) % abs(right)
    return found if left >= 0 else -found


def _compared(operator: str, act: Callable[[bool, bool], bool]) -> Callable[[Value, Value], Value]:
    """`act` is told whether the first is less, and whether it is greater."""

    def apply(left: Value, right: Value) -> Value:
        if is_number(left) and is_number(right):
            return act(left < right, left > right)
        if isinstance(left, str) and isinstance(right, str):
            return act(left < right, left > right)
        raise _mismatch(operator, left, right)

    return apply


def _textual(operator: str, act: Callable[[str, str], bool]) -> Callable[[Value, Value], Value]:
    return lambda left, right: act(_text(operator, left), _text(operator, right))


def _matches(text: str, pattern: str) -> bool:
    try:
        return compiled(pattern).search(text) is not None
    except ValueError as fault:
        raise EvaluationError(str(fault)) from None


def _is_in(item: Value, of: Value) -> Value:
    if isinstance(of, dict):
        return isinstance(item, str) and item in of
    if isinstance(of, list):
        return any(is_equal(item, known) for known in of)
    if of is None:
        return False
    raise EvaluationError(f'operator "in" not defined on {kind_of(of).value}')


def _range(low: Value, high: Value) -> Value:
    if not (is_integer(low) and is_integer(high)):
        raise _mismatch("..", low, high)
    bounded(high - low + 1)
    return list(range(low, high + 1))


UNARY: Mapping[str, Callable[[Value], Value]] = {"not": lambda value: not truth(value), "-": _negated, "+": _kept}

BINARY: Mapping[str, Callable[[Value, Value], Value]] = {
    "==": is_equal,
    "!=": lambda left, right: not is_equal(left, right),
    "<": _compared("<", lambda less, greater: less),
    ">": _compared(">", lambda less, greater: greater),
    "<=": _compared("<=", lambda less, greater: not greater),
    ">=": _compared(">=", lambda less, greater: not less),
    "+": _sum,
    "-": _arithmetic("-", lambda left, right: left - right),
    "*": _arithmetic("*", lambda left, right: left * right),
    "/": _arithmetic("/", _quotient),
    "%": _remainder,
    "**": _arithmetic("**", math.pow),
    "matches": _textual("matches", _matches),
    "contains": _textual("contains", lambda text, part: part in text),
    "startsWith": _textual("startsWith", str.startswith),
    "endsWith": _textual("endsWith", str.endswith),
    "in": _is_in,
    "..": _range,
}
