"""Template text to tokens: literal text, and what stands between `{{` and `}}`."""

import re
from typing import NamedTuple

from kdns.expression.tokens import number, unquoted

TEXT, OPEN, CLOSE = "text", "open", "close"
FIELD, VARIABLE, NAME, NUMBER, STRING, SIGN = "field", "variable", "name", "number", "string", "sign"

_BLANKS = " \t\r\n"
_CLOSE = re.compile(r"(\s-)?\}\}")
_ACTION = re.compile(
    r"""(?P<comment>/\*.*?\*/)
    |(?P<space>\s+)
    |(?P<string>"(\\.|[^"\\\n])*"|`[^`]*`)
    |(?P<character>'(\\.[^']*|[^'\\\n])')
    |(?P<number>[-+]?(0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\d[\d_]*(\.\d*)?([eE][-+]?\d+)?|\.\d+))(?![\w.])
    |(?P<field>\.[A-Za-z_]\w*)
    |(?P<variable>\$\w*)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>:=|[=|(),.])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Token(NamedTuple):
    """A token. `value` is that of a number or string; `spaced` says that white space stands in front of it."""

    kind: str
    text: str
    value: int | float | str = ""
    spaced: bool = False


def tokenize(text: str) -> list[Token]:
    """The tokens of a template. ValueError for an action that is not closed, or holds what is no token."""
    found: list[Token] = []
    at, trim = 0, False
    while at < len(text):
        start = text.find("{{", at)
        literal = text[at:] if start < 0 else text[at:start]
        literal = literal.lstrip(_BLANKS) if trim else literal
        at = len(text) if start < 0 else start + 2
        if start >= 0 and text.startswith("- ", at):
            literal, at = literal.rstrip(_BLANKS), at + 1
        if literal:
            found.append(Token(TEXT, literal))
        if start >= 0:
            at, trim = _action(text, at, found)
    return found


def _action(text: str, at: int, found: list[Token]) -> tuple[int, bool]:
    """The tokens of one action; where it goes on, and whether white space is trimmed there. A comment has none."""
    found.append(Token(OPEN, "{{"))
    begin = len(found)
    spaced, has_comment = False, False
    while not (trim := _CLOSE.match(text, at)):
        match = _ACTION.match(text, at)
        if match is None:
            raise ValueError(_complaint(text, at))
        at = match.end()
        if match.lastgroup == "comment":
            has_comment = True
        elif match.lastgroup != "space":
            found.append(_token(match, spaced=spaced))
        spaced = match.lastgroup == "space"
    if has_comment and len(found) == begin:
        found.pop()
    else:
        found.append(Token(CLOSE, "}}"))
    return trim.end(), bool(trim[1])


def _token(match: re.Match[str], *, spaced: bool) -> Token:
    kind, text = str(match.lastgroup), match[0]
    if kind == STRING:
        return Token(STRING, text, unquoted(text), spaced)
    if kind == "character":
        return Token(NUMBER, text, ord(unquoted(text)), spaced)
    if kind == NUMBER:
        value = number(text.lstrip("+-"))
        return Token(NUMBER, text, -value if text[0] == "-" else value, spaced)
    return Token(kind, text, "", spaced)


def _complaint(text: str, at: int) -> str:
    if at >= len(text):
        return "unclosed action"
    if text[at] in "\"`'":
        return "unterminated quoted string"
    return f"unexpected {text[at]!r} in command"
