"""quic: how many queries the server block's quic:// listeners take on.

Syntax:
    quic {
        max_streams N           # queries of a connection at a time; 256
        worker_pool_size N      # queries of all connections at a time; 1024. Others wait
    }
"""

from dataclasses import dataclass

from kdns.corefile import Args, limits


@dataclass(frozen=True)
class Quic:
    """The bounds of one server block."""

    max_streams: int = 256
    worker_pool_size: int = 1024


def setup(args: Args) -> Quic:
    """The bounds of one server block. ConfigError for what is none."""
    return Quic(**limits.read(args, {"max_streams": 1, "worker_pool_size": 1}))
