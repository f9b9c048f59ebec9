"""Corefile text to tokens.

Tokens are separated by white space. `#` begins a comment wherever it stands outside quotes, also inside a token. `"`
quotes only as the first character of a token; inside, `\\"` is the one escape and newlines are kept. Each token knows
the line on which it begins.
"""

from typing import NamedTuple

_SEPARATORS_OF_PYTHON_ONLY = "\x1c\x1d\x1e\x1f"  # str.isspace() counts these, Unicode's White_Space does not


class Token(NamedTuple):
    """A word of a Corefile and its place (lines count from 1)."""

    text: str
    file: str
    line: int
    quoted: bool = False

    @property
    def last_line(self) -> int:
        """The line on which it ends: a quoted token may hold newlines."""
        return self.line + self.text.count("\n")


def lex(text: str, file: str) -> list[Token]:
    """The tokens of a file. Never fails: an open quote ends with the file."""
    found: list[Token] = []
    rest = text.removeprefix("\ufeff")
    at, line = 0, 1
    while at < len(rest):
        char = rest[at]
        if char == "#":
            at = _line_end(rest, at)
        elif _is_space(char):
            line += char == "\n"
            at += 1
        elif char == '"':
            value, at, closed = _quoted(rest, at + 1)
            if closed or value:
                found.append(Token(value, file, line, quoted=True))
            line += value.count("\n")
        else:
            value, at = _bare(rest, at)
            found.append(Token(value, file, line))
    return found


def same_line(before: Token, token: Token) -> bool:
    """Whether `token` stands on the line on which the one before it ends."""
    return before.file == token.file and before.last_line >= token.line


def _is_space(char: str) -> bool:
    return char.isspace() and char not in _SEPARATORS_OF_PYTHON_ONLY


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _bare(text: str, at: int) -> tuple[str, int]:
    start = at
    while at < len(text) and text[at] != "#" and (text[at] == "\r" or not _is_space(text[at])):
        at += 1
    return text[start:at].replace("\r", ""), at


def _quoted(text: str, at: int) -> tuple[str, int, bool]:
    parts: list[str] = []
    while at < len(text):
        char = text[at]
        if char == '"':
            return "".join(parts), at + 1, True
        if char == "\\" and at + 1 < len(text):
            following = text[at + 1]
            parts.append(following if following == '"' else char + following)
            at += 2
            continue
        parts.append(char)
        at += 1
    return "".join(parts), at, False
