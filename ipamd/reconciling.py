"""Leases whose owners are gone are freed, once that is certain enough.

Strategy: a lease is due when its owner was said to be gone at two times that lie a grace apart, and nothing was heard
to the contrary in between. It is freed in a transaction that asks once more, of the very lease at the very generation:
who got or renewed it meanwhile keeps it. From an old copy of the store nothing is freed before its age is accepted.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from ipamd import gone_nodes
from ipamd.cni.attachments import detach
from ipamd.errors import IpamError
from ipamd.events import Events
from ipamd.service import Service
from ipamd.stores import Tx
from ipamd.witnesses import Known, Look, Report, Reports, Subject, Suspect, Word, holder, look_through, why_gone

PERIOD = 60.0  # seconds between two looks
SLICE = 100  # leases freed in one transaction


class Decision(NamedTuple):
    """A suspect, since when it is one (seconds since the epoch), and whether it is due to be freed."""

    suspect: Suspect
    since: float
    is_due: bool


class Reconciler:
    """Compares the leases of a service with what is known of their owners.

    `clock` gives seconds since the epoch; `grace` is how many seconds lie between the two words that free a lease.
    """

    def __init__(self, service: Service, events: Events, clock: Callable[[], float], grace: float) -> None:
        self.grace = grace
        self._service = service
        self._events = events
        self._clock = clock
        self._reports = Reports()
        self._calls: dict[str, float] = {}  # when each node called last
        self._since: dict[tuple[int, int], float] = {}  # by id and generation of the lease

    @property
    def old_because(self) -> str:
        """Why the store is an old copy of itself; empty if it is none."""
        return self._service.store.old_because

    async def report(self, subject: Subject, names: frozenset[str]) -> None:
        """Take a list of all owners that there are of a subject now. Raises StoreFull, StoreUnavailable."""
        store, node = self._service.store, subject.node
        if node and store.view(partial(gone_nodes.is_gone, name=node)):
            await store.update(partial(gone_nodes.clear, name=node))
        self.heard(subject, names)

    def heard(self, subject: Subject, names: frozenset[str]) -> None:
        """The same, of a list whose node is known to be there."""
        self._reports.take(subject, Report(names, self._clock()))

    def called(self, node: str) -> None:
        """Take note that a node has called, whatever for."""
        self._calls[node] = self._clock()

    async def look(self) -> list[Decision]:
        """Compare, and tell what is suspected; frees nothing. Raises StoreUnavailable."""
        return self._decisions(await self._look())

    def suspected(self) -> tuple[int, float]:
        """How many leases were suspected at the last look, and for how many seconds the first of them is by now."""
        since = min(self._since.values(), default=None)
        return len(self._since), 0.0 if since is None else max(0.0, self._clock() - since)

    async def free(self) -> tuple[list[Decision], list[Suspect]]:
        """Compare, and free what is due: what is suspected still, and what was freed. Raises StoreFull as well."""
        look = await self._look()
        decisions = self._decisions(look)
        due = [] if self.old_because else [each for each in decisions if each.is_due]
        freed: list[Suspect] = []
        for start in range(0, len(due), SLICE):
            freed += await self._service.store.update(partial(self._free, due=due[start : start + SLICE]))
        for lease, word in freed:
            self._events.tell("reconciled", f"lease {lease.id}", f"{lease} of {lease.owner} is free: {word.why}")
            self._since.pop((lease.id, lease.generation), None)
        await self._settle(look)
        gone = {each.lease.id for each in freed}
        return [each for each in decisions if each.suspect.lease.id not in gone], freed

    async def accept_age(self) -> None:
        """Have an old copy of the store go on. What was suspected before is forgotten."""
        reason = self.old_because
        if reason:
            await self._service.store.update(accept_age)
            self._since.clear()
            self._events.tell("rolled-back", "the store", f"an old copy goes on: {reason}")

    async def run(self) -> None:
        """Free what is due, again and again. Ends only when cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            with suppress(IpamError):
                await self.free()

    async def _look(self) -> Look:
        calls = {**self._calls}
        now = self._clock()
        look = await self._service.store.apart(partial(look_through, reports=self._reports, calls=calls, now=now))
        for node, when in calls.items():
            if node not in look.silent and self._calls.get(node) == when:
                del self._calls[node]
        return look

    def _decisions(self, look: Look) -> list[Decision]:
        keys = [(each.lease.id, each.lease.generation) for each in look.suspects]
        before = self._since
        self._since = {
            key: max(before.get(key, each.word.seen), each.word.after)
            for key, each in zip(keys, look.suspects, strict=True)
        }
        return [
            Decision(each, self._since[key], self._is_due(each.word, self._since[key]))
            for key, each in zip(keys, look.suspects, strict=True)
        ]

    def _is_due(self, word: Word, since: float) -> bool:
        return word.seen - max(since, word.after) >= self.grace

    async def _settle(self, look: Look) -> None:
        """Forget the gone nodes that have nothing any more, once they have been silent for long enough."""
        if look.empty and not self.old_because:
            await self._service.store.update(partial(self._forget_nodes, look=look))

    def _forget_nodes(self, tx: Tx, look: Look) -> None:
        silent = gone_nodes.silent(tx, self._calls)
        over = {node for node in look.empty if node in silent and tx.now - silent[node] >= self.grace}
        for key, node in look.idle:
            if node in over:
                detach(tx, self._service, key)
        for node in over:
            gone_nodes.clear(tx, node)

    def _free(self, tx: Tx, due: Sequence[Decision]) -> list[Suspect]:
        known = Known(self._reports, gone_nodes.silent(tx, self._calls), tx.now)
        return [each.suspect for each in due if self._free_one(tx, each, known)]

    def _free_one(self, tx: Tx, decision: Decision, known: Known) -> bool:
        """Free a lease if it is still the one that was suspected, and its owner still said to be gone."""
        suspect, lease = decision.suspect, tx.lease(decision.suspect.lease.id)
        if (
            lease is None
            or lease.generation != suspect.lease.generation
            or not lease.owner.is_same(suspect.lease.owner)
        ):
            return False
        word = why_gone(tx, lease, known)
        if word is None or not self._is_due(word, decision.since):
            return False
        reason = f"reconciled: {word.why}"
        key = holder(tx, lease.owner)
        if key is not None:
            detach(tx, self._service, key, reason)
        if tx.lease(lease.id) is not None:
            self._service.release_in(tx, lease, reason)
        return True


def accept_age(tx: Tx) -> None:
    """Have an old copy go on as the store. What it has noted of nodes may not be so any more."""
    tx.accept_age()
    gone_nodes.clear_all(tx)
