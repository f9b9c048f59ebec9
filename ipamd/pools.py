"""The pools and what is free in them: in the store as objects, in memory as spaces.

Strategy: the spaces are derived from the pools and leases of the store when it is opened. Whatever changes them later
does so inside a transaction, and registers how to change them back if that is not kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ipamd.allocator import Block, Space
from ipamd.errors import AlreadyExists, Invalid, NotAdmitted, PoolInUse, PoolOverlap, UnknownPool
from ipamd.model import DEFAULT_SPACE, POOL, Lease, Owner, Pool, Purpose, Wish
from ipamd.ranges import Address, Cidr, read_block
from ipamd.stores import Tx, View

PAGE = 50_000  # blocks read at once when the spaces are filled


class Index(NamedTuple):
    """The spaces by what they are asked for.

    `serving` are those for a purpose, those for some owners first, then by name; `of_nodes` the blocks of nodes, by
    parent and CIDR, which serve nobody else; `nested` the other pools that have a parent, by its name.
    """

    serving: dict[Purpose, list[Space]]
    of_nodes: dict[tuple[str, str], Space]
    nested: dict[str, list[Space]]


def indexed(spaces: Mapping[str, Space]) -> Index:
    """The index of these spaces by name."""
    index = Index({}, {}, {})
    for space in sorted(spaces.values(), key=lambda each: (each.is_open, each.pool.name)):
        pool = space.pool
        parent = spaces.get(pool.parent)
        if parent is not None and parent.pool.per_node:
            index.of_nodes[pool.parent, pool.cidrs[0]] = space
            continue
        if pool.parent:
            index.nested.setdefault(pool.parent, []).append(space)
        if pool.space == DEFAULT_SPACE:
            index.serving.setdefault(pool.purpose, []).append(space)
    return index


class Pools:
    """All pools by name. The methods that take a transaction change the store and the spaces together."""

    def __init__(self) -> None:
        self._spaces: dict[str, Space] = {}
        self._index: Index | None = None  # made when it is next asked for

    def load(self, view: View) -> None:
        """Derive the spaces from what is stored."""
        pools = [msgspec.json.decode(stored.body, type=Pool) for stored in view.list(POOL)]
        self._spaces = {pool.name: filled(pool, view) for pool in pools}
        self._index = None

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

    def matching(self, wish: Wish, tx: Tx | None = None) -> Sequence[Space]:
        """The spaces that may serve the wish. Raises UnknownPool if there is none.

        Those that are for some owners only come first, then in order of their names. Blocks for nodes come from pools
        for nodes, or else from pools for pods that are cut into blocks. In a transaction, single addresses of a pool
        that is `per_node` come from the blocks of the wish's node.
        """
        found = self._matching(wish)
        if tx is None or wish.block or wish.prefix_length is not None or not any(each.pool.per_node for each in found):
            return found
        return [nested for space in found for nested in self._of_node(tx, space, wish.node)]

    @property
    def index(self) -> Index:
        """The spaces by what they are asked for."""
        if self._index is None:
            self._index = indexed(self._spaces)
        return self._index

    def keeps(self, tx: Tx, space: Space, lease: Lease) -> bool:
        """Whether the block of a lease cannot be given back yet: a pool that was made of it has leases.

        That pool is the block's owner from now on, and gives no more.
        """
        nested = None if lease.is_single else self._nested_in(space, lease)
        if nested is None:
            return False
        if not nested.leases:
            self._forget(tx, nested)
            return False
        if not nested.pool.drained:
            self._put(tx, filled(replace(nested.pool, drained=True), tx))
        tx.put_lease(replace(lease, owner=Owner(POOL, nested.pool.name), generation=lease.generation + 1))
        return True

    def tidy(self, tx: Tx, space: Space, release: Callable[[Tx, Lease], None]) -> None:
        """Once the last lease of a drained pool has gone that was made of a block, `release` the block."""
        if not (space.pool.parent and space.pool.drained) or space.leases:
            return
        for lease in tx.leases_of(Owner(POOL, space.pool.name)):
            release(tx, lease)

    def _of_node(self, tx: Tx, space: Space, node: str) -> list[Space]:
        """The pool itself, or if it is `per_node` the pools that the node's blocks of it are. Raises NotAdmitted."""
        if not space.pool.per_node:
            return [space]
        blocks = [lease for lease in tx.leases_of(Owner("Node", node)) if lease.pool == space.pool.name]
        if not blocks:
            said = f"node {node!r} has no block of it" if node else "the owner is on no node yet"
            raise NotAdmitted(f"pool {space.pool.name} gives addresses by node, and {said}", pool=space.pool.name)
        return [self._nested_in(space, lease) or self._nest(tx, space.pool, lease, node) for lease in blocks]

    def _nest(self, tx: Tx, parent: Pool, lease: Lease, node: str) -> Space:
        """A pool for the node's addresses, made of its block."""
        name = f"{parent.name}.{node}"[:50].rstrip("-.") + f".{lease.id}"
        pool = Pool(
            name,
            (str(lease),),
            parent.purpose,
            parent.strategy,
            space=parent.space,
            cooldown=parent.cooldown,
            parent=parent.name,
            nodes=(node,),
        )
        return self.create(tx, pool)

    def _nested_in(self, space: Space, lease: Lease) -> Space | None:
        """The pool that was made of a leased block, or None."""
        name, index = space.pool.name, self.index
        if space.pool.per_node:
            return index.of_nodes.get((name, str(lease)))
        block = read_block(str(lease))
        return next((each for each in index.nested.get(name, ()) if block.holds(each.cidrs[0])), None)

    def _forget(self, tx: Tx, space: Space) -> None:
        """Take away a pool without leases, and what cools in it."""
        while cooling := tx.cooling_at(space.pool.name, Cidr(space.family, 0, 0)):
            tx.thaw(cooling)
        tx.delete(POOL, "", space.pool.name)
        self._restore(space.pool.name, None)
        tx.on_rollback(lambda: self._restore(space.pool.name, space))

    def _matching(self, wish: Wish) -> Sequence[Space]:
        if wish.pool is not None:
            return [self.space(wish.pool)]
        found = self._serving(wish.purpose, wish)
        if not found and wish.purpose == "nodes":
            found = [space for space in self._serving("pods", wish) if space.pool.block_size]
        if not found:
            family = f" of IPv{wish.family}" if wish.family else ""
            raise UnknownPool(f"there is no pool for {wish.purpose}{family}")
        return found

    def create(self, tx: Tx, pool: Pool) -> Space:
        """Add a pool. Raises Invalid, AlreadyExists, or PoolOverlap if its CIDRs overlap those of another."""
        if pool.name in self._spaces:
            raise AlreadyExists(f"there is a pool {pool.name!r} already", pool=pool.name)
        return self._put(tx, Space(pool))

    def delete(self, tx: Tx, name: str) -> Pool:
        """Take a pool away. Raises UnknownPool, or PoolInUse while leases stand in it."""
        space = self.space(name)
        if space.leases:
            advice = "release them, or drain the pool and wait"
            raise PoolInUse(f"{space.leases} leases stand in pool {name}: {advice}", pool=name, leases=space.leases)
        self._forget(tx, space)
        return space.pool

    def ensure(self, tx: Tx, pool: Pool) -> None:
        """Add the pool, or change the one of that name to it.

        Raises PoolInUse if a lease that stands in it would be outside the changed pool, or on an address that this
        withholds; Invalid and PoolOverlap as `create` does.
        """
        present = self._spaces.get(pool.name)
        if present is None or present.pool != pool:
            check_leases(pool, tx)
            if present is not None:
                self._let_go(tx, pool)
            self._put(tx, filled(pool, tx))

    def _let_go(self, tx: Tx, pool: Pool) -> None:
        """End the cooling of what would be outside a changed pool."""
        space = Space(pool)
        for first, length in [*tx.cooling_blocks(pool.name)]:
            if not space.can_hold(Block(first, space.width - length)):
                cooling = tx.cooling_at(pool.name, Cidr(space.family, first, length))
                if cooling is not None:
                    tx.thaw(cooling)

    def _put(self, tx: Tx, space: Space) -> Space:
        pool = space.pool
        self._check_overlap(space)
        self._check_parent(tx, space)
        tx.put(POOL, "", pool.name, msgspec.to_builtins(pool))
        before = self._spaces.get(pool.name)
        self._restore(pool.name, space)
        tx.on_rollback(lambda: self._restore(pool.name, before))
        return space

    def _restore(self, name: str, before: Space | None) -> None:
        self._index = None
        if before is None:
            del self._spaces[name]
        else:
            self._spaces[name] = before

    def _check_overlap(self, space: Space) -> None:
        ours = space.pool
        others = [
            other
            for other in self
            if other.pool.name != ours.name
            and other.pool.space == ours.space
            and other.pool.name != ours.parent
            and other.pool.parent != ours.name
        ]
        pairs = ((other, theirs, own) for other in others for theirs in other.cidrs for own in space.cidrs)
        for other, theirs, own in pairs:
            if own.overlaps(theirs):
                name = other.pool.name
                raise PoolOverlap(f"{own} overlaps {theirs} of pool {name}", pool=name, cidr=str(theirs))

    def _check_parent(self, tx: Tx, space: Space) -> None:
        """Raise Invalid unless a pool that says so lies in blocks that are leased from its parent."""
        name = space.pool.parent
        for cidr in space.cidrs if name else ():
            lease = tx.lease_meeting(self.space(name).pool.name, cidr)
            if lease is None or not read_block(str(lease)).holds(cidr):
                raise Invalid(f"{cidr} is not within a block leased from pool {name}: lease one first")

    def _serving(self, purpose: Purpose | None, wish: Wish) -> list[Space]:
        serving = self.index.serving.get(purpose, []) if purpose else []
        return [space for space in serving if wish.family in (None, space.family)]


def filled(pool: Pool, view: View) -> Space:
    """The space of a pool, with its leases taken."""
    space, held = Space(pool), iter(view.held_blocks(pool.name))
    while page := [*islice(held, PAGE)]:
        space.take_all(page)
    for first, length in view.cooling_blocks(pool.name):
        space.chill(Block(first, space.width - length))
    if pool.quotas:
        space.by_namespace = view.leases_by_namespace(pool.name)
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
