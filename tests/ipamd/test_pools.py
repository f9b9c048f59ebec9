"""Pools: what may stand beside what, and what may not change under leases."""

import pytest
from msgspec.structs import replace

from ipamd.errors import AlreadyExists, PoolInUse, PoolOverlap, UnknownPool
from ipamd.model import Owner, Pool, Wish
from ipamd.pools import Pools
from ipamd.ranges import read_address
from ipamd.service import Service

PODS = Pool("pods", ("10.244.0.0/16",), purpose="pods", block_size=24)
OWNER = Owner("Container", "c1")


async def test_a_pool_that_overlaps_another_is_refused_and_told_which(service: Service) -> None:
    with pytest.raises(PoolOverlap, match=r"10.244.7.0/24 overlaps 10.244.0.0/16 of pool pods") as caught:
        await service.create_pool(Pool("more", ("10.9.0.0/24", "10.244.7.0/24")))

    assert caught.value.members == {"pool": "pods", "cidr": "10.244.0.0/16"}
    with pytest.raises(UnknownPool):
        service.pool("more")


async def test_a_name_is_given_to_one_pool_only(service: Service) -> None:
    with pytest.raises(AlreadyExists):
        await service.create_pool(Pool("pods", ("10.9.0.0/24",)))


async def test_a_pool_goes_only_when_no_lease_stands_in_it(service: Service) -> None:
    lease, _ = await service.lease(OWNER, Wish(pool="tiny"))
    with pytest.raises(PoolInUse, match="1 lease stands in pool tiny: release it"):
        await service.delete_pool("tiny")
    await service.release(lease.id)
    await service.delete_pool("tiny")

    with pytest.raises(UnknownPool):
        service.pool("tiny")
    with pytest.raises(UnknownPool):
        await service.delete_pool("tiny")


async def test_use_is_counted_in_addresses_and_in_leases(service: Service) -> None:
    await service.lease(OWNER, Wish(pool="pods"))
    await service.lease(Owner("Node", "n1"), Wish(pool="pods", block=True))

    usage = service.pool("pods")
    assert (usage.capacity, usage.used, usage.leases) == (65533, 257, 2)
    assert [each.pool.name for each in service.list_pools()] == ["pods", "pods-v6", "services", "tiny"]


@pytest.mark.parametrize(
    "changed",
    [
        replace(PODS, cidrs=("10.244.128.0/17",)),
        replace(PODS, exclude=("10.244.0.2",)),
        replace(PODS, gateway="10.244.0.2"),
        replace(PODS, cidrs=("10.200.0.0/16",)),
    ],
)
async def test_a_pool_is_not_changed_so_that_a_lease_could_not_stand_in_it(service: Service, changed: Pool) -> None:
    await service.lease(OWNER, Wish(pool="pods"))

    with pytest.raises(PoolInUse, match=r"10.244.0.2 is leased to Container c1"):
        await service.ensure_pools([Pool("new", ("10.9.0.0/16",)), changed])
    assert service.pool("pods").pool == PODS
    with pytest.raises(UnknownPool):
        service.pool("new")  # all of them or none


async def test_a_pool_that_has_grown_keeps_its_leases(service: Service) -> None:
    await service.lease(OWNER, Wish(pool="pods"))
    revision = service.store.revision
    await service.ensure_pools([PODS])
    assert service.store.revision == revision  # nothing to change

    await service.ensure_pools([replace(PODS, cidrs=("10.244.0.0/15",))])

    assert (service.pool("pods").leases, service.pool("pods").capacity) == (1, 131069)
    lease, _ = await service.lease(Owner("Container", "c2"), Wish(pool="pods"))
    assert lease.address == "10.244.0.3"


async def test_spaces_come_back_from_the_store_as_they_were(service: Service) -> None:
    for number in range(20):
        await service.lease(Owner("Container", f"c{number}"), Wish(pool="pods"))
    await service.lease(Owner("Node", "n1"), Wish(purpose="nodes", family=6, block=True))
    again = Pools()
    service.store.view(again.load)

    assert {s.pool.name: (s.used, s.leases, s.capacity) for s in again} == {
        s.pool.name: (s.used, s.leases, s.capacity) for s in service.pools
    }


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        (Wish(purpose="pods"), ["pods", "pods-v6"]),
        (Wish(purpose="pods", family=6), ["pods-v6"]),
        (Wish(purpose="nodes", family=4), ["pods"]),  # the one that is cut into blocks
        (Wish(purpose="services", family=4), ["services"]),
        (Wish(pool="tiny"), ["tiny"]),
    ],
)
async def test_a_wish_is_served_by_the_pools_for_its_purpose(service: Service, wish: Wish, names: list[str]) -> None:
    assert [space.pool.name for space in service.pools.matching(wish)] == names


async def test_without_a_pool_for_the_purpose_that_is_told(service: Service) -> None:
    with pytest.raises(UnknownPool, match="no pool for services of IPv6"):
        service.pools.matching(Wish(purpose="services", family=6))


async def test_blocks_for_nodes_come_from_their_own_pool_if_there_is_one(service: Service) -> None:
    await service.create_pool(Pool("node-blocks", ("10.8.0.0/16",), purpose="nodes", block_size=24))

    assert [space.pool.name for space in service.pools.matching(Wish(purpose="nodes", family=4))] == ["node-blocks"]


async def test_the_pool_that_holds_an_address_is_found(service: Service) -> None:
    found = service.pools.holding(read_address("192.0.2.3"))
    assert [[space.pool.name for space in each] for each in found] == [["tiny"]]
    assert not any(service.pools.holding(read_address("203.0.113.1")))
