"""The pools of networks whose configurations carry their own ranges.

Strategy: a network, or whatever shares its address space, has one pool for each family, made by the first ADD. It has
the subnets and the ranges of every configuration that was seen, so that an address is unique whichever of them asks;
an ADD then chooses within the ranges of its own. What is in no range is excluded from the pool, so that its counts are
true. A pool only grows by itself; an operator may shrink it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from msgspec.structs import replace

from ipamd.allocator import Space
from ipamd.cni.plan import RangeSet, Spans, union, widest, without
from ipamd.errors import UnknownPool
from ipamd.model import Pool
from ipamd.pools import Pools
from ipamd.ranges import Cidr, read_block
from ipamd.stores import Tx

LONGEST = 40  # characters of the name of an address space that are kept in the name of a pool
UNFIT = re.compile(r"[^a-z0-9.]+")
KNOWN = 4096  # range sets that are remembered to be in their pool


def pool_name(space: str, family: int) -> str:
    """The name of the pool of an address space; what a pool's name cannot say is told apart by a digest."""
    fit = UNFIT.sub("-", space.lower()).strip("-.")[:LONGEST].strip("-.")
    digest = "" if fit == space else f"-{sha256(space.encode()).hexdigest()[:8]}"
    return f"cni-{fit}{digest}-v{family}"


class Networks:
    """The networks, beside all pools."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._known: dict[RangeSet, Pool] = {}

    def find(self, ranges: RangeSet) -> Space | None:
        """The pool of a range set, if there is one yet."""
        try:
            return self._pools.space(pool_name(ranges.space, ranges.family))
        except UnknownPool:
            return None

    def ensure(self, tx: Tx, ranges: RangeSet) -> str:
        """Have a pool with the ranges, and return its name. Raises PoolOverlap."""
        present = self.find(ranges)
        if present is not None and self._known.get(ranges) is present.pool:
            return present.pool.name
        wanted = grown(present, ranges)
        if present is None or present.pool != wanted:
            self._pools.ensure(tx, wanted)
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[ranges] = self._pools.space(wanted.name).pool
        return wanted.name


def grown(present: Space | None, ranges: RangeSet) -> Pool:
    """The pool with the ranges beside what it has already."""
    subnets = [each.subnet for each in ranges.ranges]
    if present is None:
        cidrs, spans = widest(subnets), union(ranges.spans)
        name = pool_name(ranges.space, ranges.family)
        pool = Pool(name, (), strategy=ranges.strategy, space=ranges.space, edges="all")
    else:
        cidrs, spans, pool = (
            widest([*subnets, *present.cidrs]),
            union([*ranges.spans, *spans_of(present)]),
            present.pool,
        )
    return replace(pool, cidrs=tuple(map(str, cidrs)), exclude=tuple(excluded(cidrs, spans)))


def spans_of(space: Space) -> Spans:
    """What a pool without any further rule gives out."""
    holes = [(block.base, block.last) for block in map(read_block, space.pool.exclude)]
    return union(span for cidr in space.cidrs for span in without(cidr.base, cidr.last, holes))


def excluded(cidrs: Sequence[Cidr], spans: Spans) -> Iterator[str]:
    """What is in the CIDRs but in none of the stretches, as few CIDRs and addresses as it can be."""
    for cidr in cidrs:
        for first, last in without(cidr.base, cidr.last, spans):
            yield from summarized(cidr.family, first, last)


def summarized(family: int, first: int, last: int) -> Iterable[str]:
    """The CIDRs, single addresses without their length, of a stretch."""
    if family == 4:
        networks = [str(each) for each in summarize_address_range(IPv4Address(first), IPv4Address(last))]
    else:
        networks = [str(each) for each in summarize_address_range(IPv6Address(first), IPv6Address(last))]
    return (text.removesuffix("/32" if family == 4 else "/128") for text in networks)
