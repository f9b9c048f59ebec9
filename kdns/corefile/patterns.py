"""Regular expressions as Corefiles have them: the syntax of Go's regexp package, in time linear in the text.

Both come from RE2. Python's own engine reads another dialect, and a pattern like `(a+)+$` lets whoever chooses the
names that it is matched against stop the server.
"""

from collections.abc import Mapping
from typing import Protocol

import re2

MAX_PATTERN = 10_000  # characters


class Match(Protocol):
    """Where a pattern was found. Offsets count characters; a group that took no part is None."""

    def start(self) -> int:
        """The offset of the first character of the match."""

    def end(self) -> int:
        """The offset behind the last character of the match."""

    def groups(self) -> tuple[str | None, ...]:
        """The groups from the first on."""

    def groupdict(self) -> Mapping[str, str | None]:
        """The named groups."""


class Pattern(Protocol):
    """A compiled pattern."""

    groups: int

    def search(self, text: str) -> Match | None:
        """The leftmost match anywhere in the text."""

    def fullmatch(self, text: str) -> Match | None:
        """The match of the whole text."""


def compiled(text: str) -> Pattern:
    """The pattern of a text. ValueError, in Go's words, for one that is none or longer than MAX_PATTERN."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long: {len(text)} > {MAX_PATTERN}")
    options = re2.Options()
    options.log_errors = False
    try:
        pattern: Pattern = re2.compile(text, options)
    except re2.error as fault:
        reason = fault.args[0].decode(errors="replace")
        raise ValueError(f"error parsing regexp: {reason.replace(': ', ': `', 1)}`") from None
    return pattern
