"""Leases for a time come to their end.

Strategy: sleep until the earliest lease expires, or until a commit brings one that may expire sooner; then release what
is due, a slice in a transaction, so that a mass expiry never holds up a lease.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from ipamd.errors import IpamError
from ipamd.model import LEASE, Lease
from ipamd.stores import Change, Store, Tx, View

SLICE = 100  # leases in one transaction
RETRY = 1.0  # seconds until the next try after the store failed
FOREVER = float("inf")


class Expiry:
    """Releases the leases of a store, by `release`, when `clock` (seconds since the epoch) has come to their end."""

    def __init__(self, store: Store, release: Callable[[Tx, Lease], None], clock: Callable[[], float]) -> None:
        self._store = store
        self._release = release
        self._clock = clock
        self._sooner = asyncio.Event()
        store.listen(self._committed)

    async def expire(self) -> None:
        """Release every lease that is due. Raises StoreFull or StoreUnavailable."""
        while await self._store.update(self._expire_slice) == SLICE:
            pass

    async def run(self) -> None:
        """Release leases as their time comes. Ends only when cancelled."""
        while True:
            self._sooner.clear()
            wait: float | None = RETRY
            with suppress(IpamError):
                await self.expire()
                wait = self._store.view(self._until_next)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sooner.wait(), wait)

    def _expire_slice(self, tx: Tx) -> int:
        leases = tx.expiring(tx.now, SLICE)
        for lease in leases:
            self._release(tx, lease)
        return len(leases)

    def _until_next(self, view: View) -> float | None:
        """Seconds until the next lease expires; None if none will."""
        leases = view.expiring(FOREVER, 1)
        return max(0.0, leases[0].expires - self._clock()) if leases and leases[0].expires is not None else None

    def _committed(self, changes: Sequence[Change], _seconds: float) -> None:
        if any(change.kind == LEASE and b'"expires":' in change.body for change in changes):
            self._sooner.set()
