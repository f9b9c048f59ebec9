"""Leases inside a transaction: allocate, release, renew.

Strategy: to choose a block, to record it in the store and to mark it used in memory is one step without a pause. Who
asks again for what he has gets the same lease, so a request may be repeated safely. What is given back cools: until no
cache can name its last owner any more, only that owner gets it again.
"""

from collections.abc import Collection, Sequence
from random import Random

from msgspec.structs import replace

from ipamd import choosing
from ipamd.allocator import Block, Space, block_of
from ipamd.choosing import Choice, lease_is_within
from ipamd.errors import Conflict, IpamError, NeedsThaw, OldCopy, UnknownLease
from ipamd.model import Cooling, Lease, Owner, Wish
from ipamd.pools import Pools
from ipamd.ranges import read_address, show_address
from ipamd.stores import Tx, View

RELEASED, EXPIRED = "released", "expired"  # why a lease has ended
THAW = 256  # blocks that one request frees at most


class Leases:
    """The leases of all pools. Every method that takes a Tx is to be called inside `store.update`.

    `dns_ttl` is for how many seconds, at most, a cache may keep a name's address: for so long it cools at least.
    """

    def __init__(self, pools: Pools, random: Random, dns_ttl: int = 0) -> None:
        self._pools = pools
        self._random = random
        self._dns_ttl = dns_ttl

    def allocate(
        self, tx: Tx, owner: Owner, wish: Wish, made_pod: bool = False, apart: Collection[int] = ()
    ) -> tuple[Lease, bool]:
        """The owner's lease for the wish, and whether it is new.

        An owner has one lease in a pool: asking again gives it again, unless its id is in `apart`. Raises UnknownPool,
        Invalid, Conflict if the owner has another lease there than the one that is asked for, and what
        `choosing.choose` raises; Cools while there is nothing but what cools for others.
        """
        spaces = self._pools.matching(wish)
        held = self.held(tx, owner, wish, spaces, apart)
        if held is not None:
            check_again(held, owner, wish)
            return self._had(tx, held, wish), False
        if not (wish.is_held and wish.address):
            check_age(tx)
        space, block, cooling = self._chosen(tx, self._pools.giving(tx, spaces, wish), owner, wish)
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
                node=wish.node,
                description=wish.description,
                tags=wish.tags,
            )
        )
        self._record(tx, space, block, cooling, owner.namespace)
        return lease, True

    def release(self, tx: Tx, lease: Lease, reason: str = RELEASED, *, cools: bool = True) -> None:
        """Give the addresses of a lease that is there back to its pool, where they cool first.

        Not if `cools` says so, for what was never behind a name.
        """
        space, block, namespace = self._pools.space(lease.pool), block_of(lease), lease.owner.namespace
        heir = self._pools.heir(tx, space, lease)
        if heir is not None:
            self.pass_on(tx, replace(lease, generation=lease.generation + 1), heir)
            return
        tx.delete_lease(lease, reason)
        seconds = max(self._dns_ttl, space.pool.cooldown)
        if cools and seconds:
            tx.cool(lease, tx.now + seconds)
            space.cool(block, namespace)
            tx.on_rollback(lambda: space.reuse(block, namespace))
        else:
            space.give(block, namespace)
            tx.on_rollback(lambda: space.take(block, namespace))
        self._pools.tidy(tx, space, self.release)

    def pass_on(self, tx: Tx, lease: Lease, owner: Owner) -> Lease:
        """Have a lease belong to another owner, who uses what the one before had. It makes no Pod exist any more."""
        space, block = self._pools.space(lease.pool), block_of(lease)
        before, after = lease.owner.namespace, owner.namespace
        space.pass_on(block, before, after)
        tx.on_rollback(lambda: space.pass_on(block, after, before))
        return tx.put_lease(replace(lease, owner=owner, made_pod=False))

    def release_all(self, tx: Tx, owner: Owner, reason: str = RELEASED) -> Sequence[Lease]:
        """Release every lease of the owner, and return them; an owner without any is no error."""
        leases = tx.leases_of(owner)
        for lease in leases:
            self.release(tx, lease, reason)
        return leases

    def renew(self, tx: Tx, lease: Lease, ttl: int | None) -> Lease:
        """Have the lease expire `ttl` seconds from now, None: as many as it was given. One for ever stays as it is."""
        ttl = lease.ttl if ttl is None else ttl
        if ttl is None:
            return lease
        return tx.put_lease(replace(lease, ttl=ttl, expires=tx.now + ttl, generation=lease.generation + 1))

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
        wish: Wish,
        spaces: Sequence[Space],
        apart: Collection[int] = (),
    ) -> Lease | None:
        """What the owner has for the wish in one of the spaces that may serve it, but those apart; None."""
        names = {space.pool.name for space in spaces}
        held = (lease for lease in view.leases_of(owner) if lease.id not in apart)
        fits = (lease for lease in held if self._pools.asked_of(lease, wish) in names)
        return next((lease for lease in fits if lease_is_within(lease, wish.within)), None)

    def thaw(self, tx: Tx, limit: int = THAW) -> int:
        """Free what has cooled by now, at most `limit` blocks, and return how many."""
        found = tx.thawing(tx.now, limit)
        for cooling in found:
            self._thaw(tx, cooling)
        return len(found)

    def _chosen(self, tx: Tx, spaces: Sequence[Space], owner: Owner, wish: Wish) -> Choice:
        refusal: IpamError | None = None
        for _ in range(2):
            try:
                return choosing.choose(tx, spaces, owner, wish, self._random)
            except NeedsThaw as nothing:
                refusal = nothing.refusal
                if not self.thaw(tx):
                    raise choosing.still_cooling(tx, refusal, spaces, wish, tx.now) from None
        assert refusal is not None
        raise choosing.still_cooling(tx, refusal, spaces, wish, tx.now)

    def _had(self, tx: Tx, held: Lease, wish: Wish) -> Lease:
        """A lease that its owner asks for again. It goes to another node with him."""
        if wish.node not in ("", held.node):
            held = tx.put_lease(replace(held, node=wish.node, generation=held.generation + 1))
        has_expired = held.expires is not None and held.expires <= tx.now  # and was not collected yet
        return self.renew(tx, held, wish.ttl) if has_expired else held

    def _record(self, tx: Tx, space: Space, block: Block, cooling: Cooling | None, namespace: str) -> None:
        if cooling is None:
            space.take(block, namespace)
            tx.on_rollback(lambda: space.give(block, namespace))
        else:
            tx.thaw(cooling)
            space.reuse(block, namespace)
            tx.on_rollback(lambda: space.cool(block, namespace))

    def _thaw(self, tx: Tx, cooling: Cooling) -> None:
        space = self._pools.space(cooling.pool)
        block = Block(read_address(cooling.address).value, space.width - cooling.prefix_length)
        tx.thaw(cooling)
        space.thaw(block)
        tx.on_rollback(lambda: space.chill(block))


def check_age(tx: Tx) -> None:
    """Raise OldCopy if what the store has as free may have been given to somebody."""
    if tx.old_because:
        advice = (
            "who uses an address already may ask for it as `held`, `ipamctl reconcile` shows what can be known, "
            "`ipamctl reconcile --accept-rollback` has it go on"
        )
        raise OldCopy(f"nothing is given from a store that is an old copy: {tx.old_because}; {advice}")


def check_again(held: Lease, owner: Owner, wish: Wish) -> None:
    """Raise Conflict if the lease that the owner holds is not what is asked for now."""
    if not held.owner.is_same(owner):
        raise Conflict(f"{held} is leased to {held.owner} of uid {held.owner.uid}", lease=str(held.id))
    asks_address = wish.address is not None and read_address(wish.address) != read_address(held.address)
    asks_length = wish.prefix_length is not None and wish.prefix_length != held.prefix_length
    if asks_address or asks_length or (wish.block and held.is_single):
        raise Conflict(f"{owner} holds {held} of pool {held.pool} already", lease=str(held.id), address=held.address)


def check_generation(lease: Lease, generation: int | None) -> None:
    """Raise Conflict if a caller means another time that the lease's owner got or renewed it."""
    if generation is not None and generation != lease.generation:
        detail = f"{lease} is at generation {lease.generation}, not {generation}: its owner got or renewed it since"
        raise Conflict(detail, lease=str(lease.id), generation=lease.generation)
