"""debug: for hunting faults: write debug lines, and let an unexpected fault in a query end the server.

Syntax:
    debug
"""

from dataclasses import dataclass

from kdns.corefile import Args


@dataclass(frozen=True)
class Debug:
    """Present in a block whose faults are being hunted."""


def setup(args: Args) -> Debug:
    """The mark of one server block. ConfigError for arguments."""
    for directive in args.directives:
        directive.alone(0)
    return Debug()
