"""Leases for many owners at once: what is plain among them is chosen, recorded and stored in one go.

Strategy: an owner without any history that asks a pool by name for its next free address needs no more than that
address. All such owners of a pool get the next ones in turn: one question to the store, one look at the free set, one
statement for all the rows. Whatever is not so plain is left to `Leases.allocate`, and what it says.
"""

from collections.abc import Sequence

from ipamd.allocator import Block, Space
from ipamd.model import Lease, Owner, Wish
from ipamd.pod_of_lease import POD
from ipamd.pools import Pools
from ipamd.ranges import show_address
from ipamd.stores import OwnerKey, Tx, key_of

Asked = Sequence[tuple[Owner, Wish]]


def allocate_plain(tx: Tx, pools: Pools, asked: Asked) -> dict[int, Lease]:
    """New leases for what is plain in `asked`, by position there. Changes store and spaces."""
    if tx.old_because:  # nothing is given, and `Leases.allocate` says why
        return {}
    # An address that is asked for must not be given away before it is asked for, nor an owner get another.
    particular = {wish.pool for _, wish in asked if not is_plain(wish)}
    if None in particular:
        return {}
    by_pool: dict[str, dict[OwnerKey, int]] = {}
    for position, (owner, wish) in enumerate(asked):
        if wish.pool is not None and wish.pool not in particular and owner.kind != POD:
            by_pool.setdefault(wish.pool, {}).setdefault(key_of(owner), position)
    known = {space.pool.name: space for space in pools if space.is_plain}
    made: dict[int, Lease] = {}
    for name, positions in by_pool.items():
        if name in known:
            made |= _allocate(tx, known[name], asked, positions)
    return made


def is_plain(wish: Wish) -> bool:
    """Whether it is for the next free address of a pool, whichever that is."""
    is_any = wish.address is None and wish.prefix_length is None and not wish.block and not wish.within
    return is_any and wish.pool is not None


def _allocate(tx: Tx, space: Space, asked: Asked, positions: dict[OwnerKey, int]) -> dict[int, Lease]:
    present = tx.owners_known(positions)
    new = [position for key, position in positions.items() if key not in present]
    firsts = space.next_singles(len(new))
    made: dict[int, Lease] = {}
    for revision, (position, first) in enumerate(zip(new, firsts, strict=False), start=tx.revision + 1):
        owner, wish = asked[position]
        made[position] = Lease(
            id=revision,
            revision=revision,
            pool=space.pool.name,
            address=show_address(space.family, first),
            prefix_length=space.width,
            owner=owner,
            created=tx.now,
            labels=wish.labels,
            ttl=wish.ttl,
            expires=None if wish.ttl is None else tx.now + wish.ttl,
            node=wish.node,
            description=wish.description,
            tags=wish.tags,
        )
    tx.add_leases([*made.values()])
    space.take_all([(first, space.width) for first in firsts])
    tx.on_rollback(lambda: give_all(space, firsts))
    return made


def give_all(space: Space, firsts: Sequence[int]) -> None:
    """Record that single addresses are free again."""
    for first in firsts:
        space.give(Block(first, 0))
