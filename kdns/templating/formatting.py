"""Go's printf: `%v %s %q %d %x %o %b %c %t %f %e %g ...` with flags, width and precision."""

import re
from collections.abc import Sequence

from kdns.errors import EvaluationError
from kdns.expression.values import Kind, Value, is_integer, is_number, kind_of, show

MAX_WIDTH = 10_000  # characters

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\*|\d+)?(\.(?P<precision>\*|\d*))?(?P<verb>.)?", re.DOTALL)
_INTEGER_VERBS = {"d": "d", "o": "o", "x": "x", "X": "X", "b": "b"}
_FLOAT_VERBS = "eEfFgG"


def sprintf(form: str, values: Sequence[Value]) -> str:
    """The form with its verbs filled in. What does not fit is said in the text, as Go does: `%!d(string=a)`."""
    left = list(values)
    parts: list[str] = []
    at = 0
    for match in _VERB.finditer(form):
        parts.append(form[at : match.start()])
        parts.append(_filled(match, left))
        at = match.end()
    parts.append(form[at:])
    if left:
        parts.append(f"%!(EXTRA {', '.join(map(_typed, left))})")
    return "".join(parts)


def quoted(text: str) -> str:
    """The text in double quotes, as Go's `%q` has it."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(char) or (char if char.isprintable() else _escaped(char)) for char in text) + '"'


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _filled(match: re.Match[str], left: list[Value]) -> str:
    verb, flags = match["verb"], match["flags"]
    if verb is None:
        return "%!(NOVERB)"
    if verb == "%":
        return "%"
    width = _size(match["width"], left)
    precision = _size(match["precision"], left) if match["precision"] is not None else None
    if not left:
        return f"%!{verb}(MISSING)"
    value = left.pop(0)
    text = _converted(verb, flags, precision, value)
    if text is None:
        return f"%!{verb}({_typed(value)})"
    return _padded(text, flags, width, is_numeric=is_number(value))


def _size(text: str | None, left: list[Value]) -> int:
    size = left.pop(0) if text == "*" and left else int(text or 0) if text != "*" else 0
    if not is_integer(size) or size > MAX_WIDTH:
        raise EvaluationError(f"width or precision {show(size)} out of range")
    return size


def _typed(value: Value) -> str:
    return f"{kind_of(value).value}={show(value)}" if kind_of(value) is not Kind.NIL else "<nil>"


def _converted(verb: str, flags: str, precision: int | None, value: Value) -> str | None:
    if verb == "T":
        return kind_of(value).value
    if verb in "vs" and (verb == "v" or isinstance(value, str)):
        text = quoted(show(value)) if "#" in flags and isinstance(value, str) else show(value)
        text = text if verb == "v" or precision is None else text[:precision]
        return f"+{text}" if "+" in flags and is_number(value) and not text.startswith("-") else text
    if verb == "t":
        return show(value) if isinstance(value, bool) else None
    if verb in "qxX" and isinstance(value, str):
        return quoted(value) if verb == "q" else value.encode().hex() if verb == "x" else value.encode().hex().upper()
    if verb in "cqU" and is_integer(value) and 0 <= value < 0x110000:
        return {"c": chr(value), "q": f"'{chr(value)}'", "U": f"U+{value:04X}"}[verb]
    if verb in _INTEGER_VERBS and is_integer(value):
        return _signed(f"{abs(value):{'#' if '#' in flags else ''}{verb}}".rjust(precision or 0, "0"), flags, value < 0)
    if verb in _FLOAT_VERBS and isinstance(value, float):
        digits = show(abs(value)) if verb in "gG" and precision is None else f"{abs(value):.{_digits(precision)}{verb}}"
        return _signed(digits, flags, value < 0)
    return None


def _digits(precision: int | None) -> int:
    return 6 if precision is None else precision


def _signed(digits: str, flags: str, is_negative: bool) -> str:
    return ("-" if is_negative else "+" if "+" in flags else " " if " " in flags else "") + digits


def _padded(text: str, flags: str, width: int, *, is_numeric: bool) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and is_numeric:
        return text.zfill(width)
    return text.rjust(width, "0" if "0" in flags else " ")
