"""The allocator: which address of a pool is given next, and which are free.

Strategy: a `Space` is a pool with the free sets of its CIDRs. `choose` decides and changes nothing; `take` and `give`
record. The strategy of the pool only says where the search begins (`lowest`: at the bottom; `round-robin`: after the
last one given; `random`: anywhere); the search then goes up to the end and wraps. In pools for services it goes
through the dynamic upper band of every CIDR before the static lower one, as Kubernetes does (KEP-3070).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from ipamd.errors import Exhausted, Invalid, OutsidePool, Taken, Withheld
from ipamd.freesets import FreeSet, Spans, free_set
from ipamd.model import POOL_NAME, WIDTH, Lease, Pool, Wish
from ipamd.ranges import Address, Cidr, read_address, read_block, read_cidr, show_address


class Block(NamedTuple):
    """`2**bits` addresses from `first` on; a single address has no bits."""

    first: int
    bits: int


class Search(NamedTuple):
    """Look in the CIDR of that number, from offset `start` up to, but not including, `end`."""

    cidr: int
    start: int
    end: int


def static_band(cidr: Cidr) -> int:
    """How many addresses at the bottom of a service CIDR are left to static use while there are others.

    min(max(16, size / 16), 256), and none where the CIDR has no more than 16 addresses.
    """
    return 0 if cidr.size <= 16 else min(max(16, cidr.size // 16), 256)


def withheld(pool: Pool, cidr: Cidr) -> Spans:
    """The offsets in `cidr` that the pool never hands out.

    The network and the broadcast address of IPv4, the subnet-router anycast address of IPv6 (RFC 4291 section 2.6.1)
    and the gateway, where the addresses go to hosts (`pods`, `any`), unless the CIDR is a point-to-point link
    (RFC 3021, RFC 6164). For `services` the first address, and the last of IPv4. The exclusions everywhere.
    """
    ends: Spans = [(0, 0)] if cidr.family == 6 else [(0, 0), (cidr.size - 1, cidr.size - 1)]
    spans: Spans = []
    if pool.edges == "all":
        ends = []
    elif pool.purpose == "services" or (pool.purpose in ("pods", "any") and cidr.bits > 1):
        spans += ends
    if pool.gateway is None and pool.edges != "all" and pool.purpose in ("pods", "any") and cidr.bits > 1:
        spans.append((1, 1))
    for text in (*pool.exclude, *([pool.gateway] if pool.gateway else [])):
        block = read_block(text)
        if cidr.overlaps(block):
            spans.append((max(block.base, cidr.base) - cidr.base, min(block.last, cidr.last) - cidr.base))
    return spans


def check_pool(pool: Pool) -> list[Cidr]:
    """The CIDRs of the pool. Raises Invalid unless it makes sense: one family, no overlaps, all else inside."""
    if not re.fullmatch(POOL_NAME, pool.name) or len(pool.name) > 63:
        raise Invalid(f"{pool.name!r} is no name of a pool: small letters, digits, '-' and '.', 63 at most, are")
    cidrs = [read_cidr(text) for text in pool.cidrs]
    if not cidrs:
        raise Invalid("a pool has a CIDR at least")
    if len({cidr.family for cidr in cidrs}) > 1:
        raise Invalid("the CIDRs are of both families; make a pool for each")
    for index, cidr in enumerate(cidrs):
        if (other := next(filter(cidr.overlaps, cidrs[:index]), None)) is not None:
            raise Invalid(f"{cidr} overlaps {other}")
    for text in (*pool.exclude, *([pool.gateway] if pool.gateway else [])):
        if not any(cidr.overlaps(read_block(text)) for cidr in cidrs):
            raise Invalid(f"{text} is outside the CIDRs of the pool")
    shortest, width = max(cidr.length for cidr in cidrs), WIDTH[cidrs[0].family]
    if pool.block_size is not None and not shortest <= pool.block_size <= width:
        raise Invalid(f"block_size {pool.block_size} is not within /{shortest} to /{width}")
    return cidrs


class Space:
    """A pool with what is free in it. `used` and `capacity` count addresses."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.cidrs = check_pool(pool)
        self.family = self.cidrs[0].family
        self.width = WIDTH[self.family]
        self.used = 0
        self.leases = 0
        self._sets: list[FreeSet] = [free_set(cidr, withheld(pool, cidr)) for cidr in self.cidrs]
        self.capacity = sum(free.capacity for free in self._sets)
        self._by_base = sorted((cidr.base, index) for index, cidr in enumerate(self.cidrs))
        self._block_bands = bands(self.cidrs, has_static=False)
        self._single_bands = bands(self.cidrs, has_static=pool.purpose == "services")
        self._last: Block | None = None  # the one given last, where round-robin goes on

    def choose(self, wish: Wish, random: Random) -> Block:
        """The block to give for the wish. Changes nothing.

        Raises OutsidePool, Withheld or Taken for an address that was asked for, Exhausted if nothing is free.
        """
        bits = self.bits(wish)
        if wish.address is not None:
            return self._asked_for(read_address(wish.address), bits)
        searches = self._windows(wish.within, random) if wish.within else self._searches(bits, random)
        for search in searches:
            offset = self._sets[search.cidr].next_free(search.start, search.end, bits)
            if offset is not None:
                return Block(self.cidrs[search.cidr].base + offset, bits)
        raise self._exhausted(bits)

    def bits(self, wish: Wish) -> int:
        """The size of the block that is wished for, in bits. Raises Invalid if no CIDR could hold it."""
        if wish.block and self.pool.block_size is None:
            raise Invalid(f"pool {self.pool.name} has no block_size")
        length = self.pool.block_size if wish.block else wish.prefix_length
        length = self.width if length is None else length
        shortest = min(cidr.length for cidr in self.cidrs)
        if not shortest <= length <= self.width:
            bounds = f"/{shortest} to /{self.width}"
            raise Invalid(f"prefix_length {length} is not within {bounds} of pool {self.pool.name}")
        return self.width - length

    def holds(self, address: Address) -> bool:
        """Whether the address is in one of the CIDRs, be it free, leased or withheld."""
        return self._index(address) is not None

    def take(self, block: Block) -> None:
        """Record that the block is used; it was free."""
        index, offset = self._place(block)
        self._sets[index].take(offset, block.bits)
        self.used += 1 << block.bits
        self.leases += 1
        self._last = block

    def give(self, block: Block) -> None:
        """Record that the block is free again; it was taken."""
        index, offset = self._place(block)
        self._sets[index].give(offset, block.bits)
        self.used -= 1 << block.bits
        self.leases -= 1

    def take_all(self, held: Sequence[tuple[int, int]]) -> None:
        """Record many used blocks at once, oldest first, as when a store is opened: (first address, prefix length)."""
        singles = sorted(first for first, length in held if length == self.width)
        for cidr, free in zip(self.cidrs, self._sets, strict=True):
            inside = singles[bisect_left(singles, cidr.base) : bisect_right(singles, cidr.last)]
            free.take_singles(first - cidr.base for first in inside)
        self.used += len(singles)
        self.leases += len(singles)
        for first, length in held:
            if length != self.width:
                self.take(Block(first, self.width - length))
        for first, length in held[-1:]:
            self._last = Block(first, self.width - length)

    def can_hold(self, block: Block) -> bool:
        """Whether the block lies in one of the CIDRs and has no address that is never handed out."""
        index = self._index(Address(self.family, block.first))
        if index is None or block.first + (1 << block.bits) - 1 > self.cidrs[index].last:
            return False
        return not self._sets[index].is_withheld(block.first - self.cidrs[index].base, block.bits)

    def _exhausted(self, bits: int) -> Exhausted:
        what = f"block of length /{self.width - bits}" if bits else "address"
        counts = {"capacity": self.capacity, "used": self.used, "free": self.capacity - self.used}
        return Exhausted(f"no {what} is free in pool {self.pool.name}", pool=self.pool.name, **counts)

    def _index(self, address: Address) -> int | None:
        if address.family != self.family:
            return None
        below = bisect_right(self._by_base, (address.value, len(self.cidrs))) - 1
        index = self._by_base[below][1] if below >= 0 else 0
        return index if self.cidrs[index].base <= address.value <= self.cidrs[index].last else None

    def _place(self, block: Block) -> tuple[int, int]:
        """The number of the CIDR that the block lies in, and its offset there. Raises OutsidePool."""
        index = self._index(Address(self.family, block.first))
        if index is None or block.first + (1 << block.bits) - 1 > self.cidrs[index].last:
            raise self._outside(f"{show_address(self.family, block.first)}/{self.width - block.bits}")
        return index, block.first - self.cidrs[index].base

    def _outside(self, text: str) -> OutsidePool:
        cidrs = ", ".join(self.pool.cidrs)
        return OutsidePool(f"{text} is outside pool {self.pool.name} ({cidrs})", pool=self.pool.name)

    def _asked_for(self, address: Address, bits: int) -> Block:
        if not self.holds(address):
            raise self._outside(str(address))
        if address.value & ((1 << bits) - 1):
            raise Invalid(f"{address} does not begin a block of length /{self.width - bits}")
        block = Block(address.value, bits)
        index, offset = self._place(block)
        if self._sets[index].is_withheld(offset, bits):
            raise Withheld(f"{address} is not handed out by pool {self.pool.name}", pool=self.pool.name)
        if not self._sets[index].is_free(offset, bits):
            raise Taken(f"{address} is taken", pool=self.pool.name)
        return block

    def _searches(self, bits: int, random: Random) -> Iterator[Search]:
        for band in self._block_bands if bits else self._single_bands:
            yield from rotated(band, self._beginning(band, random))

    def _windows(self, within: Sequence[tuple[int, int]], random: Random) -> Iterator[Search]:
        """What to search of windows of addresses: each in turn, from where the strategy of the pool begins."""
        for first, last in within:
            band = [
                Search(index, max(first, cidr.base) - cidr.base, min(last, cidr.last) - cidr.base + 1)
                for index, cidr in enumerate(self.cidrs)
                if first <= cidr.last and cidr.base <= last
            ]
            yield from rotated(band, self._beginning(band, random))

    def _beginning(self, band: list[Search], random: Random) -> tuple[int, int]:
        """Where in the band the search begins: (position in the band, offset)."""
        if band and self.pool.strategy == "random":
            position = random.randrange(len(band))
            return position, random.randrange(band[position].start, band[position].end)
        if self.pool.strategy == "round-robin" and self._last is not None:
            index, offset = self._place(self._last)
            after = offset + (1 << self._last.bits)
            return next(((at, after) for at, search in enumerate(band) if search.cidr == index), (0, 0))
        return 0, 0


def bands(cidrs: Sequence[Cidr], has_static: bool) -> tuple[list[Search], list[Search]]:
    """What to search first and what only then: of every CIDR the part above its static band, and that band."""
    upper = [Search(index, static_band(cidr) if has_static else 0, cidr.size) for index, cidr in enumerate(cidrs)]
    return upper, [Search(search.cidr, 0, search.start) for search in upper if search.start]


def rotated(band: list[Search], beginning: tuple[int, int]) -> Iterator[Search]:
    """The searches of the band in turn, from the beginning on and round to it again."""
    position, offset = beginning
    for turn in range(len(band)):
        search = band[(position + turn) % len(band)]
        yield search._replace(start=max(search.start, offset)) if turn == 0 else search
    if band and offset > band[position].start:
        # A block may straddle the beginning, so the last stretch is the whole piece again.
        yield band[position]


def block_of(lease: Lease) -> Block:
    """The block that the lease holds."""
    family, value = read_address(lease.address)
    return Block(value, WIDTH[family] - lease.prefix_length)
