"""The log of changes as its readers see it: a cursor, a wake-up, and an end behind which nothing is kept.

Strategy: readers pull. A watcher holds a revision, asks for the changes behind it, and waits until there are more; so a
slow one holds nobody up, nothing is queued for it, and one that is too slow finds its revision compacted away and lists
again. The newest changes are kept in memory, since that is where nearly all watchers are; the rest is read from the
store. A waiter is woken only by a change of a kind that it asked for.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

from ipamd.errors import Compacted, IpamError
from ipamd.stores import Change, Changes, Store, Tx

TAIL_ROWS = 1024  # changes in memory at most
TAIL_OCTETS = 8 << 20  # and the JSON in them
SLICE = 250  # rows that one compaction takes away, so that it never holds up a lease


class Log:
    """The changes of a store. `retention` is how many rows are kept for those who are behind."""

    def __init__(self, store: Store, retention: int) -> None:
        self._store = store
        self._retention = retention
        self._last = store.last_changes()
        self._tail: deque[Change] = deque()
        self._octets = 0
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._overdue = asyncio.Event()
        self.is_closed = False
        store.listen(self._committed)

    @property
    def revision(self) -> int:
        """The last committed revision."""
        return self._store.revision

    def changes(self, since: int, kinds: Collection[str], limit: int = 500) -> Changes:
        """The changes behind revision `since` to objects of these kinds, at most `limit`.

        The next call goes on from `upto`. Raises Compacted if some of them are no longer kept.
        """
        if since < self._store.compacted:
            gone = self._store.compacted
            raise Compacted(f"revision {since} is gone, the log begins behind {gone}", compacted=gone)
        if not self._has_news(since, kinds):
            return Changes((), max(since, self.revision))
        if not self._tail or since + 1 < self._tail[0].revision:
            return self._store.changes(since, kinds, limit)
        behind = islice(self._tail, since + 1 - self._tail[0].revision, None)  # revisions have no gaps
        rows = list(islice((change for change in behind if change.kind in kinds), limit))
        return Changes(rows, rows[-1].revision if len(rows) == limit else self._tail[-1].revision)

    async def wait(self, since: int, kinds: Collection[str]) -> None:
        """Return once there is a change behind `since` to an object of these kinds, or the log is closed."""
        if self.is_closed or self._has_news(since, kinds):
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for kind in kinds:
            self._waiting.setdefault(kind, set()).add(woken)
        try:
            await woken
        finally:
            for kind in kinds:
                self._waiting[kind].discard(woken)

    async def run(self) -> None:
        """Compact the log in slices whenever it has grown beyond the retention. Ends only when cancelled."""
        while True:
            await self._overdue.wait()
            self._overdue.clear()
            with suppress(IpamError):  # a full disk: the next commit that succeeds makes it overdue again
                await self._compact()

    def close(self) -> None:
        """Wake every waiter for good, so that watches end."""
        self.is_closed = True
        for kind in list(self._waiting):
            self._wake(kind)

    async def _compact(self) -> None:
        while (beyond := self.revision - self._retention - self._store.compacted) > 0:
            await self._store.update(partial(compact, upto=self._store.compacted + min(beyond, SLICE)))

    def _has_news(self, since: int, kinds: Collection[str]) -> bool:
        return any(self._last.get(kind, 0) > since for kind in kinds)

    def _committed(self, changes: Sequence[Change], _seconds: float) -> None:
        for change in changes:
            self._last[change.kind] = change.revision
        for change in self._fitting(changes)[-TAIL_ROWS:]:
            self._tail.append(change)
            self._octets += weight(change)
        while len(self._tail) > TAIL_ROWS or self._octets > TAIL_OCTETS:
            self._octets -= weight(self._tail.popleft())
        for kind in {change.kind for change in changes}:
            self._wake(kind)
        if self.revision - self._retention - self._store.compacted >= SLICE:
            self._overdue.set()

    def _fitting(self, changes: Sequence[Change]) -> Sequence[Change]:
        """The changes, if they go on where the tail ends; if not, none, and the tail begins anew with the next."""
        before = self._tail[-1].revision if self._tail else changes[0].revision - 1 if changes else 0
        if not changes or changes[-1].revision == before + len(changes):
            return changes
        self._tail.clear()  # an old copy of the store went on with revisions that were never reached
        self._octets = 0
        return ()

    def _wake(self, kind: str) -> None:
        for waiter in self._waiting.get(kind, ()):
            if not waiter.done():
                waiter.set_result(None)


def compact(tx: Tx, upto: int) -> None:
    """Forget the changes up to and including revision `upto`."""
    tx.compact(upto)


def weight(change: Change) -> int:
    """The octets of JSON in a change."""
    return len(change.body) + len(change.previous or b"")
