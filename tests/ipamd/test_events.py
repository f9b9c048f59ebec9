"""Events are numbered, bounded and counted; a pool tells when it fills up, once a level."""

import pytest
from msgspec.structs import replace

from ipamd.events import KEPT, Events, Fullness
from ipamd.model import Owner, Pool, Wish
from ipamd.service import Service
from tests.ipamd.clock import Clock

TEN = Pool("ten", ("10.9.0.0/24",), cooldown=600, ranges=("10.9.0.10-10.9.0.19",))


@pytest.fixture
def events(service: Service, clock: Clock) -> Events:
    """The events of the pools of `service`."""
    made = Events(clock)
    service.store.listen(Fullness(service.pools, made).committed)
    return made


async def take(service: Service, count: int) -> list[int]:
    """Lease so many addresses of the pool `ten`; the ids of the leases."""
    leases = [await service.lease(Owner("Box", str(number)), Wish(pool="ten")) for number in range(count)]
    return [lease.id for lease, _ in leases]


def told(events: Events) -> list[tuple[str, str]]:
    return [(each.kind, each.text.partition(" of ")[0]) for each in events.after(0)]


async def test_a_pool_tells_at_80_90_and_100_percent_and_when_it_falls_below(
    service: Service, events: Events, clock: Clock
) -> None:
    await service.create_pool(TEN)
    ids = await take(service, 7)
    assert told(events) == []

    ids = await take(service, 10)
    assert told(events) == [("filling", "80 %"), ("filling", "90 %"), ("exhausted", "100 %")]
    await service.release(ids[0])  # it cools, so nothing is free yet
    assert len(told(events)) == 3
    clock.now += TEN.cooldown + 1
    await service.store.update(service.leases.thaw)

    [last] = events.after(3)
    assert (last.kind, last.subject) == ("emptying", "pool ten")
    assert last.text == "less than 100 % of 10 addresses: 9 used, 0 cooling, 1 free"
    assert events.counts == {"filling": 2, "exhausted": 1, "emptying": 1}


async def test_a_pool_that_grows_or_shrinks_tells_at_once(service: Service, events: Events) -> None:
    await service.create_pool(TEN)
    await take(service, 10)

    await service.replace_pool(replace(TEN, ranges=("10.9.0.10-10.9.0.29",)))
    await service.replace_pool(replace(TEN, ranges=("10.9.0.10-10.9.0.20",)))

    assert told(events)[3:] == [("emptying", "less than 100 %"), ("filling", "90 %")]


async def test_a_pool_that_is_made_again_begins_anew(service: Service, events: Events) -> None:
    await service.create_pool(TEN)
    for identifier in await take(service, 8):
        await service.release(identifier)
    await service.delete_pool("ten")

    await service.create_pool(TEN)

    assert told(events) == [("filling", "80 %")]


def test_old_events_are_forgotten_and_stay_counted(clock: Clock) -> None:
    events = Events(clock)
    for number in range(KEPT + 5):
        events.tell("reconciled", f"lease {number}", "")

    assert [each.number for each in events.after(KEPT + 2)] == [KEPT + 3, KEPT + 4, KEPT + 5]
    assert len([*events.after(0)]) == KEPT
    assert events.counts["reconciled"] == KEPT + 5
