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

from ipamd.cni.attachments import detach
from ipamd.errors import IpamError
from ipamd.events import Events
from ipamd.service import Service
from ipamd.stores import Tx, View
from ipamd.witnesses import Report, Reports, Subject, Suspect, holder, suspects, why_gone

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
        self._since: dict[tuple[int, int], float] = {}  # by id and generation of the lease

    @property
    def old_because(self) -> str:
        """Why the store is an old copy of itself; empty if it is none."""
        return self._service.store.old_because

    def report(self, subject: Subject, names: frozenset[str]) -> None:
        """Take a list of all owners that there are of a subject now."""
        self._reports.take(subject, Report(names, self._clock()))

    async def look(self) -> list[Decision]:
        """Compare, and tell what is suspected; frees nothing. Raises StoreUnavailable."""
        found = await self._service.store.apart(partial(listed, reports=self._reports, now=self._clock()))
        before = self._since
        keys = [(each.lease.id, each.lease.generation) for each in found]
        self._since = {key: before.get(key, each.word.seen) for key, each in zip(keys, found, strict=True)}
        return [self._decide(each, self._since[key]) for key, each in zip(keys, found, strict=True)]

    def suspected(self) -> tuple[int, float]:
        """How many leases were suspected at the last look, and for how many seconds the first of them is by now."""
        since = min(self._since.values(), default=None)
        return len(self._since), 0.0 if since is None else max(0.0, self._clock() - since)

    async def free(self) -> tuple[list[Decision], list[Suspect]]:
        """Compare, and free what is due: what is suspected still, and what was freed. Raises StoreFull as well."""
        decisions = await self.look()
        due = [] if self.old_because else [each.suspect for each in decisions if each.is_due]
        freed: list[Suspect] = []
        for start in range(0, len(due), SLICE):
            freed += await self._service.store.update(partial(self._free, due=due[start : start + SLICE]))
        for lease, word in freed:
            self._events.tell("reconciled", f"lease {lease.id}", f"{lease} of {lease.owner} is free: {word.why}")
            self._since.pop((lease.id, lease.generation), None)
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

    def _decide(self, suspect: Suspect, since: float) -> Decision:
        return Decision(suspect, since, suspect.word.seen - since >= self.grace)

    def _free(self, tx: Tx, due: Sequence[Suspect]) -> list[Suspect]:
        return [each for each in due if self._free_one(tx, each)]

    def _free_one(self, tx: Tx, suspect: Suspect) -> bool:
        """Free a lease if it is still the one that was suspected, and its owner still said to be gone."""
        lease = tx.lease(suspect.lease.id)
        if (
            lease is None
            or lease.generation != suspect.lease.generation
            or not lease.owner.is_same(suspect.lease.owner)
        ):
            return False
        word = why_gone(tx, lease, self._reports, tx.now)
        if word is None:
            return False
        reason = f"reconciled: {word.why}"
        key = holder(tx, lease.owner)
        if key is not None:
            detach(tx, self._service, key, reason)
        if tx.lease(lease.id) is not None:
            self._service.release_in(tx, lease, reason)
        return True


def listed(view: View, reports: Reports, now: float) -> list[Suspect]:
    """All suspects of a state."""
    return [*suspects(view, reports, now)]


def accept_age(tx: Tx) -> None:
    """Have an old copy go on as the store."""
    tx.accept_age()
