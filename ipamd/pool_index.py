"""The spaces of all pools, by name and by what they are asked for. Pure, in memory.

Strategy: the CIDRs of the pools are kept sorted, those of every parent apart from the others, so that what lies in a
block or in the way of a new pool is found by bisection; there may be as many pools as a cluster has nodes. Whom pools
serve is sorted out when it is next asked for, unless only the blocks of nodes have changed, which serve nobody else.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from operator import itemgetter

from ipamd.allocator import Space
from ipamd.model import DEFAULT_SPACE, WIDTH, Pool, Purpose
from ipamd.ranges import Address, Cidr

Placed = list[tuple[Cidr, Space]]  # sorted by CIDR; they overlap only while pools are being changed

OF_CIDR = itemgetter(0)


class PoolIndex:
    """The spaces, and which of them lie in which."""

    def __init__(self) -> None:
        self._by_name: dict[str, Space] = {}
        self._placed: dict[tuple[str, str], Placed] = {}  # by address space and parent
        self._serving: dict[Purpose, list[Space]] | None = None

    def __iter__(self) -> Iterator[Space]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Space | None:
        """The space of that name, or None."""
        return self._by_name.get(name)

    def put(self, space: Space) -> None:
        """Add the space, in place of the one of its name. It and the blocks of nodes in it keep to their rules."""
        name = space.pool.name
        self.drop(name)
        self._by_name[name] = space
        placed = self._placed.setdefault((space.pool.space, space.pool.parent), [])
        for cidr in space.cidrs:
            insort(placed, (cidr, space), key=OF_CIDR)
        around = self.get(space.pool.parent)
        space.follow(around if around is not None and is_of_node(space.pool, around.pool) else None)
        for inner in self.inside(space.pool):
            inner.follow(space if is_of_node(inner.pool, space.pool) else None)
        self._changed(space.pool)

    def drop(self, name: str) -> None:
        """Take the space of that name away, if it is there."""
        space = self._by_name.pop(name, None)
        if space is None:
            return
        placed = self._placed[space.pool.space, space.pool.parent]
        for cidr in space.cidrs:
            at = bisect_left(placed, cidr, key=OF_CIDR)
            while placed[at][1] is not space:
                at += 1
            del placed[at]
        self._changed(space.pool)

    def serving(self, purpose: Purpose) -> list[Space]:
        """The spaces for a purpose in the default address space: those for some owners first, then by name."""
        if self._serving is None:
            self._serving = {}
            for space in sorted(self, key=lambda each: (each.is_open, each.pool.name)):
                if space.pool.space == DEFAULT_SPACE and not self.is_of_node(space.pool):
                    self._serving.setdefault(space.pool.purpose, []).append(space)
        return self._serving.get(purpose, [])

    def address_spaces(self) -> list[str]:
        """The address spaces that there are pools in: the default one first, then by name."""
        named = {space for (space, _), placed in self._placed.items() if placed}
        return sorted(named, key=lambda each: (each != DEFAULT_SPACE, each))

    def holding(self, address: Address, space: str = DEFAULT_SPACE) -> list[Space]:
        """The spaces whose CIDRs hold the address, in that address space: the innermost first."""
        found: list[Space] = []
        single = Cidr(*address, WIDTH[address.family])
        while inner := self._meeting((space, found[0].pool.name if found else ""), single):
            found.insert(0, inner[0])
        return found

    def made_of(self, pool: Pool, block: Cidr) -> list[Space]:
        """The spaces that were made of blocks of the pool, and have addresses in this one."""
        return self._meeting((pool.space, pool.name), block)

    def inside(self, pool: Pool) -> list[Space]:
        """The spaces whose parent the pool is."""
        return [*dict.fromkeys(space for _, space in self._placed.get((pool.space, pool.name), ()))]

    def around(self, pool: Pool) -> list[str]:
        """The names of the pools that the pool lies in, the innermost first."""
        names: list[str] = []
        while (parent := self.get(pool.parent)) is not None and pool.parent not in names:
            names.append(pool.parent)
            pool = parent.pool
        return names

    def clash(self, space: Space) -> tuple[Cidr, Cidr, Space] | None:
        """A CIDR of the space, one that overlaps it, and of which space; None if there is none.

        Of CIDRs that overlap one holds the other, so between neighbours in their order there is a pair that does.
        """
        placed = self._placed[space.pool.space, space.pool.parent]
        for cidr in space.cidrs:
            at = bisect_left(placed, cidr, key=OF_CIDR)
            for other, whose in placed[max(0, at - 1) : at + 3]:
                if whose is not space and other.overlaps(cidr):
                    return cidr, other, whose
        return None

    def is_of_node(self, pool: Pool) -> bool:
        """Whether a pool is a block of a node, of a parent that gives addresses by node."""
        parent = self.get(pool.parent)
        return parent is not None and is_of_node(pool, parent.pool)

    def _meeting(self, key: tuple[str, str], block: Cidr) -> list[Space]:
        placed = self._placed.get(key, [])
        at = bisect_left(placed, (block.family, block.base), key=lambda each: (each[0].family, each[0].last))
        found: dict[Space, None] = {}
        while at < len(placed) and placed[at][0].overlaps(block):
            found[placed[at][1]] = None
            at += 1
        return [*found]

    def _changed(self, pool: Pool) -> None:
        if not self.is_of_node(pool):
            self._serving = None


def is_of_node(pool: Pool, parent: Pool) -> bool:
    """Whether a pool with that parent is the block of a node."""
    return parent.per_node and bool(pool.nodes)
