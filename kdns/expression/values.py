"""What expressions and templates work on, and how Go shows it.

Values are those of JSON: None, bool, int, float, str, list, dict. Go tells bool from int where Python does not, so
kinds are asked for here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TypeGuard

from kdns.errors import EvaluationError

Value = object
MAX_ELEMENTS = 1_000_000  # of what one operation may make: the language's own memory budget


class Kind(Enum):
    """The kinds of values; ANY is one that is not known before the query comes."""

    ANY = "interface {}"
    NIL = "nil"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float64"
    STRING = "string"
    LIST = "[]interface {}"
    MAP = "map[string]interface {}"


def kind_of(value: Value) -> Kind:
    """The kind of a value."""
    for kind, types in _TYPES:
        if isinstance(value, types):
            return kind
    return Kind.ANY


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether it is an integer or a float, but no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Value) -> TypeGuard[int]:
    """Whether it is an integer, but no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_equal(left: Value, right: Value) -> bool:
    """Go's equality: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(is_equal(left[key], right[key]) for key in left)
    return left == right


def show(value: Value) -> str:
    """A value as Go's `%v` has it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return show_float(value)
        case str():
            return value
        case Mapping():
            return f"map[{' '.join(f'{show(key)}:{show(value[key])}' for key in sorted(value))}]"
        case Sequence():
            return f"[{' '.join(map(show, value))}]"
    return str(value)


def show_float(number: float) -> str:
    """A float in as few digits as tell it from others, with an exponent from 1e21 on and below 1e-4."""
    if number != number or number in (float("inf"), float("-inf")):
        return "NaN" if number != number else "+Inf" if number > 0 else "-Inf"
    digits = repr(number)
    mantissa, _, exponent = f"{number:e}".partition("e")
    if -4 <= int(exponent) < 21:
        return f"{number:.0f}" if number == int(number) else digits if "e" not in digits else f"{number:f}"
    mantissa = digits.partition("e")[0].removesuffix(".0") if "e" in digits else mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{exponent}"


def bounded(count: int) -> int:
    """The same count of elements. EvaluationError above MAX_ELEMENTS."""
    if count > MAX_ELEMENTS:
        raise EvaluationError("memory budget exceeded")
    return count


_TYPES: tuple[tuple[Kind, type | tuple[type, ...]], ...] = (
    (Kind.NIL, type(None)),
    (Kind.BOOL, bool),
    (Kind.INT, int),
    (Kind.FLOAT, float),
    (Kind.STRING, str),
    (Kind.LIST, list),
    (Kind.MAP, dict),
)
