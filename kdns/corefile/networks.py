"""Sets of IP networks, as lists of addresses and CIDRs in a Corefile mean them."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network


class Networks:
    """A set of networks, asked in a step a prefix length."""

    def __init__(self, cidrs: Sequence[str]) -> None:
        """ValueError for what is neither an address nor a CIDR; host bits do not matter.

        As in Go a prefix has a length, no mask, and an address no zone.
        """
        found: dict[tuple[int, int], set[int]] = {}
        for cidr in cidrs:
            address, _, length = cidr.partition("/")
            if "." in length or "%" in address:
                raise ValueError(f"{cidr!r} is no network")
            net = ip_network(cidr, strict=False)
            shift = net.max_prefixlen - net.prefixlen
            found.setdefault((net.version, shift), set()).add(int(net.network_address) >> shift)
        self._prefixes = [(version, shift, prefixes) for (version, shift), prefixes in found.items()]

    def __bool__(self) -> bool:
        return bool(self._prefixes)

    def __contains__(self, address: str) -> bool:
        """Whether an address (without zone) is in one of the networks. ValueError if it is none."""
        wanted = ip_address(address)
        number = int(wanted)
        return any(
            version == wanted.version and number >> shift in prefixes for version, shift, prefixes in self._prefixes
        )
