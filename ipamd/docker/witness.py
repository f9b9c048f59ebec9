"""What Docker shows is compared with what it was given: names are kept in step, and what nobody has is collected.

Strategy: dockerd repeats a request whose reply got lost, but without its body, so what was leased for it belongs to
nobody; a daemon that is killed may leave more. A lease is collected once two looks, a grace apart, have not found it at
Docker, and if nothing was done to it in between. What hosts have in common is left alone: one of them does not show
what the others have. Docker's events say when to look; without any it is looked now and then.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from random import Random
from typing import NamedTuple

from ipamd.docker import endpoints, names, networks
from ipamd.docker.driver import Driver
from ipamd.docker.engine import Engine, Sighting
from ipamd.docker.messages import GLOBAL
from ipamd.errors import IpamError
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


class Compared(NamedTuple):
    """What came of a look: what was not found, since when, and what was collected, in words."""

    absent: dict[Absent, float]
    collected: list[str]


class Witness:
    """Compares, over the store of a driver. `clock` is in seconds, from anywhere; so is `grace`."""

    def __init__(
        self, store: Store, driver: Driver, events: Events, random: Random, clock: Callable[[], float], grace: float
    ) -> None:
        self._store = store
        self._driver = driver
        self._events = events
        self._random = random
        self._clock = clock
        self._grace = grace
        self._absent: dict[Absent, float] = {}  # since when
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
        """Name what was seen, and collect what was not for long enough. Raises StoreFull, StoreUnavailable."""
        compared = await self._store.update(partial(self._compare, sighting=sighting, now=self._clock()))
        self._absent = compared.absent
        for what in compared.collected:
            self._events.tell("reconciled", "Docker", f"{what} is free: {COLLECTED}")

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
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), min(PERIOD, self._grace) if self._absent else PERIOD)
                await asyncio.sleep(SETTLE)
            self._news.clear()

    def _compare(self, tx: Tx, sighting: Sighting, now: float) -> Compared:
        absent: dict[Absent, float] = {}
        leases: dict[tuple[str, str], Lease] = {}
        for identifier, record in networks.records(tx).items():
            held = endpoints.leases_of(tx, identifier, record)
            missing = missing_in(identifier, held, sighting.addresses)
            absent |= {each: self._absent.get(each, now) for each in missing}
            leases |= {(identifier, lease.address): lease for lease in held if endpoints.is_container(lease)}
        due = [each for each, since in absent.items() if now - since >= self._grace and each in self._absent]
        collected = [what for each in due if (what := self._collect(tx, each))]
        names.tidy(tx, [named.network for named in sighting.named], leases.values())
        for named in sighting.named:
            names.name(tx, leases, named, self._random)
        return Compared({each: since for each, since in absent.items() if each not in due}, collected)

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


def missing_in(identifier: str, held: list[Lease], seen: Mapping[str, frozenset[str]]) -> list[Absent]:
    """What of a network was not seen: itself, or leases of containers. Of one of many hosts that says nothing."""
    if identifier.startswith(f"{GLOBAL}/"):
        return []
    if identifier not in seen:
        return [Absent(identifier)]
    leases = (lease for lease in held if endpoints.is_container(lease) and lease.address not in seen[identifier])
    return [Absent(identifier, lease.id, lease.generation) for lease in leases]
