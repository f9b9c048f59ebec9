"""The pools and what is free in them: in the store as objects, in memory as spaces.

Strategy: the spaces are derived from the pools and leases of the store when it is opened. Whatever changes them later
does so inside a transaction, and registers how to change them back if that is not kept.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import msgspec
from msgspec.structs import replace

from ipamd.allocator import Block, Space
from ipamd.errors import AlreadyExists, Invalid, NotAdmitted, PoolInUse, PoolOverlap, UnknownPool
from ipamd.model import POOL, Lease, Owner, Pool, Wish
from ipamd.pool_index import PoolIndex
from ipamd.ranges import Address, Cidr, read_block
from ipamd.stores import Tx, View

PAGE = 50_000  # blocks read at once when the spaces are filled


class Pools:
    """All pools by name. The methods that take a transaction change the store and the spaces together."""

    def __init__(self) -> None:
        self._index = PoolIndex()

    def load(self, view: View) -> None:
        """Derive the spaces from what is stored."""
        self._index = PoolIndex()
        for stored in view.list(POOL):
            self._index.put(filled(msgspec.json.decode(stored.body, type=Pool), view))
        for space in self:
            self._count_namespaces(space, view)

    def __iter__(self) -> Iterator[Space]:
        return iter(self._index)

    def get(self, name: str) -> Space | None:
        """The space of the pool of that name, or None."""
        return self._index.get(name)

    def space(self, name: str) -> Space:
        """The space of the pool of that name. Raises UnknownPool."""
        space = self._index.get(name)
        if space is None:
            raise UnknownPool(f"there is no pool {name!r}", pool=name)
        return space

    def holding(self, address: Address) -> Iterator[list[Space]]:
        """The spaces whose CIDRs hold the address, the innermost first; those of every address space by themselves."""
        return (self._index.holding(address, each) for each in self._index.address_spaces())

    def matching(self, wish: Wish) -> Sequence[Space]:
        """The spaces that may serve the wish. Raises UnknownPool if there is none.

        Those that are for some owners only come first, then in order of their names. Blocks for nodes come from pools
        for nodes, or else from pools for pods that are cut into blocks.
        """
        if wish.pool is not None:
            return [self.space(wish.pool)]
        found = self._serving(wish)
        if not found and wish.purpose == "nodes":
            found = [space for space in self._serving(replace(wish, purpose="pods")) if space.pool.block_size]
        if not found:
            family = f" of IPv{wish.family}" if wish.family else ""
            raise UnknownPool(f"there is no pool for {wish.purpose}{family}")
        return found

    def giving(self, tx: Tx, spaces: Sequence[Space], wish: Wish) -> Sequence[Space]:
        """Where these take what is wished for: a single address of one that is `per_node` from its node's blocks.

        Raises NotAdmitted if the node has none and there is no other space.
        """
        if not is_single(wish) or not any(space.pool.per_node for space in spaces):
            return spaces
        found = [inner for space in spaces for inner in self._of_node(tx, space, wish.node)]
        if not found:
            name, node = spaces[0].pool.name, wish.node
            said = f"node {node!r} has no block of it" if node else "the owner is on no node yet"
            raise NotAdmitted(f"pool {name} gives addresses by node, and {said}", pool=name)
        return found

    def asked_of(self, lease: Lease, wish: Wish) -> str:
        """Of which pool such a wish asks for such a lease: if it is one in a node's block, of that which is cut up."""
        pool = self.space(lease.pool).pool
        is_elsewhere = wish.node not in ("", *pool.nodes)
        if is_elsewhere or wish.pool == lease.pool or not is_single(wish) or not self._index.is_of_node(pool):
            return lease.pool
        return pool.parent

    def heir(self, tx: Tx, space: Space, lease: Lease) -> Owner | None:
        """Who has the block of a lease from now on that cannot be given back yet: pools made of it have leases.

        They give no more, and one of them is to be the block's owner. Those without leases go.
        """
        nested = [] if lease.is_single else self._index.made_of(space.pool, read_block(str(lease)))
        for each in nested:
            if not each.leases:
                self._forget(tx, each)
            elif not each.pool.drained:
                self._put(tx, filled(replace(each.pool, drained=True), tx))
        return next((Owner(POOL, each.pool.name) for each in nested if each.leases), None)

    def tidy(self, tx: Tx, space: Space, release: Callable[[Tx, Lease], None]) -> None:
        """Once the last lease of a drained pool has gone that was made of a block, `release` the block."""
        if not (space.pool.parent and space.pool.drained) or space.leases:
            return
        for lease in tx.leases_of(Owner(POOL, space.pool.name)):
            release(tx, lease)

    def create(self, tx: Tx, pool: Pool) -> Space:
        """Add a pool. Raises Invalid, AlreadyExists, or PoolOverlap if its CIDRs overlap those of another."""
        if self._index.get(pool.name) is not None:
            raise AlreadyExists(f"there is a pool {pool.name!r} already", pool=pool.name)
        space = self._put(tx, Space(pool))
        self._check_overlap(space)
        return space

    def delete(self, tx: Tx, name: str) -> Pool:
        """Take a pool away. Raises UnknownPool, or PoolInUse while leases stand in it."""
        space = self.space(name)
        if space.leases:
            stand = "1 lease stands" if space.leases == 1 else f"{space.leases} leases stand"
            advice = f"release {'it' if space.leases == 1 else 'them'}, or drain the pool and wait"
            raise PoolInUse(f"{stand} in pool {name}: {advice}", pool=name, leases=space.leases)
        self._forget(tx, space)
        return space.pool

    def ensure(self, tx: Tx, *pools: Pool) -> None:
        """Add the pools, or change those of their names to them; what one gives up another may get.

        Raises PoolInUse if a lease that stands in one would be outside the changed pool, or on an address that this
        withholds; Invalid and PoolOverlap as `create` does.
        """
        changed: list[Space] = []
        for pool in pools:
            present = self._index.get(pool.name)
            if present is None or present.pool != pool:
                check_leases(pool, tx)
                if present is not None:
                    self._check_inside(present.pool, pool)
                    self._let_go(tx, present, pool)
                changed.append(self._put(tx, filled(pool, tx)))
        for space in changed:
            self._check_overlap(space)

    def counted_in(self, pool: Pool) -> list[str]:
        """The names of the pools whose leases the quotas of a pool are about: itself, or the blocks of its nodes."""
        if not pool.per_node:
            return [pool.name]
        return [space.pool.name for space in self._index.inside(pool) if self._index.is_of_node(space.pool)]

    def _serving(self, wish: Wish) -> list[Space]:
        serving = self._index.serving(wish.purpose) if wish.purpose else []
        return [space for space in serving if wish.family in (None, space.family)]

    def _of_node(self, tx: Tx, space: Space, node: str) -> list[Space]:
        """The pool itself, or if it is `per_node` the pools that the node's blocks of it are."""
        if not space.pool.per_node:
            return [space]
        held = tx.leases_of(Owner("Node", node))
        blocks = [lease for lease in held if lease.pool == space.pool.name and not lease.is_single]
        return [inner for lease in blocks for inner in self._made_of(tx, space.pool, lease, node)]

    def _made_of(self, tx: Tx, parent: Pool, lease: Lease, node: str) -> list[Space]:
        """The pools that a node's block is, one of its own if there is none yet."""
        found = self._index.made_of(parent, read_block(str(lease)))
        if found:
            return found
        name = f"{parent.name}.{node}"[:50].rstrip("-.") + f".{lease.id}"
        pool = Pool(
            name,
            (str(lease),),
            parent.purpose,
            parent.strategy,
            space=parent.space,
            edges=parent.edges,
            cooldown=parent.cooldown,
            parent=parent.name,
            nodes=(node,),
        )
        return [self.create(tx, pool)]

    def _forget(self, tx: Tx, space: Space) -> None:
        """Take away a pool without leases, and what cools in it."""
        while cooling := tx.cooling_at(space.pool.name, Cidr(space.family, 0, 0)):
            tx.thaw(cooling)
        tx.delete(POOL, "", space.pool.name)
        self._index.drop(space.pool.name)
        tx.on_rollback(lambda: self._index.put(space))

    def _let_go(self, tx: Tx, present: Space, pool: Pool) -> None:
        """End the cooling of what would be outside a changed pool."""
        space = Space(pool)
        for first, length in [*tx.cooling_blocks(pool.name)]:
            if space.family != present.family or not space.can_hold(Block(first, space.width - length)):
                cooling = tx.cooling_at(pool.name, Cidr(present.family, first, length))
                if cooling is not None:
                    tx.thaw(cooling)

    def _put(self, tx: Tx, space: Space) -> Space:
        pool = space.pool
        self._check_parent(tx, space)
        tx.put(POOL, "", pool.name, msgspec.to_builtins(pool))
        before = self._index.get(pool.name)
        was_of_node = before is not None and self._index.is_of_node(before.pool)
        self._index.put(space)
        tx.on_rollback(lambda: self._index.drop(pool.name) if before is None else self._index.put(before))
        changed = [space, *self._index.inside(pool)]
        if space.leases and was_of_node != self._index.is_of_node(pool):
            changed += filter(None, map(self._index.get, {pool.parent, before.pool.parent if before else ""}))
        for each in changed:
            if each.pool.quotas:
                tx.on_rollback(partial(set_counts, each.by_namespace, {**each.by_namespace}))
                self._count_namespaces(each, tx)
        return space

    def _count_namespaces(self, space: Space, view: View) -> None:
        """Count the leases of every namespace, where there are quotas."""
        if not space.pool.quotas or space.rules is not space.pool:
            return
        space.by_namespace.clear()
        for name in self.counted_in(space.pool):
            for namespace, count in view.leases_by_namespace(name).items():
                space.by_namespace[namespace] = space.by_namespace.get(namespace, 0) + count

    def _check_overlap(self, space: Space) -> None:
        found = self._index.clash(space)
        if found is not None:
            ours, theirs, other = found
            name = other.pool.name
            raise PoolOverlap(f"{ours} overlaps {theirs} of pool {name}", pool=name, cidr=str(theirs))

    def _check_inside(self, present: Pool, pool: Pool) -> None:
        """Raise PoolInUse if a pool would leave the address space of those that were made of its blocks."""
        inside = self._index.inside(present) if present.space != pool.space else []
        for space in inside:
            name = space.pool.name
            raise PoolInUse(f"pool {name} is made of a block of it, and is in space {present.space}", pool=pool.name)

    def _check_parent(self, tx: Tx, space: Space) -> None:
        """Raise Invalid unless a pool that has a parent lies in blocks that are leased from it, in its space."""
        pool, name = space.pool, space.pool.parent
        if not name:
            return
        parent = self.space(name).pool
        if pool.name in (name, *self._index.around(parent)):
            raise Invalid(f"pool {pool.name} cannot lie in pool {name}, which lies in it")
        if parent.space != pool.space:
            raise Invalid(f"pool {name} is in space {parent.space}, so pool {pool.name} cannot be in {pool.space}")
        for cidr in space.cidrs:
            lease = tx.lease_meeting(name, cidr)
            if lease is None or not read_block(str(lease)).holds(cidr):
                raise Invalid(f"{cidr} is not within a block leased from pool {name}: lease one first")


def filled(pool: Pool, view: View) -> Space:
    """The space of a pool, with its leases taken."""
    space, held = Space(pool), iter(view.held_blocks(pool.name))
    while page := [*islice(held, PAGE)]:
        space.take_all(page)
    for first, length in view.cooling_blocks(pool.name):
        space.chill(Block(first, space.width - length))
    return space


def set_counts(told: dict[str, int], counts: dict[str, int]) -> None:
    """Have counts in place that several spaces share."""
    told.clear()
    told |= counts


def is_single(wish: Wish) -> bool:
    """Whether a single address is wished for, and no block."""
    return not wish.block and wish.prefix_length is None


def check_leases(pool: Pool, view: View) -> None:
    """Raise PoolInUse if a lease of the pool of that name could not stand in this one."""
    space = Space(pool)
    for first, length in view.held_blocks(pool.name):
        if not space.can_hold(Block(first, space.width - length)):
            raise stands_in_the_way(pool, view.lease_meeting(pool.name, Cidr(space.family, first, length)))


def stands_in_the_way(pool: Pool, lease: Lease | None) -> PoolInUse:
    """The refusal to change a pool under a lease that could not stand in it."""
    if lease is None:
        return PoolInUse(f"pool {pool.name} cannot be so while it has leases: release them first", pool=pool.name)
    advice = "release it first, or drain the pool and wait"
    detail = f"pool {pool.name} cannot be so: {lease} is leased to {lease.owner}; {advice}"
    return PoolInUse(detail, pool=pool.name, lease=str(lease.id))
