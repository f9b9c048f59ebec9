"""multisocket: open several sockets for each address, so that the system spreads the queries over them.

Syntax:
    multisocket [N]     # 1 to 1024; as many as there are processors to run on
"""

import os
from dataclasses import dataclass

from kdns.corefile import Args
from kdns.corefile.numbers import integer

MAX_SOCKETS = 1024


@dataclass(frozen=True)
class Multisocket:
    """How many sockets an address gets."""

    sockets: int


def setup(args: Args) -> Multisocket:
    """The number of one server block. ConfigError if it is out of bounds."""
    directive = args.directives[0]
    words = directive.alone(0, 1)
    if len(args.directives) > 1:
        raise args.directives[1].wrong_count()
    if not words:
        return Multisocket(min(MAX_SOCKETS, len(os.sched_getaffinity(0))))
    count = directive.read(words[0], integer, "invalid num sockets: ")
    if count < 1:
        raise directive.error(f"num sockets can not be zero or negative: {count}")
    if count > MAX_SOCKETS:
        raise directive.error(f"num sockets exceeds maximum ({MAX_SOCKETS}): {count}")
    return Multisocket(count)
