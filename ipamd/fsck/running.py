"""The checks of a daemon that runs, while it serves.

Strategy: what is stored is checked in a thread, on a state that stays. What is in memory is compared with the store in
transactions: the counts in one, and in slices that every lease stands where nobody else is given an address.
"""

from functools import partial

from ipamd.fsck import Finding, check, counts, finding
from ipamd.model import LeaseFilter
from ipamd.pools import Pools
from ipamd.service import Service
from ipamd.stores import Flaw, Tx, View

SLICE = 2000  # leases in one transaction


async def check_running(service: Service) -> list[Finding]:
    """Every invariant, of the store and of what is kept of it. Raises StoreUnavailable."""
    old = service.store.old_because
    past = [finding(Flaw("own-past", "the store", f"is an old copy of itself: {old}"))] if old else []
    return [*past, *await service.store.apart(found), *await found_running(service)]


async def found_running(service: Service) -> list[Finding]:
    """What is wrong with what is in memory."""
    flaws = await service.store.update(partial(count, pools=service.pools))
    after = 0
    while True:
        found_here, after = await service.store.update(partial(count_slice, pools=service.pools, after=after))
        flaws += found_here
        if not after:
            return [*map(finding, flaws)]


def found(view: View) -> list[Finding]:
    """What is wrong with what is stored."""
    return [*check(view)]


def count(tx: Tx, pools: Pools) -> list[Flaw]:
    """What is wrong with the counts."""
    return [*counts.flaws(tx, pools)]


def count_slice(tx: Tx, pools: Pools, after: int) -> tuple[list[Flaw], int]:
    """What is wrong with the leases behind an id, and the id behind which to go on; 0 at the end."""
    leases = tx.leases(LeaseFilter(), after, SLICE)
    return [*counts.free_leases(pools, leases)], leases[-1].id if len(leases) == SLICE else 0
