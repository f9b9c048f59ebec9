"""Addresses and CIDRs as numbers, read from text strictly and shown in canonical form.

Strategy: the text is checked once, at the edge; behind it an address is an integer and a family. netaddr reads CIDRs
(configuration, new pools), the standard library single addresses, since it refuses every form that is not exact; but
the plain form of IPv4 is read and written here.
"""

import ipaddress
import re
from typing import NamedTuple

from netaddr import AddrFormatError, IPNetwork

from ipamd.errors import Invalid
from ipamd.model import WIDTH

OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
QUAD = re.compile(rf"{OCTET}\.{OCTET}\.{OCTET}\.{OCTET}")


class Address(NamedTuple):
    """An address as a number, with its family (4 or 6)."""

    family: int
    value: int

    def __str__(self) -> str:
        return show_address(self.family, self.value)


class Cidr(NamedTuple):
    """A prefix: family (4 or 6), the number of its first address, and the prefix length."""

    family: int
    base: int
    length: int

    @property
    def bits(self) -> int:
        """How many bits its addresses differ in; the CIDR has `2**bits` of them."""
        return WIDTH[self.family] - self.length

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return 1 << self.bits

    @property
    def last(self) -> int:
        """Its last address, inclusive."""
        return self.base + self.size - 1

    def holds(self, other: "Cidr") -> bool:
        """Whether `other` lies in it whole."""
        return self.family == other.family and self.base <= other.base and other.last <= self.last

    def overlaps(self, other: "Cidr") -> bool:
        """Whether any address is in both."""
        return self.family == other.family and self.base <= other.last and other.base <= self.last

    def __str__(self) -> str:
        return f"{show_address(self.family, self.base)}/{self.length}"


def read_address(text: str) -> Address:
    """Read an address in the text forms of RFC 4291 section 2.2 or as a dotted quad without leading zeros.

    Raises Invalid for anything else, a zone index (RFC 4007) included.
    """
    quad = QUAD.fullmatch(text)
    if quad is not None:  # most are, and every lease reads a few: the library takes ten times as long
        return Address(4, int.from_bytes(map(int, quad.groups()), "big"))
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Invalid(f"not an IP address: {text!r}") from None
    if "%" in text:
        raise Invalid(f"an address with a zone is not unique: {text!r}")
    return Address(address.version, int(address))


def show_address(family: int, value: int) -> str:
    """The canonical text of an address (RFC 5952 section 4)."""
    if family == 4:
        return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
    return str(ipaddress.IPv6Address(value))


def read_cidr(text: str) -> Cidr:
    """Read `address/length`. Raises Invalid if it is none, or has bits set beyond the length."""
    address, slash, length = text.partition("/")
    if not (slash and length.isascii() and length.isdigit()):
        raise Invalid(f"not a CIDR, which is address/length: {text!r}")
    read_address(address)
    try:
        network = IPNetwork(text)
    except (AddrFormatError, ValueError):
        raise Invalid(f"not a CIDR, which is address/length: {text!r}") from None
    if network.ip != network.network:
        raise Invalid(f"{text} has bits set beyond its length; the network is {network.cidr}")
    return Cidr(network.version, int(network.first), network.prefixlen)


def read_block(text: str) -> Cidr:
    """Read a CIDR or a single address, which is a CIDR of full length."""
    if "/" in text:
        return read_cidr(text)
    family, value = read_address(text)
    return Cidr(family, value, WIDTH[family])


class Span(NamedTuple):
    """Addresses from `first` to `last`, both inclusive, as numbers of a family (4 or 6)."""

    family: int
    first: int
    last: int

    def has(self, address: Address) -> bool:
        """Whether the address is one of them."""
        return self.family == address.family and self.first <= address.value <= self.last


def read_span(text: str) -> Span:
    """Read FIRST-LAST, a CIDR or a single address. Raises Invalid."""
    first, dash, last = text.partition("-")
    if not dash:
        block = read_block(text)
        return Span(block.family, block.base, block.last)
    begin, end = read_address(first.strip()), read_address(last.strip())
    if begin.family != end.family or begin.value > end.value:
        raise Invalid(f"{text} is no range: it goes from a lower address to a higher one of the same family")
    return Span(begin.family, begin.value, end.value)
