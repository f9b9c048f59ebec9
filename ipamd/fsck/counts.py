"""What the daemon keeps in memory of the store, beside the store: in a transaction, where both are of one moment."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from ipamd.allocator import Space, block_of
from ipamd.errors import OutsidePool
from ipamd.model import POOL, Lease, Pool
from ipamd.pools import Pools
from ipamd.stores import Flaw, Holding, View


def flaws(view: View, pools: Pools) -> Iterator[Flaw]:
    """Where the counts of the pools are not what a recount gives."""
    stored = {each.name: msgspec.json.decode(each.body, type=Pool) for each in view.list(POOL)}
    known = {space.pool.name: space.pool for space in pools}
    for name in sorted(stored.keys() | known.keys()):
        if stored.get(name) != known.get(name):
            yield Flaw("counts", f"pool {name}", "is not in memory what it is in the store")
    leased, cooled = view.leased(), view.cooled()
    leases, used, cooling = numbers(leased), addresses(pools, leased), addresses(pools, cooled)
    for space in pools:
        name = space.pool.name
        recount = {
            "leases": (space.leases, leases[name]),
            "used": (space.used, used[name]),
            "cooling": (space.cooling, cooling[name]),
            "free": (space.free, space.counted()),
        }
        for what, (told, found) in recount.items():
            if told != found:
                yield Flaw("counts", f"pool {name}", f"tells {told} {what}, and there are {found}")
        yield from namespaces(view, pools, space)


def namespaces(view: View, pools: Pools, space: Space) -> Iterator[Flaw]:
    """The same of the leases of every namespace, where there are quotas."""
    if not space.pool.quotas:
        return
    found: Counter[str] = Counter()
    for name in pools.counted_in(space.pool):
        found.update(view.leases_by_namespace(name))
    told = {namespace: count for namespace, count in space.by_namespace.items() if count}
    for namespace in sorted(found.keys() | told.keys()):
        if told.get(namespace, 0) != found[namespace]:
            counts = f"tells {told.get(namespace, 0)} leases, and there are {found[namespace]}"
            yield Flaw("quotas", f"namespace {namespace!r} in pool {space.pool.name}", counts)


def free_leases(pools: Pools, leases: Iterable[Lease]) -> Iterator[Flaw]:
    """Leases whose addresses would be given to somebody else."""
    spaces = {space.pool.name: space for space in pools}
    for lease in leases:
        try:
            if lease.pool in spaces and spaces[lease.pool].has_free(block_of(lease)):
                yield Flaw("counts", f"lease {lease.id} on {lease}", f"is free in pool {lease.pool}")
        except OutsidePool as error:
            yield Flaw("inside-pool", f"lease {lease.id} on {lease}", f"is not in its pool: {error.detail}")


def numbers(held: Iterable[Holding]) -> dict[str, int]:
    """How many blocks are held in each pool."""
    found: dict[str, int] = defaultdict(int)
    for each in held:
        found[each.pool] += each.blocks
    return found


def addresses(pools: Pools, held: Iterable[Holding]) -> dict[str, int]:
    """How many addresses are held in each pool."""
    widths = {space.pool.name: space.width for space in pools}
    found: dict[str, int] = defaultdict(int)
    for pool, length, count in held:
        if pool in widths:
            found[pool] += count << (widths[pool] - length)
    return found
