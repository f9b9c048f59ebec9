"""What the daemon does for its clients, one method a use case. The one writer of pools and leases.

Strategy: every method that changes something is one `store.update`: what it decides and what it records is one step,
and it returns when that is durable. The methods that only read look at the committed state.
"""

from asyncio import Future
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import islice
from operator import attrgetter
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from ipamd import bulk, gone_nodes, pod_of_lease
from ipamd.allocator import Space
from ipamd.conditions import ALWAYS, Condition
from ipamd.errors import Conflict, Invalid, IpamError, KeyReused, Overtaken
from ipamd.explaining import Verdict, verdict
from ipamd.forecast import WINDOW, full_at
from ipamd.json import stored_object
from ipamd.kube.document import peek
from ipamd.leases import RELEASED, Leases, check_generation
from ipamd.log import Log
from ipamd.model import POOL, WIDTH, Lease, LeaseFilter, Owner, Pool, Wish
from ipamd.pools import Pools
from ipamd.ranges import Cidr, read_address
from ipamd.selectors import KEY, VALUE
from ipamd.stores import Kept, Store, Tx, View, tried

UNDONE = 204  # the status under which a key is kept whose request was undone
KEPT = 86_400  # seconds for which the reply to a request with an Idempotency-Key is kept
LABELS = 64  # on one lease at most

IP_ADDRESS = "IPAddress"  # the object that keeps an address, and is named by it
SHOWN = {"Service": "clusterIPs", "Node": "podCIDRs"}  # where the spec of an object shows its leases for good


class Given(NamedTuple):
    """A lease as a request was given it: its id, and the generation that it was at."""

    lease: int
    generation: int


class Usage(NamedTuple):
    """A pool and how full it is, in addresses, and its leases: see `Space`."""

    pool: Pool
    capacity: int
    used: int
    cooling: int
    reserved: int
    leases: int

    @property
    def free(self) -> int:
        """Addresses that anybody could get now."""
        return self.capacity - self.used - self.cooling - self.reserved


class Service:
    """The use cases, over one store. `random` is for the choice of addresses and for uids; `dns_ttl`: see Leases."""

    def __init__(self, store: Store, log: Log, random: Random, dns_ttl: int = 0) -> None:
        self.store = store
        self.log = log
        self.pools = Pools()
        self.leases = Leases(self.pools, random, dns_ttl)
        self._random = random
        store.view(self.pools.load)

    async def ensure_pools(self, pools: Sequence[Pool]) -> None:
        """Have these pools, all or none. Raises PoolInUse if leases contradict a change, Invalid, PoolOverlap."""

        await self.store.update(lambda tx: self.pools.ensure(tx, *pools))

    async def create_pool(self, pool: Pool) -> Usage:
        """Add a pool. Raises Invalid, AlreadyExists, or PoolOverlap, which says with what."""
        return usage(await self.store.update(lambda tx: self.pools.create(tx, pool)))

    async def replace_pool(self, pool: Pool, condition: Condition = ALWAYS) -> tuple[Usage, bool]:
        """Make the pool what is given, and tell whether it is new.

        Raises Invalid, PoolOverlap, PoolInUse if a lease stands where the pool would no longer be, PreconditionFailed.
        """

        def replace(tx: Tx) -> bool:
            revision = revision_of(tx, pool.name)
            condition.check(revision)
            self.pools.ensure(tx, pool)
            return revision is None

        is_new = await self.store.update(replace)
        return self.pool(pool.name), is_new

    async def delete_pool(self, name: str, condition: Condition = ALWAYS) -> None:
        """Take a pool away, and with it the block that it is, if that has no other owner any more.

        Raises UnknownPool, PoolInUse while leases stand in it, or PreconditionFailed.
        """

        def delete(tx: Tx) -> None:
            condition.check(revision_of(tx, self.pools.space(name).pool.name))
            self.pools.delete(tx, name)
            self.leases.release_all(tx, Owner(POOL, name))

        await self.store.update(delete)

    def pool(self, name: str) -> Usage:
        """A pool and how full it is. Raises UnknownPool."""
        return usage(self.pools.space(name))

    def pool_revision(self, name: str) -> int | None:
        """With which revision a pool was changed last; None if there is none of that name."""
        return self.store.view(lambda view: revision_of(view, name))

    def available(self, name: str, limit: int, *, whole: bool) -> list[str]:
        """The next free addresses of a pool, or with `whole` the largest free blocks; at most `limit`.

        Raises UnknownPool.
        """
        space = self.pools.space(name)
        found = islice(space.free_blocks(space.width if whole else 0), limit)
        return [str(Cidr(space.family, block.first, space.width - block.bits)) for block in found]

    async def forecast(self, name: str) -> float | None:
        """When the pool will be full if it goes on so, in seconds since the epoch; None if that is not in sight.

        Raises UnknownPool.
        """
        free = usage(self.pools.space(name)).free

        def look(view: View) -> float | None:
            now = view.clock
            return full_at(free, view.growth(name, now - WINDOW), now)

        return await self.store.apart(look)

    def list_pools(self) -> list[Usage]:
        """All pools in order of their names."""
        return sorted(map(usage, self.pools), key=lambda each: each.pool.name)

    async def lease(self, owner: Owner, wish: Wish) -> tuple[Lease, bool]:
        """The owner's lease for the wish, and whether it is new; a Pod as owner exists from then on, with the address.

        Raises what `Leases.allocate` raises, and Invalid for labels that are none.
        """
        return await self.submit_lease(owner, wish)

    def submit_lease(self, owner: Owner, wish: Wish) -> Future[tuple[Lease, bool]]:
        """The same, as a future."""
        check_labels(wish.labels)
        return self.store.submit(partial(self._lease, owner=owner, wish=wish))

    async def explain(self, owner: Owner, wish: Wish) -> list[Verdict]:
        """What each pool that may serve the wish says to it; the first that gives something is the one that would.

        Raises UnknownPool, Invalid.
        """
        check_labels(wish.labels)
        spaces = self.pools.matching(wish)
        held = self.store.view(lambda view: self.leases.held(view, owner, wish, spaces))
        first = "" if held is None else self.pools.asked_of(held, wish)
        names = sorted((space.pool.name for space in spaces), key=lambda name: name != first)
        return [await verdict(self.try_lease, owner, wish, name) for name in names]

    async def lease_once(
        self, owner: Owner, wish: Wish, key: str, digest: bytes, show: Callable[[Lease, bool], Kept]
    ) -> Kept:
        """What a request of this key is answered, now and for KEPT seconds each time that it comes again.

        `digest` is of the whole request, `show` makes the reply. Raises KeyReused for another request of the same key,
        Overtaken for one that was undone, and what `lease` raises: a refusal is not kept.
        """
        check_labels(wish.labels)

        def once(tx: Tx) -> Kept:
            kept = tx.reply(key)
            if kept is None:
                kept = show(*self._lease(tx, owner, wish))
                tx.keep_reply(key, kept, tx.now + KEPT)
            elif kept.status == UNDONE:
                raise Overtaken(f"what the Idempotency-Key {key!r} asks for was released before it came")
            elif kept.digest != digest:
                raise KeyReused(f"the Idempotency-Key {key!r} came before with another request; take a new one")
            return kept

        return await self.store.update(once)

    async def undo(self, key: str, made: Callable[[Kept], Given | None]) -> None:
        """Release what a request of this key leased, and refuse that request if it comes only now, or again.

        `made` reads a reply: what the request made, if anything. For KEPT seconds it is remembered. Raises Conflict if
        the owner got or renewed the lease since, or if an object shows the address.
        """

        def undone(tx: Tx) -> None:
            kept = tx.reply(key)
            given = made(kept) if kept is not None and kept.status != UNDONE else None
            if given is not None and tx.lease(given.lease) is not None:
                self._release(tx, given.lease, given.generation)
            tx.keep_reply(key, Kept(b"", UNDONE, b""), tx.now + KEPT)

        await self.store.update(undone)

    async def lease_batch(
        self, asked: Sequence[tuple[Owner, Wish]], *, atomic: bool, is_trial: bool
    ) -> list[tuple[Lease, bool] | IpamError]:
        """What comes of many leases, in their order; as `lease` has it for each.

        `atomic`: all or none, and the first refusal is raised with the member `index`. `is_trial`: nothing is kept.
        """
        for _, wish in asked:
            if wish.labels:
                check_labels(wish.labels)
        change = partial(self._lease_batch, asked=asked, atomic=atomic)
        return await (tried(self.store, change) if is_trial else self.store.update(change))

    def _lease_batch(
        self, tx: Tx, asked: Sequence[tuple[Owner, Wish]], atomic: bool
    ) -> list[tuple[Lease, bool] | IpamError]:
        for node in {wish.node for _, wish in asked if wish.node}:
            gone_nodes.clear(tx, node)
        made = bulk.allocate_plain(tx, self.pools, asked)
        outcomes: list[tuple[Lease, bool] | IpamError] = []
        for index, (owner, wish) in enumerate(asked):
            try:
                outcomes.append((made[index], True) if index in made else self._lease(tx, owner, wish))
            except IpamError as refusal:
                if atomic:
                    refusal.members["index"] = index
                    raise
                outcomes.append(refusal)
        return outcomes

    async def try_lease(self, owner: Owner, wish: Wish) -> Lease:
        """What `lease` would give now, and nothing kept of it. Raises what `lease` raises."""
        check_labels(wish.labels)
        lease, _ = await tried(self.store, partial(self._lease, owner=owner, wish=wish))
        return lease

    def get_lease(self, lease_id: int) -> Lease:
        """The lease of that id. Raises UnknownLease."""
        return self.store.view(lambda view: self.leases.get(view, lease_id))

    def list_leases(self, wanted: LeaseFilter, after: int, limit: int) -> Sequence[Lease]:
        """Leases in order of their ids, beginning behind the id `after`, at most `limit`.

        Raises Invalid for a filter by something that is no address, UnknownPool.
        """
        if wanted.pool is not None:
            self.pools.space(wanted.pool)
        return self.store.view(partial(self._list_leases, wanted=wanted, after=after, limit=limit))

    async def find_leases(self, wanted: LeaseFilter, after: int, limit: int) -> Sequence[Lease]:
        """The same, but aside, so that nobody waits, if all that there are may have to be looked through for it."""
        if wanted == LeaseFilter() or wanted.name is not None or wanted.address is not None:
            return self.list_leases(wanted, after, limit)
        if wanted.pool is not None:
            self.pools.space(wanted.pool)
        return await self.store.apart(lambda view: view.leases(wanted, after, limit))

    async def renew(self, lease_id: int, ttl: int | None, condition: Condition = ALWAYS) -> Lease:
        """Have the lease expire `ttl` seconds from now, None: as many as it was given.

        Raises UnknownLease, PreconditionFailed, or Conflict if an object shows the address and so has to keep it.
        """
        return await self.store.update(partial(self._renew, lease_id=lease_id, ttl=ttl, condition=condition))

    async def release(self, lease_id: int, generation: int | None = None, condition: Condition = ALWAYS) -> None:
        """Give the addresses of a lease back. Its Pod loses them, or goes if a lease made it.

        With `generation` only if the lease is still at it. Raises UnknownLease, PreconditionFailed, or Conflict if it
        is not, or if an object shows the address: then the lease goes with that.
        """
        await self.store.update(partial(self._release, lease_id=lease_id, generation=generation, condition=condition))

    def acquire_in(self, tx: Tx, owner: Owner, wishes: Sequence[Wish]) -> list[tuple[Lease, bool]]:
        """The owner's leases for several wishes (both families, say), each as `lease` has it, in a transaction.

        Two wishes never get one lease.
        """
        found: list[tuple[Lease, bool]] = []
        for wish in wishes:
            found.append(self._lease(tx, owner, wish, [lease.id for lease, _ in found]))
        return found

    def release_in(self, tx: Tx, lease: Lease, reason: str = RELEASED) -> None:
        """Release a lease that is there, as `release` does, in a transaction that does more."""
        self.leases.release(tx, lease, reason)
        if lease.owner.kind == pod_of_lease.POD:
            pod_of_lease.unbind(tx, lease)

    def _renew(self, tx: Tx, lease_id: int, ttl: int | None, condition: Condition) -> Lease:
        lease = self.leases.get(tx, lease_id)
        condition.check(lease.revision)
        check_not_shown(tx, lease)
        return self.leases.renew(tx, lease, ttl)

    def _release(self, tx: Tx, lease_id: int, generation: int | None, condition: Condition = ALWAYS) -> None:
        lease = self.leases.get(tx, lease_id)
        condition.check(lease.revision)
        check_generation(lease, generation)
        check_not_shown(tx, lease)
        self.release_in(tx, lease)

    def _lease(self, tx: Tx, owner: Owner, wish: Wish, apart: Collection[int] = ()) -> tuple[Lease, bool]:
        if wish.node:
            gone_nodes.clear(tx, wish.node)
        if owner.kind != pod_of_lease.POD:
            return self.leases.allocate(tx, owner, wish, apart=apart)
        owner = pod_of_lease.named(owner)
        pod = pod_of_lease.found(tx, owner)
        owner = pod_of_lease.identify(owner, pod, self._random)
        made_pod = pod_of_lease.comes_from_lease(tx, owner, pod)
        lease, is_new = self.leases.allocate(tx, owner, wish, made_pod, apart)
        if is_new and lease.is_single:
            pod_of_lease.bind(tx, lease, pod, self._random)
        return lease, is_new

    def _list_leases(self, view: View, wanted: LeaseFilter, after: int, limit: int) -> Sequence[Lease]:
        if wanted.address is None:
            return view.leases(wanted, after, limit)
        address = read_address(wanted.address)
        single = Cidr(*address, WIDTH[address.family])
        found: list[Lease] = []
        for nested in self.pools.holding(address):
            held = (view.lease_meeting(space.pool.name, single) for space in nested)
            asked = (replace(wanted, address=None, id=lease.id) for lease in held if lease is not None)
            found += islice((lease for each in asked for lease in view.leases(each)), 1)
        return sorted((lease for lease in found if lease.id > after), key=attrgetter("id"))[:limit]


def revision_of(view: View, pool: str) -> int | None:
    """With which revision a pool was changed last; None if there is none of that name."""
    stored = view.get(POOL, "", pool)
    return None if stored is None else stored.revision


def usage(space: Space) -> Usage:
    """How full the space is."""
    return Usage(space.pool, space.capacity, space.used, space.cooling, space.reserved, space.leases)


def check_not_shown(view: View, lease: Lease) -> None:
    """Raise Conflict if the owner is a Kubernetes object that has what is leased in its spec, which cannot change."""
    owner = lease.owner
    if owner.kind == IP_ADDRESS and view.get(owner.kind, "", owner.name) is not None:
        raise Conflict(f"{lease} is kept by {owner}, and goes with it", lease=str(lease.id))
    stored = view.get(owner.kind, owner.namespace, owner.name) if owner.kind in SHOWN else None
    listed = peek(stored_object(stored.body), "spec", SHOWN[owner.kind]) if stored is not None else None
    if isinstance(listed, list) and str(lease) in listed:
        raise Conflict(f"{lease} is in the spec of {owner}, and goes with it", lease=str(lease.id))


def check_labels(labels: dict[str, str]) -> None:
    """Raise Invalid unless these are labels as Kubernetes has them, and not too many."""
    if len(labels) > LABELS:
        raise Invalid(f"{len(labels)} labels are more than {LABELS}")
    for key, value in labels.items():
        if not KEY.fullmatch(key) or not VALUE.fullmatch(value):
            raise Invalid(f"{key}={value} is no label: letters, digits, '-', '_' and '.', 63 at most, are")
