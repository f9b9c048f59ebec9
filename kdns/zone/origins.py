"""Names of files as names of zones, by a pattern with groups and a template that puts these together. Pure."""

import re
from collections.abc import Mapping
from typing import Protocol

from kdns.wire import names
from kdns.wire.names import Name

_GROUP = re.compile(r"\$?\{(\w+)\}|\$(\w+)|\$\$")


class Match(Protocol):
    """Where a pattern was found in a file's name."""

    def start(self) -> int:
        """The offset of its first character."""

    def end(self) -> int:
        """The offset behind its last one."""

    def groups(self) -> tuple[str | None, ...]:
        """The groups from the first on."""

    def groupdict(self) -> Mapping[str, str | None]:
        """The named groups."""


def origin_of(file: str, match: Match | None, template: str) -> Name | None:
    """The zone that a file is for; None if its name does not match. WireError if what comes out is no name.

    In the template `{1}`, `${1}` and `$1` stand for the first group (`0` for all that matched), `{name}` for a
    named one, `$$` for a dollar sign; a group that took no part is nothing.
    """
    if match is None:
        return None
    known = {str(at): text or "" for at, text in enumerate((file[match.start() : match.end()], *match.groups()))}
    known |= {name: text or "" for name, text in match.groupdict().items()}

    def put(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else known.get(found[1] or found[2], "")

    return names.parse(_GROUP.sub(put, template)).lower()
