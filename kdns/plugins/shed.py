"""shed: drop queries while the UDP socket cannot take the replies to them.

Syntax:
    shed
"""

from dataclasses import dataclass

from kdns.corefile import Args


@dataclass(frozen=True)
class Shed:
    """That the sockets of a server block are to do so."""


def setup(args: Args) -> Shed:
    """The wish of one server block. ConfigError for arguments, and where the block is served over anything but UDP."""
    directive = args.once()
    directive.expect(0)
    if directive.has_block:
        raise directive.error("shed takes no options")
    for key in (key for keys in args.keys for key in keys):
        if key.scheme != "dns":
            raise directive.error(f'only plain DNS server blocks are supported; "{key}" uses transport "{key.scheme}"')
    return Shed()
