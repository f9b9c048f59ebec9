"""What server blocks are served on: `[SCHEME://]ZONE[:PORT]` to listeners and zones.

A zone may be a CIDR: it stands for the reverse zones that cover it, rounded to whole octets (IPv4) or nibbles (IPv6).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from netaddr import AddrFormatError, IPNetwork

from kdns.errors import ConfigError, WireError
from kdns.wire import names
from kdns.wire.names import Name

PORTS = {"dns": 53, "tls": 853, "quic": 853, "grpc": 443, "https": 443, "https3": 443}
MAX_REVERSE_ZONES = 1 << 16  # of one CIDR, as an IPv4 /0 or a /17 would make


class Key(NamedTuple):
    """One zone on one port of one transport."""

    scheme: str
    zone: Name
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{names.show(self.zone)}:{self.port}"


class Served(NamedTuple):
    """A server block's claims, for the check of overlaps: its keys, its `bind` addresses, whether it has a `view`."""

    keys: Sequence[Key]
    addresses: Sequence[str]
    has_view: bool


def read_key(text: str, dns_port: int = PORTS["dns"]) -> list[Key]:
    """The keys that one word of a Corefile stands for (several for a CIDR). ConfigError if it is no zone."""
    scheme, _, rest = text.partition("://") if "://" in text else ("dns", "", text)
    scheme = scheme.lower()
    if scheme not in PORTS:
        raise ConfigError(f"invalid protocol {scheme!r} in {text!r}: {', '.join(PORTS)} are known")
    host, port = _split_port(rest or ".", dns_port if scheme == "dns" else PORTS[scheme])
    return [Key(scheme, zone, port) for zone in zones(host)]


def zones(host: str) -> list[Name]:
    """The zones, lower-cased, that a domain name or a CIDR stands for. ConfigError if it is neither.

    No name at all is none either, so that a variable that is not set does not make a zone of a port.
    """
    if len(host) > 255:
        raise ConfigError(f"specified zone is too long: {len(host)} > 255")
    if "/" in host:
        reverse = _reverse_zones(host)
        if reverse is not None:
            return reverse
    try:
        if not host:
            raise WireError("no name")
        return [names.parse(host).lower()]
    except WireError:
        raise ConfigError(f"zone is not a valid domain name: {host}") from None


def named(text: str) -> list[Name]:
    """The zones that an argument of a plugin names: it is read as a key. None for what is no zone."""
    scheme, _, rest = text.partition("://")
    try:
        host, _ = _split_port(rest if scheme in PORTS else text, 0)
        return zones(host)
    except ConfigError:
        return []


def inspect(blocks: Iterable[Served]) -> None:
    """Refuse keys that claim what another block has. ConfigError in CoreDNS's words."""
    first: dict[Key, str] = {}  # the address of the first claim, "" for all
    taken: set[tuple[Key, str]] = set()
    for block in blocks:
        claims = [(key, address) for key in block.keys for address in block.addresses or ("",)]
        for key, address in [] if block.has_view else claims:
            if (key, address) in taken:
                raise ConfigError(f"cannot serve {key}{_on(address)} - it is already defined")
            other = first.setdefault(key, address)
            if bool(other) != bool(address):
                overlap = f"zone overlap listener capacity with {key}{_on(other)}"
                raise ConfigError(f"cannot serve {key}{_on(address)} - {overlap}")
            taken.add((key, address))


def _on(address: str) -> str:
    return f" on {address}" if address else ""


def _split_port(text: str, default: int) -> tuple[str, int]:
    host, colon, digits = text.rpartition(":")
    if colon and not digits:
        raise ConfigError(f'expecting data after last colon: "{text}"')
    if colon and digits.isascii() and digits.isdigit():
        if int(digits) > 65535:
            raise ConfigError(f"invalid port {digits} in {text!r}: 0 to 65535 are allowed")
        return host, int(digits)
    return text, default


def _reverse_zones(cidr: str) -> list[Name] | None:
    address, _, bits = cidr.partition("/")
    if not bits.isdigit() or not (":" in address or address.count(".") == 3):
        return None
    try:
        network = IPNetwork(cidr).cidr
    except (AddrFormatError, ValueError):
        raise ConfigError(f"invalid CIDR {cidr}") from None
    step = 8 if network.version == 4 else 4
    whole = -(-network.prefixlen // step) * step
    if 1 << (whole - network.prefixlen) > MAX_REVERSE_ZONES:
        raise ConfigError(f"invalid CIDR {cidr}: it covers more than {MAX_REVERSE_ZONES} reverse zones")
    return list(_reverse_names(network, whole))


def _reverse_names(network: IPNetwork, prefix: int) -> Iterator[Name]:
    step, suffix = (8, b"\x07in-addr\x04arpa\0") if network.version == 4 else (4, b"\x03ip6\x04arpa\0")
    width = 32 if network.version == 4 else 128
    for subnet in network.subnet(prefix):
        digits = [int(subnet.first) >> (width - at - step) & ((1 << step) - 1) for at in range(0, prefix, step)]
        labels = [(b"%d" if step == 8 else b"%x") % digit for digit in reversed(digits)]
        yield names.join(labels, suffix)
