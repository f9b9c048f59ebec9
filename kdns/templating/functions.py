"""The built-in functions of templates, and parseInt. `and` and `or` are the execution's: they do not look at all.

Go's `call` is left out: no data here is a function.
"""

import html
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

from kdns.errors import EvaluationError
from kdns.expression.values import Kind, Value, bounded, is_equal, is_integer, is_number, kind_of, show
from kdns.templating.formatting import sprintf

_JS = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASIC = frozenset({Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.STRING})


class Struct(dict[str, Value]):
    """Data whose members are known: to ask for another is a mistake. Members that are functions are methods."""


class Texts(dict[str, str]):
    """A map of texts: what it does not have is an empty one."""


def truth(value: Value) -> bool:
    """Whether a value counts as true: it is not zero, nil or empty."""
    return isinstance(value, Struct) or callable(value) or bool(value)


def member(of: Value, name: str) -> Value:
    """`of.name`. EvaluationError for data without members, and for a Struct without this one."""
    if isinstance(of, Texts):
        return of.get(name, "")
    if isinstance(of, Struct) and name not in of:
        raise EvaluationError(f"can't evaluate field {name}")
    if isinstance(of, dict):
        return of.get(name)
    raise EvaluationError(f"can't evaluate field {name} in type {kind_of(of).value}")


def _index(of: Value, *keys: Value) -> Value:
    for key in keys:
        of = _item(of, key)
    return of


def _item(of: Value, key: Value) -> Value:
    if isinstance(of, dict) and not isinstance(of, Struct):
        return member(of, str(key))
    if not isinstance(of, list | str):
        raise EvaluationError(f"error calling index: can't index item of type {kind_of(of).value}")
    if not is_integer(key):
        raise EvaluationError(f"error calling index: cannot index slice/array with type {kind_of(key).value}")
    if not 0 <= key < len(of):
        raise EvaluationError(f"error calling index: index out of range: {key}")
    return of[key] if isinstance(of, list) else of.encode()[key]


def _slice(of: Value, start: Value = 0, end: Value = None, capacity: Value = None) -> Value:
    if not isinstance(of, list | str) or (isinstance(of, str) and capacity is not None):
        raise EvaluationError(f"error calling slice: can't slice item of type {kind_of(of).value}")
    end = len(of) if end is None else end
    if not (is_integer(start) and is_integer(end)):
        raise EvaluationError("error calling slice: cannot index slice/array with such types")
    if not 0 <= start <= end <= len(of):
        raise EvaluationError(f"error calling slice: index out of range: {start}:{end}")
    return of[start:end]


def _length(of: Value) -> Value:
    if isinstance(of, str):
        return len(of.encode())
    if isinstance(of, list | dict) and not isinstance(of, Struct):
        return len(of)
    raise EvaluationError(f"error calling len: len of type {kind_of(of).value}")


def _equal(first: Value, *others: Value) -> Value:
    if not others:
        raise EvaluationError("error calling eq: missing argument for comparison")
    for other in others:
        _check_comparable("eq", first, other)
    return any(is_equal(first, other) for other in others)


def _check_comparable(name: str, left: Value, right: Value) -> None:
    kinds = {kind_of(left), kind_of(right)}
    if Kind.NIL not in kinds and (len(kinds) > 1 or not kinds <= _BASIC):
        raise EvaluationError(f"error calling {name}: incompatible types for comparison")


def _ordered(name: str, act: Callable[[bool, bool], bool]) -> Callable[[Value, Value], Value]:
    """`act` is told whether the first is less, and whether both are equal."""

    def compare(left: Value, right: Value) -> Value:
        _check_comparable(name, left, right)
        if is_number(left) and is_number(right):
            return act(left < right, left == right)
        if isinstance(left, str) and isinstance(right, str):
            return act(left < right, left == right)
        raise EvaluationError(f"error calling {name}: invalid type for comparison")

    return compare


def _printed(*values: Value) -> str:
    """One blank between two values of which none is a text."""
    parts: list[str] = []
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            parts.append(" ")
        parts.append(show(value))
    return "".join(parts)


def _printf(form: Value, *values: Value) -> str:
    if not isinstance(form, str):
        raise EvaluationError("wrong type for value; expected string")
    return sprintf(form, values)


def _parse_int(text: Value, base: Value, bits: Value) -> Value:
    """Go's strconv.ParseUint: digits of a base (0: as a prefix says), a number of at most so many bits."""
    if not (isinstance(text, str) and is_integer(base) and is_integer(bits)):
        raise EvaluationError("error calling parseInt: wrong type of argument")
    digits, base = _without_prefix(text) if base == 0 else (text, base)
    if not 2 <= base <= 36 or not digits or set(digits.lower()) - set(_DIGITS[:base]):
        raise EvaluationError(f'error calling parseInt: strconv.ParseUint: parsing "{text}": invalid syntax')
    if len(digits) > 64 or not 0 <= bits <= 64 or int(digits, base) >> (bits or 64):
        raise EvaluationError(f'error calling parseInt: strconv.ParseUint: parsing "{text}": value out of range')
    return int(digits, base)


def _without_prefix(text: str) -> tuple[str, int]:
    """The digits and the base that a prefix says: 0x, 0o, 0b, a leading 0 for octal."""
    base = {"0x": 16, "0o": 8, "0b": 2}.get(text[:2].lower(), 0)
    if base:
        return text[2:], base
    return (text[1:], 8) if text[:1] == "0" and len(text) > 1 else (text, 10)


def _javascript(*values: Value) -> str:
    return "".join(
        _JS.get(char) or (char if char.isprintable() else f"\\u{ord(char):04X}") for char in _printed(*values)
    )


def _html(*values: Value) -> str:
    return html.escape(_printed(*values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;").replace("\0", "\ufffd")


LAZY = frozenset({"and", "or"})  # functions that look at their arguments one by one

FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "eq": _equal,
    "ge": _ordered("ge", lambda less, equal: not less),
    "gt": _ordered("gt", lambda less, equal: not less and not equal),
    "html": _html,
    "index": _index,
    "js": _javascript,
    "le": _ordered("le", lambda less, equal: less or equal),
    "len": _length,
    "lt": _ordered("lt", lambda less, equal: less),
    "ne": lambda left, right: not _equal(left, right),
    "not": lambda value: not truth(value),
    "parseInt": _parse_int,
    "print": _printed,
    "printf": _printf,
    "println": lambda *values: " ".join(map(show, values)) + "\n",
    "slice": _slice,
    "urlquery": lambda *values: quote_plus(_printed(*values)),
}


def counted(value: Value) -> list[tuple[Value, Value]]:
    """What `range` goes over: (index or key, element), keys in order. EvaluationError for what has no elements."""
    if value is None:
        return []
    if is_integer(value):
        return [(number, number) for number in range(bounded(value))]
    if isinstance(value, list):
        return list(enumerate(value))
    if isinstance(value, dict) and not isinstance(value, Struct):
        return [(key, value[key]) for key in sorted(value)]
    raise EvaluationError(f"range can't iterate over {show(value)}")
