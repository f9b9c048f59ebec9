"""Leases for a time: they end when their time has come, and not before."""

import asyncio
import json

from ipamd.expiry import SLICE, Expiry
from ipamd.model import Owner, Wish
from ipamd.service import Service
from tests.ipamd.clock import Clock


async def test_a_lease_goes_when_its_time_has_come(service: Service, clock: Clock) -> None:
    expiry = Expiry(service.store, service.release_in, clock)
    await service.lease(Owner("Container", "short"), Wish(pool="pods", ttl=10))
    await service.lease(Owner("Pod", "pod", "shop"), Wish(pool="pods", ttl=20))
    await service.lease(Owner("Container", "ever"), Wish(pool="pods"))

    clock.now += 9.9
    await expiry.expire()
    assert service.pool("pods").leases == 3
    clock.now += 0.1
    await expiry.expire()
    assert service.pool("pods").leases == 2
    clock.now += 100
    await expiry.expire()
    assert service.pool("pods").leases == 1
    assert service.store.view(lambda view: view.get("Pod", "shop", "pod")) is None


async def test_the_end_of_a_lease_is_in_the_log(service: Service, clock: Clock) -> None:
    await service.lease(Owner("Container", "c"), Wish(pool="pods", ttl=10))
    clock.now += 10
    await Expiry(service.store, service.release_in, clock).expire()

    last = service.store.changes(0, {"Lease"}, 10).rows[-1]
    assert (last.op, last.time, json.loads(last.body)["expires"]) == ("DELETED", clock.now, clock.now)


async def test_many_leases_end_in_slices(service: Service, clock: Clock) -> None:
    wishes = (service.lease(Owner("Container", f"c{n}"), Wish(pool="pods", ttl=1)) for n in range(2 * SLICE + 1))
    await asyncio.gather(*wishes)
    clock.now += 1
    commits: list[int] = []
    service.store.listen(lambda changes, seconds: commits.append(len(changes)))
    await Expiry(service.store, service.release_in, clock).expire()

    assert commits == [SLICE, SLICE, 1]
    assert service.pool("pods").used == 0


async def test_who_asks_again_after_the_end_and_before_the_release_has_the_lease_renewed(
    service: Service, clock: Clock
) -> None:
    lease, _ = await service.lease(Owner("Container", "c"), Wish(pool="pods", ttl=10))
    clock.now += 11
    again, is_new = await service.lease(Owner("Container", "c"), Wish(pool="pods", ttl=10))
    await Expiry(service.store, service.release_in, clock).expire()

    assert (again.id, again.expires, is_new) == (lease.id, clock.now + 10, False)
    assert service.get_lease(lease.id) == again


async def test_the_loop_wakes_for_a_lease_that_ends_sooner(service: Service, clock: Clock) -> None:
    expiry = Expiry(service.store, service.release_in, clock)
    running = asyncio.create_task(expiry.run())
    released = asyncio.Event()
    service.store.listen(lambda changes, _: released.set() if "DELETED" in {c.op for c in changes} else None)
    await service.lease(Owner("Container", "late"), Wish(pool="pods", ttl=1_000_000))
    clock.now += 5
    await service.lease(Owner("Container", "soon"), Wish(pool="pods", ttl=1))
    clock.now += 1
    await service.lease(Owner("Container", "wakes"), Wish(pool="pods", ttl=1_000_000))

    await asyncio.wait_for(released.wait(), 10)
    running.cancel()

    assert service.pool("pods").leases == 2
