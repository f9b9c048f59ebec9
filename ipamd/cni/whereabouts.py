"""whereabouts' `ipam` object, read as whereabouts reads it (k8snetworkplumbingwg/whereabouts, pkg/config).

Strategy: a range is a CIDR, or FIRST-LAST/LENGTH. Ends that are no usable addresses of it are passed over, as is an end
before the beginning; neither the first nor the last address of the subnet is ever given out. Leading zeros are
decimal. Addresses are unique among all networks of one `network_name`, also those without one, whatever their names
are; with `enable_overlapping_ranges` switched off, only among networks with the same range.
"""

from typing import NamedTuple

from ipamd.cni.codes import Code
from ipamd.cni.document import Ipam, IPRangeConfig
from ipamd.cni.host_local import invalid, read_ip
from ipamd.cni.plan import Given, Range, RangeSet, unmapped, without
from ipamd.errors import CniError, Invalid
from ipamd.model import WIDTH
from ipamd.ranges import Address, Cidr, read_address

UNNAMED = "whereabouts"  # the space of the networks without a `network_name`


class Written(NamedTuple):
    """A range as it is written: its subnet, and the ends if they are named."""

    subnet: Cidr
    start: Address
    end: Address | None


def is_meant(ipam: Ipam) -> bool:
    """Whether the configuration has ranges or addresses as whereabouts writes them."""
    return bool(ipam.range or ipam.ip_ranges or ipam.addresses)


def range_sets(ipam: Ipam) -> tuple[RangeSet, ...]:
    """A set for every range, the one that stands in the `ipam` object itself first. Raises CniError."""
    own = [IPRangeConfig(ipam.range, ipam.range_start, ipam.range_end, ipam.exclude)] if ipam.range else []
    try:
        gateway = read_sloppy(ipam.gateway) if ipam.gateway else None
        return tuple(range_set(config, ipam, gateway) for config in (*own, *ipam.ip_ranges))
    except Invalid as error:
        raise invalid(error.detail) from None


def range_set(config: IPRangeConfig, ipam: Ipam, gateway: Address | None) -> RangeSet:
    """The set of one range. Raises CniError or Invalid."""
    written = read_range(config)
    subnet = written.subnet
    if subnet.bits < 2:
        raise invalid(f"net mask is too short, subnet {subnet} has no usable IP addresses, it is too small")
    first, last = usable(written)
    holes = [(hole.base, hole.last) for hole in map(read_excluded, config.exclude) if hole.family == subnet.family]
    space = space_of(ipam.network_name, None if ipam.enable_overlapping_ranges else subnet)
    return RangeSet((Range(subnet, first, last, gateway, without(first, last, holes)),), space, "lowest")


def space_of(network_name: str, alone: Cidr | None) -> str:
    """The address space of a network; that of `alone`, if given, is shared with no other range."""
    name = network_name or UNNAMED
    return name if alone is None else f"{name}-{str(alone).replace('/', '-').replace(':', '-')}"


def read_range(config: IPRangeConfig) -> Written:
    """A range as it is written. Raises CniError or Invalid."""
    start, dash, rest = config.range.partition("-")
    if not dash:
        subnet, _ = read_sloppy_cidr(config.range)
        first = read_sloppy(config.range_start) if config.range_start else Address(subnet.family, subnet.base)
        return Written(subnet, first, read_sloppy(config.range_end) if config.range_end else None)
    subnet, last = read_sloppy_cidr(rest)
    first = read_sloppy(start)
    if first.family != subnet.family or not subnet.base <= first.value <= subnet.last:
        raise invalid(f"invalid range start for CIDR {subnet}: {first}")
    return Written(subnet, first, last)


def usable(written: Written) -> tuple[int, int]:
    """The ends of what may be given out, inclusive."""
    subnet, start, end = written
    first, last = subnet.base + 1, subnet.last - 1
    if start.family == subnet.family and first <= start.value <= last:
        first = start.value
    if end is not None and end.family == subnet.family and first <= end.value <= last:
        last = end.value
    return first, last


def static_addresses(ipam: Ipam) -> tuple[Given, ...]:
    """The addresses that every container gets. Raises CniError."""
    try:
        return tuple(
            Given(address, subnet.length, read_ip(each.gateway) if each.gateway else None)
            for each in ipam.addresses
            for subnet, address in (read_sloppy_cidr(each.address),)
        )
    except Invalid as error:
        raise invalid(error.detail) from None


def read_excluded(text: str) -> Cidr:
    """An address or a CIDR, which may have bits set beyond its length. Raises CniError."""
    try:
        if "/" in text:
            return read_sloppy_cidr(text)[0]
        address = read_sloppy(text)
    except (CniError, Invalid) as error:
        raise invalid(f"could not parse exclude range, error: {error}") from None
    return Cidr(address.family, address.value, WIDTH[address.family])


def read_sloppy_cidr(text: str) -> tuple[Cidr, Address]:
    """The network of a CIDR, and the address that stands in it. Raises CniError."""
    host, _, length = text.partition("/")
    try:
        address = read_sloppy(host)
        if not (length.isascii() and length.isdigit() and int(length) <= WIDTH[address.family]):
            raise Invalid(f"not a length: {length!r}")
    except Invalid:
        raise CniError(Code.INVALID_CONFIG, f"invalid CIDR {text}: invalid CIDR address: {text}") from None
    bits = WIDTH[address.family] - int(length)
    return Cidr(address.family, address.value >> bits << bits, int(length)), address


def read_sloppy(text: str) -> Address:
    """An address whose decimal numbers may have leading zeros. Raises Invalid."""
    stripped = text.strip()
    if ":" not in stripped:
        stripped = ".".join(part.lstrip("0") or "0" if part.isdigit() else part for part in stripped.split("."))
    return unmapped(read_address(stripped))
