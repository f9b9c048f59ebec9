"""https: how many connections the server block's https:// listeners have.

Syntax:
    https {
        max_connections N     # at a time; 200; 0 for any number. Others wait to be accepted
    }
"""

from dataclasses import dataclass

from kdns.corefile import Args, limits


@dataclass(frozen=True)
class Https:
    """The bounds of one server block."""

    max_connections: int = 200


def setup(args: Args) -> Https:
    """The bounds of one server block. ConfigError for what is none."""
    return Https(**limits.read(args, {"max_connections": 0}))
