"""https3: how many connections the server block's https3:// listeners have, and requests each.

Syntax:
    https3 {
        max_streams N         # requests of a connection at a time; 256; 0 for any number
        max_connections N     # at a time; 200; 0 for any number. Others are refused
    }
"""

from dataclasses import dataclass

from kdns.corefile import Args, limits


@dataclass(frozen=True)
class Https3:
    """The bounds of one server block."""

    max_streams: int = 256
    max_connections: int = 200


def setup(args: Args) -> Https3:
    """The bounds of one server block. ConfigError for what is none."""
    return Https3(**limits.read(args, {"max_streams": 0, "max_connections": 0}))
