"""The allocator: which address of a pool is given next, and which are free.

Strategy: a `Space` is a pool with the free sets of its CIDRs. `choose` decides and changes nothing; `take` and `give`
record. The strategy of the pool only says where the search begins (`lowest`: at the bottom; `round-robin`: after the
last one given; `random`: anywhere); the search then goes up to the end and wraps. In pools for services it goes
through the dynamic upper band of every CIDR before the static lower one, as Kubernetes does (KEP-3070).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from random import Random
from typing import NamedTuple

from ipamd.admission import is_for_all
from ipamd.bands import Bands, Search, one_band, rotated, upper_and_static
from ipamd.errors import Drained, Exhausted, Invalid, OutsidePool, QuotaExceeded, Taken, Unfit, Withheld
from ipamd.errors import Reserved as ReservedForAnother
from ipamd.freesets import FreeSet, free_set
from ipamd.model import WIDTH, Lease, Owner, Pool, Wish
from ipamd.pool_rules import check_pool, has_own_ends, hosts, kept_parts, never, outside_ranges, why_never
from ipamd.ranges import Address, read_address, show_address
from ipamd.reservations import ANYBODY, Reserved


class Block(NamedTuple):
    """`2**bits` addresses from `first` on; a single address has no bits."""

    first: int
    bits: int


class Space:
    """A pool with what is free in it.

    Counts of addresses: of `capacity`, `used` are leased, `cooling` were given back a moment ago, `reserved` are kept
    for those who are named, and the rest is `free`. Ends of a CIDR that a block may have count while it has them.
    Whom it gives to is a matter of the `rules` of a pool: of its own, and where it is a block of a node also of the
    pool that this is a block of.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.cidrs = check_pool(pool)
        self.family = self.cidrs[0].family
        self.width = WIDTH[self.family]
        self.used = 0
        self.leases = 0
        self.cooling = 0
        self.rules = pool
        self.is_open = is_for_all(pool)
        self._own_counts: dict[str, int] = {}
        self.by_namespace = self._own_counts  # leases, kept where there are quotas
        self._kept: list[Reserved] = []
        self._sets: list[FreeSet] = []
        for cidr in self.cidrs:
            kept = Reserved(cidr, kept_parts(pool, cidr, pool.reservations))
            spans = [*never(pool, cidr, cidr.bits), *outside_ranges(pool, cidr)]
            self._kept.append(kept)
            self._sets.append(free_set(cidr, [*spans, *((part.first, part.last) for part in kept.parts)]))
        self._hosts = [hosts(pool, cidr) for cidr in self.cidrs]
        self._ends = [
            [at for at in outside(each, cidr.size) if not free.is_withheld(at, 0)]
            for each, cidr, free in zip(self._hosts, self.cidrs, self._sets, strict=True)
        ]
        self.reserved = sum(kept.size for kept in self._kept)
        self.capacity = sum(free.capacity for free in self._sets) + self.reserved - sum(map(len, self._ends))
        self._by_base = sorted((cidr.base, index) for index, cidr in enumerate(self.cidrs))
        self._network_bands = one_band([(0, cidr.size - 1) for cidr in self.cidrs])
        self._block_bands = one_band(self._hosts)
        static = pool.purpose == "services"
        self._single_bands = upper_and_static(self.cidrs, self._hosts) if static else self._block_bands
        self._last: Block | None = None  # the one given last, where round-robin goes on

    @property
    def free(self) -> int:
        """How many addresses anybody could get now."""
        return self.capacity - self.used - self.cooling - self.reserved

    def counted(self) -> int:
        """What `free` has to be: how many addresses are in the sets of what is free, without the ends."""
        idle = sum(free.is_free(at, 0) for free, ends in zip(self._sets, self._ends, strict=True) for at in ends)
        return sum(each.count for each in self._sets) - idle

    def has_free(self, block: Block) -> bool:
        """Whether any address of the block would be given to somebody. Raises OutsidePool."""
        index, offset = self._place(block)
        return self._set(index, offset, block.bits).is_free(offset, block.bits)

    def follow(self, around: "Space | None") -> None:
        """Have the rules apply of the pool around it, of which it is a block of a node; None: its own alone."""
        if around is None:
            self.rules, self.by_namespace = self.pool, self._own_counts
        else:
            self.rules, self.by_namespace = around.pool, around.by_namespace
        self.is_open = is_for_all(self.pool) and is_for_all(self.rules)

    def choose(self, wish: Wish, random: Random, owner: Owner | None = None) -> Block:
        """The block to give to an owner for the wish. Changes nothing.

        Raises OutsidePool, Withheld, Reserved or Taken for an address that was asked for, Drained, QuotaExceeded, and
        Exhausted if nothing is free.
        """
        bits = self.bits(wish)
        self.check_gives(owner, bits)
        if wish.address is not None:
            return self._asked_for(read_address(wish.address), bits, owner)
        if self.reserved and owner is not None:  # then something is reserved that is free
            kept = self._kept_for(owner, bits)
            if kept is not None:
                return kept
        searches = self._windows(wish.within, bits, random) if wish.within else self._searches(bits, random)
        for search in searches:
            offset = self._sets[search.cidr].next_free(search.start, search.end, bits)
            if offset is not None:
                return Block(self.cidrs[search.cidr].base + offset, bits)
        raise self._exhausted(bits)

    @property
    def is_plain(self) -> bool:
        """Whether its next free address is for anybody who asks."""
        pool = self.pool
        kept = self.reserved or pool.per_node or pool.drained or self.rules.quotas or self.rules.drained
        return self.is_open and pool.strategy == "lowest" and not kept

    def next_singles(self, count: int) -> list[int]:
        """The next free single addresses of a plain pool, as numbers, at most `count`. Changes nothing."""
        found: list[int] = []
        for band in self._single_bands:
            for cidr, start, end in band:
                base, free = self.cidrs[cidr].base, self._sets[cidr]
                found += [base + offset for offset in free.free_singles(start, end, count - len(found))]
        return found

    def bits(self, wish: Wish) -> int:
        """The size of the block that is wished for, in bits. Raises Unfit if no CIDR could hold it."""
        if wish.block and self.pool.block_size is None:
            raise Unfit(f"pool {self.pool.name} has no block_size")
        length = self.pool.block_size if wish.block else wish.prefix_length
        length = self.width if length is None else length
        shortest = min(cidr.length for cidr in self.cidrs)
        if not shortest <= length <= self.width:
            bounds = f"/{shortest} to /{self.width}"
            raise Unfit(f"prefix_length {length} is not within {bounds} of pool {self.pool.name}")
        return self.width - length

    def free_blocks(self, largest: int) -> Iterator[Block]:
        """What is free, from the bottom up: in blocks as large as they can be, but of at most `largest` bits."""
        for index, (cidr, free) in enumerate(zip(self.cidrs, self._sets, strict=True)):
            at = free.next_free(0, cidr.size, 0)
            while at is not None:
                bits = min(largest, (at & -at).bit_length() - 1 if at else cidr.bits)
                while bits >= 0 and not (free.is_free(at, bits) and self._keeps_off_ends(index, at, bits)):
                    bits -= 1
                if bits >= 0:
                    yield Block(cidr.base + at, bits)
                at = free.next_free(at + (1 << max(bits, 0)), cidr.size, 0)

    def holds(self, address: Address) -> bool:
        """Whether the address is in one of the CIDRs, be it free, leased or withheld."""
        return self._index(address) is not None

    def take(self, block: Block, namespace: str = "") -> None:
        """Record that the block is leased, to an owner in that namespace; it was free."""
        self._occupy(block)
        self._count(block, namespace, 1)
        self._last = block

    def give(self, block: Block, namespace: str = "") -> None:
        """Record that the block is free again; it was leased."""
        self._vacate(block)
        self._count(block, namespace, -1)

    def pass_on(self, block: Block, before: str, after: str) -> None:
        """Record that the block, which stays leased, goes from an owner in one namespace to one in another."""
        self._count(block, before, -1)
        self._count(block, after, 1)

    def cool(self, block: Block, namespace: str = "") -> None:
        """Record that the block, which was leased, is leased no more and not free yet."""
        self._count(block, namespace, -1)
        self.cooling += 1 << block.bits

    def reuse(self, block: Block, namespace: str = "") -> None:
        """Record that the block, which was cooling, is leased again."""
        self.cooling -= 1 << block.bits
        self._count(block, namespace, 1)

    def thaw(self, block: Block) -> None:
        """Record that the block, which was cooling, is free."""
        self.cooling -= 1 << block.bits
        self._vacate(block)

    def chill(self, block: Block) -> None:
        """Record that the block, which was free, is cooling: as when a store is opened, or in place of `thaw`."""
        self._occupy(block)
        self.cooling += 1 << block.bits

    def _count(self, block: Block, namespace: str, sign: int) -> None:
        self.used += sign << block.bits
        self.leases += sign
        if self.rules.quotas and not (self.pool.per_node and block.bits):
            self.by_namespace[namespace] = self.by_namespace.get(namespace, 0) + sign

    def _set(self, index: int, offset: int, bits: int) -> FreeSet:
        """The set that knows whether the block is free: that of whom it is reserved for, or everybody's."""
        kept = self._kept[index]
        own = kept.set_of(offset, bits) if kept.parts else None
        return self._sets[index] if own is None else own

    def _occupy(self, block: Block) -> None:
        index, offset = self._place(block)
        free = self._set(index, offset, block.bits)
        free.take(offset, block.bits)
        if free is not self._sets[index]:
            self.reserved -= 1 << block.bits
        elif block.bits:
            self.capacity += self._ends_in(index, offset, block.bits)

    def _vacate(self, block: Block) -> None:
        index, offset = self._place(block)
        free = self._set(index, offset, block.bits)
        free.give(offset, block.bits)
        if free is not self._sets[index]:
            self.reserved += 1 << block.bits
        elif block.bits:
            self.capacity -= self._ends_in(index, offset, block.bits)

    def _ends_in(self, index: int, offset: int, bits: int) -> int:
        """How many of the ends that blocks may have are in this one."""
        return sum(offset <= at < offset + (1 << bits) for at in self._ends[index])

    def _is_withheld(self, index: int, offset: int, bits: int) -> bool:
        """Whether no lease of the block is ever made."""
        return self._set(index, offset, bits).is_withheld(offset, bits) or not self._keeps_off_ends(index, offset, bits)

    def _keeps_off_ends(self, index: int, offset: int, bits: int) -> bool:
        """Whether the block has no address at the ends of its CIDR, or may have it."""
        first, last = self._hosts[index]
        inside = first <= offset and offset + (1 << bits) - 1 <= last
        return inside or has_own_ends(self.pool, self.cidrs[index], bits)

    def _kept_for(self, owner: Owner, bits: int) -> Block | None:
        """A free block that is reserved for this very owner, or None."""
        for index, start, end in self._whole(bits)[0]:
            kept = self._kept[index]
            offset = kept.next_free(owner, start, end, bits) if kept.parts else None
            if offset is not None:
                return Block(self.cidrs[index].base + offset, bits)
        return None

    def check_gives(self, owner: Owner | None, bits: int) -> None:
        """Raise Drained or QuotaExceeded. The blocks of nodes are no leases of a namespace, what is in them is."""
        rules = self.rules
        if self.pool.drained or rules.drained:
            name = self.pool.name if self.pool.drained else rules.name
            raise Drained(f"pool {name} is drained: it gives no more leases", pool=name)
        if not rules.quotas or owner is None or (self.pool.per_node and bits):
            return
        quota = rules.quotas.get(owner.namespace, rules.quotas.get("*"))
        held = self.by_namespace.get(owner.namespace, 0)
        if quota is not None and held >= quota:
            detail = (
                f"namespace {owner.namespace!r} has used up its quota of pool {rules.name}: {held} of {quota} leases"
            )
            raise QuotaExceeded(detail, pool=rules.name, namespace=owner.namespace, quota=quota, leases=held)

    def check_kept(self, owner: Owner | None, block: Block) -> None:
        """Raise Reserved if the block is kept for another owner."""
        index, offset = self._place(block)
        kind, namespace, name = self._kept[index].holder(offset, block.bits) or ANYBODY
        if kind and (owner is None or (owner.kind, owner.namespace, owner.name) != (kind, namespace, name)):
            detail = f"{show_address(self.family, block.first)} is reserved for {Owner(kind, name, namespace)}"
            raise ReservedForAnother(detail, pool=self.pool.name)

    def take_all(self, held: Sequence[tuple[int, int]]) -> None:
        """Record many used blocks at once, oldest first, as when a store is opened: (first address, prefix length)."""
        singles = sorted(first for first, length in held if length == self.width)
        if self.reserved:
            for first in singles:
                self.take(Block(first, 0))
        else:
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
        offset = block.first - self.cidrs[index].base
        return not self._is_withheld(index, offset, block.bits)

    def _exhausted(self, bits: int) -> Exhausted:
        what = f"block of length /{self.width - bits}" if bits else "address"
        counts = {"capacity": self.capacity, "used": self.used, "cooling": self.cooling}
        counts |= {"reserved": self.reserved, "free": self.free}
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "free")
        return Exhausted(f"no {what} is free in pool {self.pool.name} ({said})", pool=self.pool.name, **counts)

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

    def _asked_for(self, address: Address, bits: int, owner: Owner | None) -> Block:
        if not self.holds(address):
            raise self._outside(str(address))
        if address.value & ((1 << bits) - 1):
            raise Invalid(f"{address} does not begin a block of length /{self.width - bits}")
        block = Block(address.value, bits)
        self.check_kept(owner, block)
        index, offset = self._place(block)
        free = self._set(index, offset, bits)
        if self._is_withheld(index, offset, bits):
            why = why_never(self.pool, address) if bits == 0 else "an address in it is withheld"
            raise Withheld(f"{address} is not handed out by pool {self.pool.name}: {why}", pool=self.pool.name)
        if not free.is_free(offset, bits):
            raise Taken(f"{address} is taken", pool=self.pool.name)
        return block

    def _searches(self, bits: int, random: Random) -> Iterator[Search]:
        for band in self._bands(bits):
            yield from rotated(band, self._beginning(band, random))

    def _bands(self, bits: int) -> Bands:
        return self._whole(bits) if bits else self._single_bands

    def _whole(self, bits: int) -> Bands:
        """The CIDRs as far as blocks of that size are given from them, one after the other."""
        return self._network_bands if has_own_ends(self.pool, self.cidrs[0], bits) else self._block_bands

    def _windows(self, within: Sequence[tuple[int, int]], bits: int, random: Random) -> Iterator[Search]:
        """What to search of windows of addresses: each in turn, from where the strategy of the pool begins.

        For round-robin they are one round, as a range set of host-local is.
        """
        windows = [
            [cut for each in self._whole(bits)[0] if (cut := self._cut(each, first, last)).start < cut.end]
            for first, last in within
        ]
        for band in [[*chain(*windows)]] if self.pool.strategy == "round-robin" else windows:
            yield from rotated(band, self._beginning(band, random))

    def _cut(self, search: Search, first: int, last: int) -> Search:
        """What of the search is in the window from one address to another, as numbers."""
        base = self.cidrs[search.cidr].base
        return search._replace(start=max(first - base, search.start), end=min(last - base + 1, search.end))

    def _beginning(self, band: Sequence[Search], random: Random) -> tuple[int, int]:
        """Where in the band the search begins: (position in the band, offset)."""
        if band and self.pool.strategy == "random":
            position = random.randrange(len(band))
            return position, random.randrange(band[position].start, band[position].end)
        if self.pool.strategy == "round-robin" and self._last is not None:
            index, offset = self._place(self._last)
            after = offset + (1 << self._last.bits)
            here = [at for at, search in enumerate(band) if search.cidr == index]
            return next(((at, after) for at in here if after < band[at].end), (here[-1], after) if here else (0, 0))
        return 0, 0


def outside(hosts: tuple[int, int], size: int) -> Iterator[int]:
    """The offsets below the first and above the last of the hosts, in a CIDR of that many addresses."""
    first, last = hosts
    yield from range(min(first, size))
    yield from range(max(first, last + 1), size)


def block_of(lease: Lease) -> Block:
    """The block that the lease holds."""
    family, value = read_address(lease.address)
    return Block(value, WIDTH[family] - lease.prefix_length)
