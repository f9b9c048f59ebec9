"""The pools and what is free in them: in the store as objects, in memory as spaces.

Strategy: the spaces are derived from the pools and leases of the store when it is opened. Whatever changes them later
does so inside a transaction, and registers how to change them back if that is not kept.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from ipamd.allocator import Block, Space
from ipamd.errors import AlreadyExists, PoolInUse, PoolOverlap, UnknownPool
from ipamd.model import DEFAULT_SPACE, POOL, Lease, Pool, Purpose, Wish
from ipamd.ranges import Address, Cidr
from ipamd.stores import Tx, View

PAGE = 50_000  # blocks read at once when the spaces are filled


class Pools:
    """All pools by name. The methods that take a transaction change the store and the spaces together."""

    def __init__(self) -> None:
        self._spaces: dict[str, Space] = {}

    def load(self, view: View) -> None:
        """Derive the spaces from what is stored."""
        pools = [msgspec.json.decode(stored.body, type=Pool) for stored in view.list(POOL)]
        self._spaces = {pool.name: filled(pool, view) for pool in pools}

    def __iter__(self) -> Iterator[Space]:
        return iter(self._spaces.values())

    def space(self, name: str) -> Space:
        """The space of the pool of that name. Raises UnknownPool."""
        try:
            return self._spaces[name]
        except KeyError:
            raise UnknownPool(f"there is no pool {name!r}", pool=name) from None

    def holding(self, address: Address) -> Space | None:
        """The space whose CIDRs hold the address, in the default address space: there is one at most."""
        return next((space for space in self if space.pool.space == DEFAULT_SPACE and space.holds(address)), None)

    def matching(self, wish: Wish) -> Sequence[Space]:
        """The spaces that may serve the wish, in order of their names. Raises UnknownPool if there is none.

        Blocks for nodes come from pools for nodes, or else from pools for pods that are cut into blocks.
        """
        if wish.pool is not None:
            return [self.space(wish.pool)]
        found = [space for space in self if self._serves(space, wish.purpose, wish)]
        if not found and wish.purpose == "nodes":
            found = [space for space in self if space.pool.block_size and self._serves(space, "pods", wish)]
        if not found:
            family = f" of IPv{wish.family}" if wish.family else ""
            raise UnknownPool(f"there is no pool for {wish.purpose}{family}")
        return sorted(found, key=lambda space: space.pool.name)

    def create(self, tx: Tx, pool: Pool) -> Space:
        """Add a pool. Raises Invalid, AlreadyExists, or PoolOverlap if its CIDRs overlap those of another."""
        if pool.name in self._spaces:
            raise AlreadyExists(f"there is a pool {pool.name!r} already", pool=pool.name)
        return self._put(tx, Space(pool))

    def delete(self, tx: Tx, name: str) -> Pool:
        """Take a pool away. Raises UnknownPool, or PoolInUse while leases stand in it."""
        space = self.space(name)
        if space.leases:
            raise PoolInUse(f"{space.leases} leases stand in pool {name}", pool=name, leases=space.leases)
        tx.delete(POOL, "", name)
        del self._spaces[name]
        tx.on_rollback(lambda: self._spaces.update({name: space}))
        return space.pool

    def ensure(self, tx: Tx, pool: Pool) -> None:
        """Add the pool, or change the one of that name to it.

        Raises PoolInUse if a lease that stands in it would be outside the changed pool, or on an address that this
        withholds; Invalid and PoolOverlap as `create` does.
        """
        present = self._spaces.get(pool.name)
        if present is None or present.pool != pool:
            check_leases(pool, tx)
            self._put(tx, filled(pool, tx))

    def _put(self, tx: Tx, space: Space) -> Space:
        pool = space.pool
        self._check_overlap(space)
        tx.put(POOL, "", pool.name, msgspec.to_builtins(pool))
        before = self._spaces.get(pool.name)
        self._spaces[pool.name] = space
        tx.on_rollback(lambda: self._restore(pool.name, before))
        return space

    def _restore(self, name: str, before: Space | None) -> None:
        if before is None:
            del self._spaces[name]
        else:
            self._spaces[name] = before

    def _check_overlap(self, space: Space) -> None:
        others = [
            other for other in self if other.pool.name != space.pool.name and other.pool.space == space.pool.space
        ]
        pairs = ((other, theirs, ours) for other in others for theirs in other.cidrs for ours in space.cidrs)
        for other, theirs, ours in pairs:
            if ours.overlaps(theirs):
                name = other.pool.name
                raise PoolOverlap(f"{ours} overlaps {theirs} of pool {name}", pool=name, cidr=str(theirs))

    def _serves(self, space: Space, purpose: Purpose | None, wish: Wish) -> bool:
        pool = space.pool
        return pool.purpose == purpose and pool.space == DEFAULT_SPACE and wish.family in (None, space.family)


def filled(pool: Pool, view: View) -> Space:
    """The space of a pool, with its leases taken."""
    space, held = Space(pool), iter(view.held_blocks(pool.name))
    while page := [*islice(held, PAGE)]:
        space.take_all(page)
    return space


def check_leases(pool: Pool, view: View) -> None:
    """Raise PoolInUse if a lease of the pool of that name could not stand in this one."""
    space = Space(pool)
    for first, length in view.held_blocks(pool.name):
        if not space.can_hold(Block(first, space.width - length)):
            raise stands_in_the_way(pool, view.lease_meeting(pool.name, Cidr(space.family, first, length)))


def stands_in_the_way(pool: Pool, lease: Lease | None) -> PoolInUse:
    """The refusal to change a pool under a lease that could not stand in it."""
    if lease is None:
        return PoolInUse(f"pool {pool.name} cannot be so", pool=pool.name)
    detail = f"pool {pool.name} cannot be so: {lease} is leased to {lease.owner}"
    return PoolInUse(detail, pool=pool.name, lease=str(lease.id))
