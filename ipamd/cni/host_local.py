"""host-local's `ipam` object, read as host-local reads it (containernetworking/plugins, plugins/ipam/host-local).

Strategy: the defaults, the checks and the words of the errors are host-local's, so that who changes only `type` sees no
difference. The gateway is the first address of the subnet unless another is named; the range is all of the subnet but
its first address and, of IPv4, its last; the gateway in it is passed over.
"""

from collections.abc import Sequence
from itertools import combinations

from ipamd.cni.codes import Code
from ipamd.cni.document import Ipam, Network, RangeConfig
from ipamd.cni.plan import Range, RangeSet, unmapped, without
from ipamd.errors import CniError, Invalid
from ipamd.model import WIDTH
from ipamd.ranges import Address, Cidr, read_address, show_address


def is_meant(ipam: Ipam, network: Network) -> bool:
    """Whether the configuration has ranges as host-local writes them."""
    return bool(ipam.ranges or ipam.subnet or network.runtime.ip_ranges)


def range_sets(ipam: Ipam, network: Network) -> tuple[RangeSet, ...]:
    """The range sets: those of the runtime, then the one of the older form, then `ranges`. Raises CniError."""
    listed = [*network.runtime.ip_ranges, *legacy(ipam), *ipam.ranges]
    sets = tuple(range_set(number, ranges, network.name) for number, ranges in enumerate(listed))
    for (number, one), (other_number, other) in combinations(enumerate(sets), 2):
        if one.overlaps(other):
            raise invalid(f"range set {number} overlaps with {other_number}")
    return sets


def legacy(ipam: Ipam) -> list[tuple[RangeConfig, ...]]:
    """The one range that stands in the `ipam` object itself."""
    if not ipam.subnet:
        return []
    return [(RangeConfig(ipam.subnet, ipam.host_local_start, ipam.host_local_end, ipam.gateway),)]


def range_set(number: int, ranges: Sequence[RangeConfig], space: str) -> RangeSet:
    """A set of ranges. Raises CniError, with its number, if it is empty, of both families, or overlaps itself."""
    try:
        made = RangeSet(tuple(map(read_range, ranges)), space, "round-robin")
    except (CniError, Invalid) as error:
        raise invalid(f"invalid range set {number}: {error}") from None
    if not made.ranges:
        raise invalid(f"invalid range set {number}: empty range set")
    if len({each.subnet.family for each in made.ranges}) > 1:
        raise invalid(f"invalid range set {number}: mixed address families")
    for one, other in combinations(made.ranges, 2):
        if one.overlaps(other):
            raise invalid(f"invalid range set {number}: subnets {one} and {other} overlap")
    return made


def read_range(config: RangeConfig) -> Range:
    """A range with its defaults. Raises CniError or Invalid."""
    subnet = read_subnet(config.subnet)
    gateway = read_ip(config.gateway) if config.gateway else Address(subnet.family, subnet.base + 1)
    first, last = subnet.base + 1, subnet.last - (1 if subnet.family == 4 else 0)
    start = read_ip(config.range_start) if config.range_start else Address(subnet.family, first)
    end = read_ip(config.range_end) if config.range_end else Address(subnet.family, last)
    check_within("RangeStart", start, subnet, (subnet.base, end.value if config.range_end else subnet.last))
    check_within("RangeEnd", end, subnet, (start.value, subnet.last))
    holes = [(gateway.value, gateway.value)] if gateway.family == subnet.family else []
    return Range(subnet, start.value, end.value, gateway, without(start.value, end.value, holes))


def read_subnet(text: str) -> Cidr:
    """A subnet that has room for hosts. Raises CniError or Invalid."""
    address, _, length = text.partition("/")
    family, value = unmapped(read_address(address))
    if not (length.isascii() and length.isdigit() and int(length) <= WIDTH[family]):
        raise Invalid(f"invalid CIDR address: {text}")
    subnet = Cidr(family, value >> (bits := WIDTH[family] - int(length)) << bits, int(length))
    if bits < 2:
        raise invalid(f"Network {text} too small to allocate from")
    if subnet.base != value:
        base = show_address(family, subnet.base)
        raise invalid(f"Network has host bits set. For a subnet mask of length {length} the network address is {base}")
    return subnet


def check_within(name: str, address: Address, subnet: Cidr, ends: tuple[int, int]) -> None:
    """Raise CniError unless the end of a range is in its subnet, and on the right side of the other end."""
    in_subnet = address.family == subnet.family and subnet.base <= address.value <= subnet.last
    if not in_subnet or not ends[0] <= address.value <= ends[1]:
        raise invalid(f"{name} {address} not in network {subnet}")


def read_ip(text: str) -> Address:
    """An address; what stands behind a slash is passed over. Raises Invalid."""
    return unmapped(read_address(text.partition("/")[0]))


def invalid(message: str) -> CniError:
    """The refusal of a configuration."""
    return CniError(Code.INVALID_CONFIG, message)
