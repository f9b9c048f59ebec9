"""Pools and the blocks in them: no overlap, nothing outside, nothing on what is withheld."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ipamd.allocator import Block, Space
from ipamd.errors import Invalid
from ipamd.model import POOL, Pool
from ipamd.ranges import Cidr, read_block, show_address
from ipamd.stores import Flaw, View


class Held(NamedTuple):
    """A block in a pool: its first address, how many bits it has, and whether it is leased or cools."""

    first: int
    bits: int
    is_leased: bool

    @property
    def last(self) -> int:
        """Its last address."""
        return self.first + (1 << self.bits) - 1


def flaws(view: View) -> Iterator[Flaw]:
    """What is wrong with the pools and with what is held in them."""
    spaces, broken = pools(view)
    yield from broken
    yield from overlaps(spaces)
    for space in spaces:
        yield from outside_parent(space, view)
        yield from in_pool(space, view)


def pools(view: View) -> tuple[list[Space], list[Flaw]]:
    """The pools, without anything in them, and what is wrong with those that are none."""
    spaces: list[Space] = []
    broken: list[Flaw] = []
    for stored in view.list(POOL):
        try:
            spaces.append(Space(msgspec.json.decode(stored.body, type=Pool)))
        except (Invalid, msgspec.ValidationError) as error:
            broken.append(Flaw("inside-pool", f"pool {stored.name}", f"is none: {error}"))
    return spaces, broken


def overlaps(spaces: Sequence[Space]) -> Iterator[Flaw]:
    """Pools of one address space that overlap, other than a pool and what was made of its blocks."""
    by_space: dict[tuple[str, int], list[tuple[Cidr, Pool]]] = {}
    for space in spaces:
        by_space.setdefault((space.pool.space, space.family), []).extend((cidr, space.pool) for cidr in space.cidrs)
    parents = {space.pool.name: space.pool.parent for space in spaces}
    for placed in by_space.values():
        placed.sort(key=lambda each: (each[0].base, each[0].length, len(lineage(each[1].name, parents))))
        yield from overlaps_in(placed, parents)


def lineage(name: str, parents: Mapping[str, str]) -> list[str]:
    """The pool of that name and those that it lies in."""
    names = [name]
    while (parent := parents.get(names[-1], "")) and parent not in names:
        names.append(parent)
    return names


def overlaps_in(placed: Sequence[tuple[Cidr, Pool]], parents: Mapping[str, str]) -> Iterator[Flaw]:
    """The same of CIDRs of one space and family, in order of their first addresses, the larger first."""
    around: list[tuple[Cidr, Pool]] = []  # those that reach to where we are
    for cidr, pool in placed:
        around = [each for each in around if each[0].last >= cidr.base]
        for outer, other in around:
            if other.name not in lineage(pool.name, parents):
                yield Flaw("one-owner", f"{cidr} of pool {pool.name}", f"overlaps {outer} of pool {other.name}")
        around.append((cidr, pool))


def outside_parent(space: Space, view: View) -> Iterator[Flaw]:
    """Where a pool that was made of blocks lies in no lease of its parent."""
    pool = space.pool
    for cidr in space.cidrs if pool.parent else ():
        lease = view.lease_meeting(pool.parent, cidr)
        if lease is None or not read_block(str(lease)).holds(cidr):
            yield Flaw("blocks", f"pool {pool.name}", f"has {cidr}, which is not in a block leased of {pool.parent}")


def in_pool(space: Space, view: View) -> Iterator[Flaw]:
    """What is wrong with the blocks that are held in a pool."""
    name, width = space.pool.name, space.width
    leased = (Held(first, width - length, True) for first, length in view.held_blocks(name))
    cooling = (Held(first, width - length, False) for first, length in view.cooling_blocks(name))
    found = sorted(held for held in (*leased, *cooling) if held.bits >= 0)  # what has fewer is no block, and told so
    for held in found:
        yield from misplaced(space, held)
    yield from doubled(space, found)


def misplaced(space: Space, held: Held) -> Iterator[Flaw]:
    """What is wrong with where a block is."""
    if held.first & ((1 << held.bits) - 1):
        yield Flaw("canonical", shown(space, held), "does not begin where a block of its length can")
    elif not space.can_hold(Block(held.first, held.bits)):
        yield Flaw("inside-pool", shown(space, held), "is outside what the pool gives out")


def doubled(space: Space, found: Sequence[Held]) -> Iterator[Flaw]:
    """Blocks that share an address, of blocks in order of their first addresses."""
    reaching: Held | None = None
    for held in found:
        if reaching is not None and held.first <= reaching.last:
            both = held.is_leased and reaching.is_leased
            detail = f"overlaps {shown(space, reaching)}"
            yield Flaw("one-owner" if both else "cooling", shown(space, held), detail)
        reaching = held if reaching is None or held.last > reaching.last else reaching


def shown(space: Space, held: Held) -> str:
    """A block as people know it."""
    address = show_address(space.family, held.first)
    state = "leased" if held.is_leased else "cooling"
    return f"{address}/{space.width - held.bits}, {state} in pool {space.pool.name},"
