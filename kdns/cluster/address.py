"""IP addresses as Kubernetes writes them, as names of endpoints and pods spell them, and as reverse names do.

An address is its packed form, 4 or 16 octets. As in Go, an IPv4-mapped IPv6 address is an IPv4 one, leading zeros are
refused in IPv4, and there are no scopes.
"""

import re
from ipaddress import AddressValueError, IPv6Address

from kdns.wire import names
from kdns.wire.names import Name

Address = bytes

IN_ADDR, IP6 = b"\x07in-addr\x04arpa\0", b"\x03ip6\x04arpa\0"
NIBBLES = 32  # labels of a whole IPv6 reverse name

_IPV4 = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")


def packed(text: str) -> Address | None:
    """The address that a text spells, or None if it spells none."""
    if ":" not in text:
        return _packed_ipv4(text)
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return None
    if address.scope_id is not None:
        return None
    return (address.ipv4_mapped or address).packed


def dashed(text: str) -> str:
    """The name of an endpoint that has none of its own: `10-0-0-1`, `2001-db8--1`; a dash at the end gets a 0."""
    if "." in text:
        return text.replace(".", "-")
    name = text.replace(":", "-")
    return f"{name}0" if name.endswith("-") else name


def undashed(name: bytes) -> str:
    """The text of the address that a pod's label spells: three single dashes are dots, other dashes are colons."""
    is_ipv4 = name.count(b"-") == 3 and b"--" not in name
    return name.replace(b"-", b"." if is_ipv4 else b":").decode("latin-1")


def is_reverse(name: Name) -> bool:
    """Whether a key is below in-addr.arpa or ip6.arpa. These two themselves are not, to CoreDNS."""
    return name.endswith((IN_ADDR, IP6)) and name not in (IN_ADDR, IP6)


def of_reverse(key: Name) -> Address | None:
    """The address that a whole reverse name stands for (RFC 1035 section 3.5, RFC 3596 section 2.5), or None."""
    if key.endswith(IN_ADDR):
        return packed(b".".join(_reversed(key, IN_ADDR)).decode("latin-1"))
    if key.endswith(IP6):
        digits = _reversed(key, IP6)
        groups = [b"".join(digits[at : at + 4]) for at in range(0, NIBBLES, 4)]
        return packed(b":".join(groups).decode("latin-1")) if len(digits) == NIBBLES else None
    return None


def _packed_ipv4(text: str) -> Address | None:
    if _IPV4.fullmatch(text) is None:
        return None
    octets = [int(part) for part in text.split(".")]  # ipaddress would take three times as long, and there are many
    return bytes(octets) if max(octets) <= 255 else None


def _reversed(key: Name, arpa: Name) -> list[bytes]:
    return names.labels(key[: -len(arpa)] + names.ROOT)[::-1]
