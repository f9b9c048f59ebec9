"""The use cases that other tests do not name: labels, lists, renewal."""

import asyncio

import pytest
from msgspec.structs import replace

from ipamd.errors import Conflict, Invalid, UnknownLease, UnknownPool
from ipamd.json import Object
from ipamd.model import LeaseFilter, Owner, Pool, Wish
from ipamd.service import LABELS, Service
from tests.ipamd.clock import Clock


@pytest.mark.parametrize(
    "labels",
    [{"a b": "c"}, {"a": "b c"}, {"-a": ""}, {"a": "x" * 64}, {f"k{n}": "" for n in range(LABELS + 1)}],
)
async def test_what_is_no_label_is_refused(service: Service, labels: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="label"):
        await service.lease(Owner("Container", "c"), Wish(pool="pods", labels=labels))


async def test_leases_are_listed_by_what_they_are(service: Service) -> None:
    web, _ = await service.lease(Owner("Pod", "web", "shop"), Wish(pool="pods", labels={"app": "web"}))
    node, _ = await service.lease(Owner("Node", "n1"), Wish(pool="pods", block=True))

    def found(**wanted: object) -> list[int]:
        return [lease.id for lease in service.list_leases(LeaseFilter(**wanted), 0, 10)]  # type: ignore[arg-type]

    assert found() == [web.id, node.id]
    assert found(address="10.244.1.200") == [node.id]
    assert found(address="10.244.1.200", kind="Node", pool="pods") == [node.id]
    assert found(address="10.244.1.200", kind="Pod") == []
    assert found(address="10.244.0.2", labels={"app": "web"}, namespace="shop", name="web") == [web.id]
    assert found(address="10.244.0.2", text="SHOP/web") == found(address="10.244.0.2", text="app") == [web.id]
    assert found(address="10.244.0.2", text="elsewhere") == found(address="10.244.0.2", tag="spare") == []
    assert found(address="10.244.0.3") == found(address="8.8.8.8") == []
    assert service.list_leases(LeaseFilter(address="10.244.0.2"), web.id, 10) == []
    with pytest.raises(UnknownPool):
        found(pool="nope")
    with pytest.raises(Invalid):
        found(address="nope")


async def test_an_address_is_found_in_every_address_space(service: Service) -> None:
    wish = Wish(pool="pods", address="10.244.0.9")
    first, _ = await service.lease(Owner("Container", "c"), wish)
    await service.create_pool(Pool("lab", ("10.244.0.0/24",), space="lab"))
    second, _ = await service.lease(Owner("Container", "c"), replace(wish, pool="lab"))

    def found(after: int, limit: int, pool: str | None = None) -> list[int]:
        return [each.id for each in service.list_leases(LeaseFilter(address="10.244.0.9", pool=pool), after, limit)]

    assert (found(0, 9), found(0, 1), found(first.id, 9)) == ([first.id, second.id], [first.id], [second.id])
    assert found(0, 9, "lab") == [second.id]


async def test_renewing_puts_off_the_end_by_the_ttl(service: Service, clock: Clock) -> None:
    lease, _ = await service.lease(Owner("Container", "c"), Wish(pool="pods", ttl=60))
    clock.now += 30
    renewed = await service.renew(lease.id, None)
    longer = await service.renew(lease.id, 600)

    assert (lease.expires, renewed.expires) == (clock.now + 30, clock.now + 60)
    assert (longer.ttl, longer.expires) == (600, clock.now + 600)
    assert service.get_lease(lease.id) == longer


async def test_a_lease_for_ever_stays_so_unless_it_is_given_an_end(service: Service) -> None:
    lease, _ = await service.lease(Owner("Container", "c"), Wish(pool="pods"))

    assert await service.renew(lease.id, None) == lease
    assert (await service.renew(lease.id, 5)).ttl == 5


async def test_a_lease_that_is_not_there_is_not_renewed(service: Service) -> None:
    with pytest.raises(UnknownLease):
        await service.renew(99, 5)


async def test_what_an_object_shows_in_its_spec_is_neither_released_nor_given_an_end(service: Service) -> None:
    block, _ = await service.lease(Owner("Node", "n1"), Wish(pool="pods", block=True))
    spare, _ = await service.lease(Owner("Node", "n1"), Wish(pool="tiny"))
    node: Object = {"metadata": {"name": "n1"}, "spec": {"podCIDRs": [str(block)]}}
    await service.store.update(lambda tx: tx.put("Node", "", "n1", node))

    with pytest.raises(Conflict, match=r"10.244.0.0/24 is in the spec of Node n1"):
        await service.release(block.id)
    with pytest.raises(Conflict):
        await service.renew(block.id, 5)
    await service.release(spare.id)
    await service.store.update(lambda tx: tx.delete("Node", "", "n1"))
    await service.release(block.id)
    assert service.pool("pods").leases == 0


async def test_others_are_served_while_all_leases_are_looked_through(service: Service) -> None:
    asked = [(Owner("Container", f"c{n}"), Wish(pool="pods", labels={"n": str(n)})) for n in range(3000)]
    await service.lease_batch(asked, atomic=True, is_trial=False)
    listing = asyncio.create_task(service.find_leases(LeaseFilter(labels={"n": "2999"}), 0, 10))
    await asyncio.sleep(0)
    lease, _ = await service.lease(Owner("Container", "meanwhile"), Wish(pool="tiny"))

    assert [found.owner.name for found in await listing] == ["c2999"]
    assert await service.find_leases(LeaseFilter(pool="tiny"), 0, 10) == [lease]
    assert await service.find_leases(LeaseFilter(name="meanwhile"), 0, 10) == [lease]
    with pytest.raises(UnknownPool):
        await service.find_leases(LeaseFilter(pool="nope"), 0, 10)
