"""What Docker shows is compared with what is leased: names are kept in step, what nobody has is collected, and what
Docker has but nobody leased is taken over.

Strategy: dockerd repeats a request whose reply got lost, but without its body, so what was leased for it belongs to
nobody; a daemon that is killed may leave more. Whatever is done is done once two looks, a grace apart, have seen reason
for it, and if nothing happened to the lease in between. What hosts have in common is left alone: one of them does not
show what the others have. Docker's events say when to look; without any it is looked now and then.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from random import Random
from typing import NamedTuple, TypeVar

from ipamd.docker import endpoints, names, networks
from ipamd.docker.adopting import Unknown, doubted, unknown_in
from ipamd.docker.driver import Driver
from ipamd.docker.engine import Engine, Sighting
from ipamd.docker.messages import GLOBAL
from ipamd.errors import DockerError, IpamError
from ipamd.events import Events
from ipamd.model import Lease
from ipamd.stores import Store, Tx

COLLECTED = "not at Docker"  # why a lease has ended that nobody has
PERIOD = 15.0  # seconds between two looks, if nothing happens
SETTLE = 0.05  # seconds that events are let come before a look


class Absent(NamedTuple):
    """What was not found at Docker: a lease at a generation, or a network (with neither)."""

    identifier: str
    lease: int = 0
    generation: int = 0


K = TypeVar("K", Absent, Unknown)

Heard = Callable[[str, frozenset[str]], None]
"""Who is told what there is: under a PoolID, all endpoints by the names of the owners of their leases."""


class Compared(NamedTuple):
    """What came of a look: what was not found on either side, since when; what was collected, in words; what is there.

    `present` are the names of the owners of leases, by PoolID.
    """

    absent: dict[Absent, float]
    unknown: dict[Unknown, float]
    collected: list[str]
    present: dict[str, frozenset[str]]


class Witness:
    """Compares, over the store of a driver. `clock` is in seconds, from anywhere; so is `grace`.

    `heard` gets what every look has found.
    """

    def __init__(
        self,
        store: Store,
        driver: Driver,
        heard: Heard,
        events: Events,
        random: Random,
        clock: Callable[[], float],
        grace: float,
    ) -> None:
        self._store = store
        self._driver = driver
        self._heard = heard
        self._events = events
        self._random = random
        self._clock = clock
        self._grace = grace
        self._absent: dict[Absent, float] = {}  # since when
        self._unknown: dict[Unknown, float] = {}
        self._named: frozenset[str] | None = None  # the networks in which containers had names; None before any look
        self._news = asyncio.Event()

    async def run(self, engine: Engine | None) -> None:
        """Look again and again; without an engine only what is of no use any more is taken away. Ends never."""
        if engine is None:
            await self._keep_looking(None)
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(engine))
            group.create_task(self._keep_looking(engine))

    async def compare(self, sighting: Sighting) -> None:
        """Name what was seen, collect what was not, and take over what is not known, each for long enough.

        Raises StoreFull, StoreUnavailable.
        """
        now = self._clock()
        compared = await self._store.update(partial(self._compare, sighting=sighting, now=now))
        for what in compared.collected:
            self._events.tell("reconciled", "Docker", f"{what} is free: {COLLECTED}")
        for identifier, owners in compared.present.items():
            self._heard(identifier, owners)
        due = [*self._due(compared.unknown, self._unknown, now)]
        self._absent, self._unknown = compared.absent, compared.unknown
        self._named = sighting.networks
        self._driver.doubted = doubted(compared.unknown)
        for unknown in due:
            pool = sighting.pools[unknown.identifier].request
            with suppress(IpamError, DockerError):  # what cannot be had now is tried at the next look
                await self._store.update(partial(self._driver.adopt, unknown=unknown, pool=pool))
                self._events.tell("reconciled", "Docker", f"{unknown} is leased: Docker has it")

    async def _listen(self, engine: Engine) -> None:
        async for _ in engine.events():
            self._news.set()

    async def _keep_looking(self, engine: Engine | None) -> None:
        while True:
            sighting = None if engine is None else await engine.look()
            with suppress(IpamError):
                if sighting is not None:
                    await self.compare(sighting)
                await self._store.update(self._driver.networks.sweep)
            is_soon = self._absent or self._unknown
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), min(PERIOD, self._grace) if is_soon else PERIOD)
                await asyncio.sleep(SETTLE)
            self._news.clear()

    def _compare(self, tx: Tx, sighting: Sighting, now: float) -> Compared:
        held = {key: endpoints.leases_of(tx, key, record) for key, record in networks.records(tx).items()}
        missing = [each for key, leases in held.items() for each in missing_in(key, leases, sighting)]
        strange = (each for key, seen in sighting.pools.items() for each in unknown_in(key, seen, held.get(key)))
        absent, unknown = since(missing, self._absent, now), since(strange, self._unknown, now)
        due = {*self._due(absent, self._absent, now)}
        collected = [what for each in due if (what := self._collect(tx, each))]
        named = {
            (key, lease.address): lease
            for key, leases in held.items()
            for lease in leases
            if endpoints.is_container(lease)
        }
        names.tidy(tx, None if self._named is None else self._named | sighting.networks, named.values())
        for each in sighting.named:
            names.name(tx, named, each, self._random)
        left = {each: when for each, when in absent.items() if each not in due}
        return Compared(left, unknown, collected, present_in(held, missing))

    def _due(self, found: Mapping[K, float], before: Mapping[K, float], now: float) -> Iterator[K]:
        """What two looks, a grace apart, have found."""
        return (each for each, when in found.items() if each in before and now - when >= self._grace)

    def _collect(self, tx: Tx, absent: Absent) -> str:
        """Collect it, and say what it was; nothing if it is another lease by now."""
        if not absent.lease:
            self._driver.forget_network(tx, absent.identifier, COLLECTED)
            return f"the network {absent.identifier}"
        lease = tx.lease(absent.lease)
        if lease is None or lease.generation != absent.generation:
            return ""
        self._driver.release(tx, lease, COLLECTED)
        return f"{lease} of {lease.owner}"


def since(found: Iterable[K], before: Mapping[K, float], now: float) -> dict[K, float]:
    """Since when there is what was found."""
    return {each: before.get(each, now) for each in found}


def missing_in(identifier: str, held: list[Lease], sighting: Sighting) -> list[Absent]:
    """What of a network was not seen: itself, or leases of containers. Of one of many hosts that says nothing."""
    if identifier.startswith(f"{GLOBAL}/"):
        return []
    seen = sighting.pools.get(identifier)
    if seen is None:
        return [Absent(identifier)]
    leases = (lease for lease in held if endpoints.is_container(lease) and lease.address not in seen.containers)
    return [Absent(identifier, lease.id, lease.generation) for lease in leases]


def present_in(held: Mapping[str, list[Lease]], missing: Iterable[Absent]) -> dict[str, frozenset[str]]:
    """The owners of the leases that are not missing, by PoolID; but for networks of many hosts."""
    gone = {(each.identifier, each.lease) for each in missing}
    return {
        key: frozenset(each.owner.name for each in leases if not {(key, each.id), (key, 0)} & gone)
        for key, leases in held.items()
        if not key.startswith(f"{GLOBAL}/")
    }
