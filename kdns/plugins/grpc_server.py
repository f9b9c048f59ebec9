"""grpc_server: how many connections the server block's grpc:// listeners have, and calls each.

Syntax:
    grpc_server {
        max_streams N         # calls of a connection at a time; 256; 0 for any number
        max_connections N     # at a time; 200; 0 for any number. Others wait to be accepted
    }
"""

from dataclasses import dataclass

from kdns.corefile import Args, limits


@dataclass(frozen=True)
class GrpcServer:
    """The bounds of one server block."""

    max_streams: int = 256
    max_connections: int = 200


def setup(args: Args) -> GrpcServer:
    """The bounds of one server block. ConfigError for what is none."""
    return GrpcServer(**limits.read(args, {"max_streams": 0, "max_connections": 0}))
