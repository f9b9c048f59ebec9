"""What is given back cools: only its last owner gets it again until no cache can name him any more."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from ipamd.errors import Cools, Exhausted, Taken
from ipamd.log import Log
from ipamd.model import Owner, Pool, Reservation, Wish
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock
from tests.ipamd.using import acquire, release_all

WEB, DB, OTHER = (Owner("Container", name) for name in ("web", "db", "other"))
TTL = 30  # seconds
TWO = Pool("two", ("10.0.0.0/30",))  # 10.0.0.2 is all that it can give


def opened(directory: Path, clock: Clock) -> tuple[SqliteStore, Service]:
    store = SqliteStore(directory / "ipamd.sqlite", clock)
    return store, Service(store, Log(store, 1000), Random(7), TTL)


@pytest.fixture
async def cooled(tmp_path: Path, clock: Clock) -> AsyncIterator[Service]:
    store, service = opened(tmp_path, clock)
    await service.ensure_pools([TWO, Pool("slow", ("10.1.0.0/30",), cooldown=100)])
    yield service
    await store.close()


async def test_nobody_else_gets_an_address_while_caches_may_name_its_owner(cooled: Service, clock: Clock) -> None:
    lease, _ = await cooled.lease(WEB, Wish(pool="two"))
    await cooled.release(lease.id)

    with pytest.raises(Cools) as refused:
        await cooled.lease(DB, Wish(pool="two"))
    assert refused.value.members["retry_after"] == TTL
    assert refused.value.members["cooling"] == 1
    clock.now += TTL - 1
    with pytest.raises(Cools, match=f"{lease.address} is cooling: {WEB} had it, and it is free for others in 1 s"):
        await cooled.lease(DB, Wish(pool="two", address=lease.address))
    clock.now += 1
    assert (await cooled.lease(DB, Wish(pool="two")))[0].address == lease.address


async def test_its_last_owner_gets_it_again_at_once(cooled: Service) -> None:
    lease, _ = await cooled.lease(WEB, Wish(pool="two"))
    await cooled.release(lease.id)
    again, is_new = await cooled.lease(WEB, Wish(pool="two"))
    assert (again.address, is_new) == (lease.address, True)
    assert again.id != lease.id
    with pytest.raises(Exhausted):
        await cooled.lease(DB, Wish(pool="two"))


async def test_what_was_reserved_for_another_meanwhile_is_not_taken_up_again(cooled: Service, clock: Clock) -> None:
    lease, _ = await cooled.lease(WEB, Wish(pool="two"))
    await cooled.release(lease.id)
    await cooled.ensure_pools([replace(TWO, reservations=(Reservation(lease.address, DB.kind, "", DB.name),))])
    with pytest.raises(Cools):
        await cooled.lease(WEB, Wish(pool="two"))
    clock.now += TTL
    assert (await cooled.lease(DB, Wish(pool="two")))[0].address == lease.address


async def test_a_pool_may_want_more_time_than_dns(cooled: Service, clock: Clock) -> None:
    lease, _ = await cooled.lease(WEB, Wish(pool="slow"))
    await cooled.release(lease.id)
    clock.now += 99
    with pytest.raises(Cools, match="the first is free in 1 s"):
        await cooled.lease(DB, Wish(pool="slow"))
    clock.now += 1
    await cooled.lease(DB, Wish(pool="slow"))


async def test_where_no_block_is_free_it_is_told_what_is(service: Service) -> None:
    await service.ensure_pools([Pool("six", ("10.0.0.0/29",), cooldown=30)])
    for owner in (WEB, DB):
        await service.lease(owner, Wish(pool="six"))
    await release_all(service, WEB)

    await service.lease(OTHER, Wish(pool="six", address="10.0.0.5"))
    said = r"no block of length /30 is free in pool six \(5 capacity, 2 used, 1 cooling, 2 free\)"
    with pytest.raises(Cools, match=f"{said}; the first that cools is free in 30 s"):
        await service.lease(Owner("Container", "block"), Wish(pool="six", prefix_length=30))


async def test_what_cools_cools_on_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    store, service = opened(tmp_path, clock)
    await service.ensure_pools([TWO])
    lease, _ = await service.lease(WEB, Wish(pool="two"))
    await service.release(lease.id)
    await store.close()

    store, service = opened(tmp_path, clock)
    with pytest.raises(Cools):
        await service.lease(DB, Wish(pool="two"))
    assert service.pools.space("two").cooling == 1
    clock.now += TTL
    assert await service.store.update(service.leases.thaw) == 1
    assert service.pools.space("two").free == 1
    await store.close()


async def test_a_refused_lease_leaves_what_cools_as_it_was(cooled: Service) -> None:
    lease, _ = await cooled.lease(WEB, Wish(pool="two"))
    await cooled.release(lease.id)
    with pytest.raises(Exhausted):
        await acquire(cooled, WEB, [Wish(pool="two"), Wish(pool="two")])
    space = cooled.pools.space("two")
    assert (space.used, space.cooling) == (0, 1)
    await cooled.lease(WEB, Wish(pool="two"))


class Cooling(RuleBasedStateMachine):
    """A pool of few addresses, three owners and a clock, against what each address was last."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.held: dict[Owner, str] = {}
        self.cools: dict[str, tuple[Owner, float]] = {}

        self.loop = asyncio.new_event_loop()
        self.directory = TemporaryDirectory()
        self.store, self.service = self.loop.run_until_complete(self.open())

    async def open(self) -> tuple[SqliteStore, Service]:
        store, service = opened(Path(self.directory.name), self.clock)
        await service.ensure_pools([Pool("few", ("10.0.0.0/29",))])
        return store, service

    def teardown(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.close()
        self.directory.cleanup()

    @rule(owner=st.sampled_from([WEB, DB, OTHER]))
    def lease(self, owner: Owner) -> None:
        lease, _ = self.loop.run_until_complete(self.service.lease(owner, Wish(pool="few")))
        assert lease.address not in {address for other, address in self.held.items() if other != owner}
        last, until = self.cools.pop(lease.address, (owner, 0.0))
        assert last == owner or until <= self.clock.now
        mine = [address for address, (other, _) in self.cools.items() if other == owner]
        assert self.held.get(owner, lease.address) == lease.address
        assert not mine or last == owner or owner in self.held
        self.held[owner] = lease.address

    @rule(owner=st.sampled_from([WEB, DB, OTHER]))
    def release(self, owner: Owner) -> None:
        released = self.loop.run_until_complete(release_all(self.service, owner))
        assert [lease.address for lease in released] == ([self.held[owner]] if owner in self.held else [])
        if owner in self.held:
            self.cools[self.held.pop(owner)] = owner, self.clock.now + TTL

    @rule(owner=st.sampled_from([WEB, DB, OTHER]), address=st.sampled_from(["10.0.0.2", "10.0.0.3", "10.0.0.4"]))
    def ask(self, owner: Owner, address: str) -> None:
        last, until = self.cools.get(address, (owner, 0.0))
        wish = Wish(pool="few", address=address)
        if owner in self.held:
            return
        if address in self.held.values():
            with pytest.raises(Taken):
                self.loop.run_until_complete(self.service.lease(owner, wish))
        elif last != owner and until > self.clock.now:
            with pytest.raises(Cools):
                self.loop.run_until_complete(self.service.lease(owner, wish))
        else:
            self.loop.run_until_complete(self.service.lease(owner, wish))
            self.cools.pop(address, None)
            self.held[owner] = address

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def thaw(self) -> None:
        self.loop.run_until_complete(self.service.store.update(self.service.leases.thaw))
        self.cools = {address: each for address, each in self.cools.items() if each[1] > self.clock.now}

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.store, self.service = self.loop.run_until_complete(self.open())

    @invariant()
    def counts_add_up(self) -> None:
        space = self.service.pools.space("few")
        assert space.used == space.leases == len(self.held)
        assert space.cooling >= len([1 for _, until in self.cools.values() if until > self.clock.now])
        assert space.free + space.used + space.cooling == space.capacity


TestCooling = Cooling.TestCase
TestCooling.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
