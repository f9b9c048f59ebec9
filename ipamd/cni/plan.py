"""What a configuration comes down to: which addresses an interface may get, and what is said beside them.

Strategy: host-local, whereabouts and pools of ipamd are read into the same values, so that the rest need not know for
whom a configuration was written. A range is a stretch of numbers in a subnet, less what is never given out.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ipamd.cni.document import Dns, Route
from ipamd.model import Strategy
from ipamd.ranges import Address, Cidr, show_address

Spans = tuple[tuple[int, int], ...]  # numbers of addresses, first and last inclusive, ascending

MAPPED = 0xFFFF << 32  # ::ffff:0:0/96, an IPv4 address in the clothes of IPv6 (RFC 4291 section 2.5.5.2)


class Range(NamedTuple):
    """The addresses `first` to `last` of a subnet, inclusive, of which `spans` are given out."""

    subnet: Cidr
    first: int
    last: int
    gateway: Address | None
    spans: Spans

    def holds(self, address: Address) -> bool:
        """Whether the address is between the ends."""
        return address.family == self.subnet.family and self.first <= address.value <= self.last

    def overlaps(self, other: "Range") -> bool:
        """Whether any address is between the ends of both."""
        same = self.subnet.family == other.subnet.family
        return same and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return f"{show_address(self.subnet.family, self.first)}-{show_address(self.subnet.family, self.last)}"


class RangeSet(NamedTuple):
    """Ranges of one family: one address comes from the first that has one. `space` is what it is unique in."""

    ranges: tuple[Range, ...]
    space: str
    strategy: Strategy

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.ranges[0].subnet.family

    @property
    def spans(self) -> Spans:
        """What is given out, in the order of the ranges."""
        return tuple(span for each in self.ranges for span in each.spans)

    def range_of(self, address: Address) -> Range | None:
        """The range that holds the address."""
        return next((each for each in self.ranges if each.holds(address)), None)

    def overlaps(self, other: "RangeSet") -> bool:
        """Whether any address is in both."""
        return any(mine.overlaps(theirs) for mine in self.ranges for theirs in other.ranges)

    def __str__(self) -> str:
        return ",".join(map(str, self.ranges))


class Given(NamedTuple):
    """An address of a result, with the length of its subnet and its gateway."""

    address: Address
    length: int
    gateway: Address | None

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


class Plan(NamedTuple):
    """What an ADD is to do: an address of every set, or else of every pool, or without either of a pool for pods.

    `asked` are addresses that the runtime asks for, each to come from one of those; a partial plan is about no others.
    `static` are in every result.
    """

    sets: tuple[RangeSet, ...] = ()
    pools: tuple[str, ...] = ()
    asked: tuple[Address, ...] = ()
    static: tuple[Given, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()
    resolv_conf: str = ""
    is_partial: bool = False


def without(first: int, last: int, holes: Iterable[tuple[int, int]]) -> Spans:
    """The stretch from `first` to `last` less the holes, all inclusive."""
    spans = []
    for hole_first, hole_last in sorted(hole for hole in holes if hole[0] <= last):
        if first < hole_first:
            spans.append((first, hole_first - 1))
        first = max(first, hole_last + 1)
    return (*spans, *([(first, last)] if first <= last else []))


def union(spans: Iterable[tuple[int, int]]) -> Spans:
    """Stretches that may overlap or touch, as few as they can be, ascending."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return tuple(joined)


def widest(cidrs: Iterable[Cidr]) -> Sequence[Cidr]:
    """The CIDRs that lie in none of the others, ascending."""
    kept: list[Cidr] = []
    for cidr in sorted(set(cidrs), key=lambda each: (each.base, each.length)):
        if not (kept and kept[-1].holds(cidr)):
            kept.append(cidr)
    return kept


def unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped one of IPv6 stands for; any other as it is."""
    is_mapped = address.family == 6 and address.value & ~0xFFFFFFFF == MAPPED
    return Address(4, address.value & 0xFFFFFFFF) if is_mapped else address
