"""bind: listen on some of the machine's addresses only.

Syntax:
    bind ADDRESS|INTERFACE... {
        except ADDRESS|INTERFACE...     # not on these
    }

Every address gets a listener of its own. An interface stands for the addresses that it has at start. Blocks that share
a port must either all be bound or none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from kdns.corefile import Args, Directive, Line
from kdns.transport.interfaces import Held, addresses


@dataclass(frozen=True)
class Bind:
    """The addresses to listen on, none twice."""

    addresses: tuple[str, ...]


def setup(args: Args) -> Bind:
    """The addresses of one server block. ConfigError for what is neither address nor interface, or if none is left."""
    try:
        held = addresses()
    except OSError as fault:
        args.warn(f"failed to get interfaces list, cannot bind by interface name: {fault}")
        held = []
    return bound(args, held)


def bound(args: Args, held: Sequence[Held]) -> Bind:
    """The same on a machine whose interfaces hold the addresses `held`."""
    found: dict[str, None] = {}
    for directive in args.directives:
        if not directive.words:
            raise directive.error("at least one address or interface name is expected")
        spared = _excepted(directive, held)
        found |= dict.fromkeys(each for each in _resolved(directive.head, held) if each not in spared)
    if not found:
        raise args.directives[0].error("no address is left to listen on")
    return Bind(tuple(found))


def _excepted(directive: Directive, held: Sequence[Held]) -> list[str]:
    """What the last `except` line names: it replaces those before it."""
    spared: list[str] = []
    for line in directive.lines:
        if line.name != "except":
            raise line.error(f'invalid option "{line.name}"')
        if not line.args:
            raise line.error("at least one address or interface must be given to except subdirective")
        spared = _resolved(line, held)
    return spared


def _resolved(line: Line, held: Sequence[Held]) -> list[str]:
    found: list[str] = []
    for word in line.args:
        of_interface = [each.address for each in held if each.interface == word]
        found += of_interface or [_address(line, word)]
    return found


def _address(line: Line, word: str) -> str:
    """An address as it was written; one of IPv4 in IPv6's form (RFC 4291 section 2.5.5.2) is the IPv4 one."""
    try:
        found = ip_address(word if "%" not in word else "")
    except ValueError:
        raise line.error(f'not a valid IP address or interface name: "{word}"') from None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return word if mapped is None else str(mapped)
