"""Leases inside a transaction: allocate, release, renew.

Strategy: to choose a block, to record it in the store and to mark it used in memory is one step without a pause. Who
asks again for what he has gets the same lease, so a request may be repeated safely.
"""

from collections.abc import Collection, Sequence
from random import Random

from msgspec.structs import replace

from ipamd.allocator import Block, Space, block_of
from ipamd.errors import Conflict, Exhausted, OutsidePool, Taken, UnknownLease
from ipamd.model import Lease, Owner, Wish
from ipamd.pools import Pools
from ipamd.ranges import Cidr, read_address, show_address
from ipamd.stores import Tx, View


class Leases:
    """The leases of all pools. Every method that takes a Tx is to be called inside `store.update`."""

    def __init__(self, pools: Pools, random: Random) -> None:
        self._pools = pools
        self._random = random

    def allocate(
        self, tx: Tx, owner: Owner, wish: Wish, made_pod: bool = False, apart: Collection[int] = ()
    ) -> tuple[Lease, bool]:
        """The owner's lease for the wish, and whether it is new.

        An owner has one lease in a pool: asking again gives it again, unless its id is in `apart`. Raises UnknownPool, Invalid, OutsidePool,
        Withheld, Taken (with its holder), Exhausted (with the counts), or Conflict if the owner has another lease there
        than the one that is asked for.
        """
        spaces = self._pools.matching(wish)
        held = self.held(tx, owner, spaces, wish.within, apart)
        if held is not None:
            check_again(held, owner, wish)
            has_expired = held.expires is not None and held.expires <= tx.now  # and was not collected yet
            return self.renew(tx, held, wish.ttl) if has_expired else held, False
        space, block = self._choose(tx, spaces, wish)
        lease = tx.put_lease(
            Lease(
                id=0,
                revision=0,
                pool=space.pool.name,
                address=show_address(space.family, block.first),
                prefix_length=space.width - block.bits,
                owner=owner,
                created=tx.now,
                labels=wish.labels,
                ttl=wish.ttl,
                expires=None if wish.ttl is None else tx.now + wish.ttl,
                made_pod=made_pod,
            )
        )
        space.take(block)
        tx.on_rollback(lambda: space.give(block))
        return lease, True

    def release(self, tx: Tx, lease: Lease) -> None:
        """Give the addresses of a lease that is there back to its pool."""
        space, block = self._pools.space(lease.pool), block_of(lease)
        tx.delete_lease(lease)
        space.give(block)
        tx.on_rollback(lambda: space.take(block))

    def release_all(self, tx: Tx, owner: Owner) -> Sequence[Lease]:
        """Release every lease of the owner, and return them; an owner without any is no error."""
        leases = tx.leases_of(owner)
        for lease in leases:
            self.release(tx, lease)
        return leases

    def renew(self, tx: Tx, lease: Lease, ttl: int | None) -> Lease:
        """Have the lease expire `ttl` seconds from now, None: as many as it was given. One for ever stays as it is."""
        ttl = lease.ttl if ttl is None else ttl
        return lease if ttl is None else tx.put_lease(replace(lease, ttl=ttl, expires=tx.now + ttl))

    def get(self, view: View, lease_id: int) -> Lease:
        """The lease of that id. Raises UnknownLease."""
        lease = view.lease(lease_id)
        if lease is None:
            raise UnknownLease(f"there is no lease {lease_id}", id=str(lease_id))
        return lease

    def held(
        self,
        view: View,
        owner: Owner,
        spaces: Sequence[Space],
        within: Sequence[tuple[int, int]] = (),
        apart: Collection[int] = (),
    ) -> Lease | None:
        """The owner's lease in one of the spaces, and in one of the windows if there are any, but those apart; None."""
        names = {space.pool.name for space in spaces}
        held = (lease for lease in view.leases_of(owner) if lease.pool in names and lease.id not in apart)
        return next((lease for lease in held if is_within(lease, within)), None)

    def _choose(self, tx: Tx, spaces: Sequence[Space], wish: Wish) -> tuple[Space, Block]:
        if wish.address is not None:
            return self._choose_asked(tx, spaces, wish, wish.address)
        for space in spaces[:-1]:
            try:
                return space, space.choose(wish, self._random)
            except Exhausted:
                continue
        return spaces[-1], spaces[-1].choose(wish, self._random)

    def _choose_asked(self, tx: Tx, spaces: Sequence[Space], wish: Wish, text: str) -> tuple[Space, Block]:
        address = read_address(text)
        space = next((space for space in spaces if space.holds(address)), None)
        if space is None:
            cidrs = [cidr for space in spaces for cidr in space.pool.cidrs]
            names = ", ".join(space.pool.name for space in spaces)
            raise OutsidePool(f"{text} is outside pool {names} ({', '.join(cidrs)})", pool=names, cidrs=[*cidrs])
        try:
            return space, space.choose(wish, self._random)
        except Taken as taken:
            asked = Cidr(space.family, address.value, space.width - space.bits(wish))
            holder = tx.lease_meeting(space.pool.name, asked)
            raise taken if holder is None else taken_by(holder, asked) from None


def taken_by(holder: Lease, asked: Cidr) -> Taken:
    """The refusal that names who holds what was asked for."""
    owner = holder.owner
    return Taken(
        f"{show_address(asked.family, asked.base)} is taken: {holder} is leased to {owner}",
        pool=holder.pool,
        lease=str(holder.id),
        holder={"kind": owner.kind, "namespace": owner.namespace, "name": owner.name, "uid": owner.uid},
    )


def check_again(held: Lease, owner: Owner, wish: Wish) -> None:
    """Raise Conflict if the lease that the owner holds is not what is asked for now."""
    if not held.owner.is_same(owner):
        raise Conflict(f"{held} is leased to {held.owner} of uid {held.owner.uid}", lease=str(held.id))
    asks_address = wish.address is not None and read_address(wish.address) != read_address(held.address)
    asks_length = wish.prefix_length is not None and wish.prefix_length != held.prefix_length
    if asks_address or asks_length or (wish.block and held.is_single):
        raise Conflict(f"{owner} holds {held} of pool {held.pool} already", lease=str(held.id), address=held.address)


def is_within(lease: Lease, within: Sequence[tuple[int, int]]) -> bool:
    """Whether the lease lies in one of the windows; without any it does."""
    block = block_of(lease)
    return not within or any(first <= block.first <= last for first, last in within)
