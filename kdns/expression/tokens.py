"""Expression text to tokens."""

import re
from typing import NamedTuple

NAME, NUMBER, STRING, SIGN, END = "name", "number", "string", "sign", "end"

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<number>0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(\d[\d_]*)?\.?\d[\d_]*([eE][-+]?\d+)?)
    |(?P<string>"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*'|`[^`]*`)
    |(?P<name>[\#$]?[A-Za-z_]\w*|\#)
    |(?P<sign>\?\?|\?\.|\*\*|\.\.|==|!=|<=|>=|&&|\|\||[-+*/%^<>!?:,.;|=()\[\]{}])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_RANGE = re.compile(r"(\d[\d_]*)(?=\.\.)", re.ASCII)  # 1..3 is no number 1. followed by .3
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"',
    "`": "`",
}  # fmt: skip


class Token(NamedTuple):
    """A token and the offset of its first character. `value` is a number's or a string's."""

    kind: str
    text: str
    at: int
    value: int | float | str = ""


def tokenize(text: str) -> list[Token]:
    """The tokens of an expression, END last. ValueError for what is none."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _RANGE.match(text, at) or _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"unrecognized character: {text[at]!r} at {at}")
        if match.lastgroup != "space":
            kind = NUMBER if match.re is _RANGE else str(match.lastgroup)
            found.append(Token(kind, match[0], at, _value(kind, match[0])))
        at = match.end()
    return [*found, Token(END, "end of expression", at)]


def unquoted(text: str) -> str:
    """The value of a quoted string: back-ticks quote as it stands, other quotes with Go's escapes. ValueError."""
    body = text[1:-1]
    return body if text[0] == "`" else _ESCAPE.sub(_unescaped, body)


def _value(kind: str, text: str) -> int | float | str:
    if kind == STRING:
        return unquoted(text)
    return number(text) if kind == NUMBER else ""


def number(text: str) -> int | float:
    """The value of a numeral. ValueError for none, or an integer of more than 64 bits."""
    plain = text.replace("_", "").lower()
    if plain[:2] not in ("0x", "0o", "0b") and re.search(r"[.e]", plain):
        return float(plain)
    value = int(plain, 0 if plain[:2] in ("0x", "0o", "0b") else 10)
    if value >> 63:
        raise ValueError(f"integer literal is too large: {text}")
    return value


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if escape[0] in "xuU":
        return chr(int(escape[1:], 16))
    if len(escape) == 3:
        return chr(int(escape, 8))
    if escape not in _ESCAPES:
        raise ValueError(f"unknown escape: \\{escape}")
    return _ESCAPES[escape]
