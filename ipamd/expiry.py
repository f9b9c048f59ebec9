"""Leases for a time come to their end, and what the store keeps for a time goes.

Strategy: sleep until the earliest lease expires, or until a commit brings one that may expire sooner; then release what
is due, a slice in a transaction, so that a mass expiry never holds up a lease. Addresses that have cooled, replies to
requests that may be repeated and the history are looked after at leisure, in slices as well.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from ipamd.errors import IpamError
from ipamd.model import LEASE, Lease
from ipamd.stores import Change, Store, Tx, View

SLICE = 100  # leases in one transaction
RETRY = 1.0  # seconds until the next try after the store failed
LEISURE = 5.0  # seconds between two looks at what need not go at once
FOREVER = float("inf")


class Expiry:
    """Releases the leases of a store, by `release`, when `clock` (seconds since the epoch) has come to their end.

    A lease that was not renewed in time is kept for `grace` seconds more.
    """

    def __init__(
        self, store: Store, release: Callable[[Tx, Lease], None], clock: Callable[[], float], grace: int = 0
    ) -> None:
        self._store = store
        self._release = release
        self._clock = clock
        self._grace = grace
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
        leases = tx.expiring(tx.now - self._grace, SLICE)
        for lease in leases:
            self._release(tx, lease)
        return len(leases)

    def _until_next(self, view: View) -> float | None:
        """Seconds until the next lease expires; None if none will."""
        leases = view.expiring(FOREVER, 1)
        if not leases or leases[0].expires is None:
            return None
        return max(0.0, leases[0].expires + self._grace - self._clock())

    def _committed(self, changes: Sequence[Change], _seconds: float) -> None:
        if any(change.kind == LEASE and b'"expires":' in change.body for change in changes):
            self._sooner.set()


class Upkeep:
    """Frees what has cooled, by `thaw`, and forgets replies and history that were kept long enough.

    `thaw` takes a transaction and a number of blocks, and returns how many it freed. `history` is in seconds.
    """

    def __init__(self, store: Store, thaw: Callable[[Tx, int], int], history: float) -> None:
        self._store = store
        self._thaw = thaw
        self._history = history

    async def look(self) -> None:
        """Do what is due now. Raises StoreFull or StoreUnavailable."""
        while await self._store.update(self._slice):
            pass

    async def run(self) -> None:
        """Look again and again. Ends only when cancelled."""
        while True:
            with suppress(IpamError):
                await self.look()
            await asyncio.sleep(LEISURE)

    def _slice(self, tx: Tx) -> bool:
        """Do a part of what is due, and tell whether there may be more."""
        done = (
            self._thaw(tx, SLICE),
            tx.forget_replies(tx.now, SLICE),
            tx.forget_history(tx.now - self._history, SLICE),
        )
        return SLICE in done
