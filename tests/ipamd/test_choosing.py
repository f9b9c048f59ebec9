"""Which pool and address a wish gets: ranges, reservations, drained pools, selectors, quotas, blocks of nodes."""

from typing import Any

import pytest

from ipamd.errors import (
    Drained,
    Exhausted,
    Invalid,
    IpamError,
    NotAdmitted,
    PoolInUse,
    PoolOverlap,
    QuotaExceeded,
    Reserved,
    Withheld,
)
from ipamd.json import Object
from ipamd.model import Lease, Owner, Pool, Reservation, Wish
from ipamd.service import Service
from tests.ipamd.using import acquire, release_all

ANYBODY = Wish(purpose="lb")
DB = Reservation("10.9.0.5", "Container", "", "db")


def owner(name: str, namespace: str = "") -> Owner:
    return Owner("Container", name, namespace)


async def made(service: Service, *pools: Pool) -> Service:
    await service.ensure_pools(pools)
    return service


def lb(name: str = "lb", cidr: str = "10.9.0.0/28", **more: Any) -> Pool:
    return Pool(name, (cidr,), purpose="lb", **more)


async def lease(service: Service, name: str, wish: Wish = ANYBODY, namespace: str = "") -> Lease:
    found, _ = await service.lease(owner(name, namespace), wish)
    return found


async def put(service: Service, kind: str, name: str, labels: dict[str, str]) -> None:
    document: Object = {"metadata": {"name": name, "labels": {**labels}}}
    await service.store.update(lambda tx: tx.put(kind, "", name, document))


async def test_only_the_ranges_are_handed_out(service: Service) -> None:
    await made(service, lb(ranges=("10.9.0.3-10.9.0.4", "10.9.0.9/32")))
    assert [(await lease(service, name)).address for name in "abc"] == ["10.9.0.3", "10.9.0.4", "10.9.0.9"]
    with pytest.raises(Exhausted):
        await lease(service, "d")
    with pytest.raises(Withheld):
        await lease(service, "d", Wish(pool="lb", address="10.9.0.5"))
    assert service.pools.space("lb").capacity == 3


@pytest.mark.parametrize(
    ("edges", "cidr", "first", "capacity"),
    [
        ("host-local", "10.9.0.0/28", "10.9.0.2", 13),
        ("whereabouts", "10.9.0.0/28", "10.9.0.1", 14),
        ("docker", "10.9.0.0/28", "10.9.0.1", 14),
        ("kubernetes", "10.9.0.0/28", "10.9.0.1", 14),
        ("all", "10.9.0.0/28", "10.9.0.0", 16),
        ("host-local", "2001:db8::/124", "2001:db8::2", 14),
        ("whereabouts", "2001:db8::/124", "2001:db8::1", 14),
        ("docker", "2001:db8::/124", "2001:db8::1", 15),
        ("kubernetes", "2001:db8::/124", "2001:db8::1", 15),
        ("all", "2001:db8::/124", "2001:db8::", 16),
    ],
)
async def test_the_ends_of_a_cidr_are_as_that_system_has_them(
    service: Service, edges: Any, cidr: str, first: str, capacity: int
) -> None:
    await made(service, lb(cidr=cidr, edges=edges))
    assert (await lease(service, "a")).address == first
    assert service.pools.space("lb").capacity == capacity


async def test_a_reservation_is_for_its_owner(service: Service) -> None:
    await made(service, lb(reservations=(DB, Reservation("10.9.0.8-10.9.0.9")), edges="all"))
    space = service.pools.space("lb")
    assert (space.reserved, space.free, space.capacity) == (3, 13, 16)

    taken = {(await lease(service, f"c{number}")).address for number in range(13)}
    assert not taken & {"10.9.0.5", "10.9.0.8", "10.9.0.9"}
    with pytest.raises(Exhausted, match="3 reserved"):
        await lease(service, "one-more")
    with pytest.raises(Reserved, match="reserved for Container db"):
        await lease(service, "one-more", Wish(pool="lb", address="10.9.0.5"))
    assert (await lease(service, "db")).address == "10.9.0.5"
    assert (await lease(service, "by-name", Wish(pool="lb", address="10.9.0.9"))).address == "10.9.0.9"
    assert (space.reserved, space.used) == (1, 15)


async def test_reservations_are_the_same_after_the_pool_is_read_again(service: Service) -> None:
    await made(service, lb(reservations=(DB,), edges="all"))
    held = await lease(service, "db")
    service.store.view(service.pools.load)
    space = service.pools.space("lb")
    assert (space.reserved, space.used) == (0, 1)
    await service.release(held.id)
    assert (space.reserved, space.used) == (1, 0)


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (lb(reservations=(Reservation("10.8.0.1"),)), "not within one of the CIDRs"),
        (lb(reservations=(DB, Reservation("10.9.0.4/30"))), "overlaps another"),
        (lb(reservations=(Reservation("10.9.0.1", "Pod"),)), "for a kind and a name"),
        (lb(ranges=("10.8.0.1",)), "outside the CIDRs"),
        (lb(ranges=("10.9.0.9-10.9.0.1",)), "is no range"),
        (lb(cooldown=-1), "neither is below zero"),
        (lb(quotas={"a": -1}), "neither is below zero"),
        (lb(per_node=True), "needs a block_size"),
        (lb(selector="a in b"), "is no selector"),
        (lb(parent="pods"), "not within a block leased from pool pods"),
    ],
)
async def test_a_pool_that_cannot_be_meant_is_refused(service: Service, pool: Pool, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        await made(service, pool)


async def test_a_drained_pool_gives_nothing_more(service: Service) -> None:
    await made(service, lb())
    held = await lease(service, "a")
    await made(service, lb(drained=True))
    with pytest.raises(Drained):
        await lease(service, "b")
    assert await lease(service, "a") == held
    await made(service, lb("other", "10.9.1.0/28"))
    assert (await lease(service, "b")).pool == "other"


async def test_a_pool_grows_and_shrinks_where_nothing_stands(service: Service) -> None:
    await made(service, lb())
    held = await lease(service, "a")
    await made(service, Pool("lb", ("10.9.0.0/28", "10.9.2.0/28"), purpose="lb"))
    far = await lease(service, "b", Wish(pool="lb", address="10.9.2.3"))
    with pytest.raises(PoolInUse, match=r"10\.9\.2\.3 is leased to Container b"):
        await made(service, lb())
    await service.release(far.id)
    await made(service, lb())
    assert await lease(service, "a") == held


@pytest.mark.parametrize(
    ("rules", "who", "wish", "reason"),
    [
        ({"namespaces": ("shop",)}, "shop", ANYBODY, ""),
        ({"namespaces": ("shop",)}, "bank", ANYBODY, "it is for namespaces shop, not 'bank'"),
        ({"namespace_selector": "team=a"}, "shop", ANYBODY, ""),
        ({"namespaces": ("shop",)}, "", ANYBODY, "it is for namespaces shop, and the owner is in none"),
        ({"namespace_selector": "team=a"}, "bank", ANYBODY, "for namespaces with labels team=a, not 'bank'"),
        ({"namespace_selector": "team=b"}, "", ANYBODY, "with labels team=b, and the owner is in none"),
        ({"selector": "app in (web,db)"}, "shop", Wish(purpose="lb", labels={"app": "web"}), ""),
        ({"selector": "app in (web,db)"}, "shop", ANYBODY, "the owner has no labels"),
        ({"nodes": ("n1",)}, "shop", Wish(purpose="lb", node="n1"), ""),
        ({"nodes": ("n1",)}, "shop", ANYBODY, "it is for nodes n1, and the owner is on none"),
        ({"node_selector": "zone=a"}, "shop", Wish(purpose="lb", node="n1"), ""),
        ({"node_selector": "zone=a"}, "shop", Wish(purpose="lb", node="n2"), "for nodes with labels zone=a, not 'n2'"),
        ({"node_selector": "zone=a"}, "shop", ANYBODY, "with labels zone=a, and the owner is on none"),
    ],
)
async def test_a_pool_is_for_whom_it_says(
    service: Service, rules: dict[str, Any], who: str, wish: Wish, reason: str
) -> None:
    await put(service, "Namespace", "shop", {"team": "a"})
    await put(service, "Node", "n1", {"zone": "a"})
    await made(service, lb(**rules))
    for asked in (wish, Wish(pool="lb", labels=wish.labels, node=wish.node)):
        if reason:
            with pytest.raises(NotAdmitted) as refused:
                await lease(service, "a", asked, who)
            assert reason in refused.value.detail
        else:
            assert (await lease(service, "a", asked, who)).pool == "lb"


async def test_pools_for_some_come_before_pools_for_all(service: Service) -> None:
    await made(service, lb("a-open", "10.9.1.0/28"), lb("z-shop", "10.9.2.0/30", edges="all", namespaces=("shop",)))
    pools = [(await lease(service, str(number), namespace="shop")).pool for number in range(6)]
    assert pools == ["z-shop"] * 4 + ["a-open"] * 2
    assert (await lease(service, "7", namespace="bank")).pool == "a-open"


async def test_a_namespace_has_no_more_than_its_quota(service: Service) -> None:
    await made(service, lb(quotas={"shop": 2, "*": 1}))
    first = await lease(service, "a", namespace="shop")
    await lease(service, "b", namespace="shop")
    with pytest.raises(QuotaExceeded, match="'shop' has used up its quota of pool"):
        await lease(service, "c", namespace="shop")
    await lease(service, "a", namespace="bank")
    with pytest.raises(QuotaExceeded):
        await lease(service, "b", namespace="bank")
    assert await lease(service, "a", namespace="shop") == first
    service.store.view(service.pools.load)
    with pytest.raises(QuotaExceeded):
        await lease(service, "c", namespace="shop")
    await service.release(first.id)
    await lease(service, "c", namespace="shop")


async def test_spaces_overlap_and_pools_of_one_do_not(service: Service) -> None:
    await made(service, lb(), lb("red", space="red"))
    with pytest.raises(PoolOverlap, match="of pool red"):
        await made(service, lb("red-2", "10.9.0.8/30", space="red"))
    one = await lease(service, "a", Wish(pool="lb"))
    two = await lease(service, "a", Wish(pool="red"))
    assert one.address == two.address
    assert (await lease(service, "b")).pool == "lb"


async def test_a_nested_pool_lies_in_a_block_of_its_parent(service: Service) -> None:
    block = await lease(service, "blocks", Wish(pool="pods", prefix_length=24))
    nested = Pool("nested", (str(block),), parent="pods")
    await made(service, nested)
    await lease(service, "a", Wish(pool="nested"))
    await service.release(block.id)  # it has leases: the block stays, for the pool
    kept = service.get_lease(block.id)
    assert kept.owner == Owner("Pool", "nested")
    with pytest.raises(Drained):
        await lease(service, "b", Wish(pool="nested"))
    await release_all(service, owner("a"))
    with pytest.raises(IpamError):
        service.get_lease(block.id)
    assert "nested" not in {usage.pool.name for usage in service.list_pools()}


PER_NODE = Pool("cluster", ("10.77.0.0/16",), purpose="lb", block_size=24, per_node=True)
ON_N1 = Wish(purpose="lb", node="n1")


async def test_addresses_of_a_node_come_from_its_blocks(service: Service) -> None:
    await made(service, PER_NODE)
    with pytest.raises(NotAdmitted, match="the owner is on no node yet"):
        await lease(service, "a")
    with pytest.raises(NotAdmitted, match="node 'n1' has no block of it"):
        await lease(service, "a", ON_N1)
    await service.lease(Owner("Node", "n0"), Wish(pool="cluster", block=True))
    block, _ = await service.lease(Owner("Node", "n1"), Wish(pool="cluster", block=True))

    found = await lease(service, "a", ON_N1)

    assert str(block) == "10.77.1.0/24"
    assert found.address.startswith("10.77.1.")
    assert (await lease(service, "a", ON_N1)) == found
    assert service.pools.space(found.pool).pool.parent == "cluster"
    service.store.view(service.pools.load)
    assert (await lease(service, "b", ON_N1)).pool == found.pool


async def test_the_block_of_a_node_that_went_away_stays_until_its_last_address_is_back(service: Service) -> None:
    await made(service, PER_NODE)
    node = Owner("Node", "n1")
    block, _ = await service.lease(node, Wish(pool="cluster", block=True))
    await lease(service, "a", ON_N1)
    await release_all(service, node)
    other, _ = await service.lease(Owner("Node", "n2"), Wish(pool="cluster", block=True))
    assert other.address != block.address
    await release_all(service, owner("a"))
    assert service.pools.space("cluster").used == 256


@pytest.mark.parametrize(
    ("first", "wish"),
    [
        (lb("a", "10.9.0.0/26"), Wish(purpose="lb", prefix_length=24)),
        (lb("a", "10.9.0.0/26"), Wish(purpose="lb", block=True)),
        (lb("a", "10.8.0.0/16", block_size=24, per_node=True), ANYBODY),
        (lb("a", "10.9.0.0/26", drained=True), ANYBODY),
        (lb("a", "10.9.0.0/26", quotas={"*": 0}), ANYBODY),
    ],
    ids=["too small", "without blocks", "by node", "drained", "over the quota"],
)
async def test_where_one_pool_cannot_give_the_next_is_asked(service: Service, first: Pool, wish: Wish) -> None:
    await made(service, first, lb("b", "10.10.0.0/22", block_size=24))
    assert (await lease(service, "x", wish)).pool == "b"


async def test_it_is_told_what_says_most_of_why_no_pool_gives(service: Service) -> None:
    await made(service, lb("a", namespaces=("shop",)), lb("b", "10.9.1.0/28", drained=True))
    with pytest.raises(Drained):
        await lease(service, "x")
    with pytest.raises(Invalid, match="block_size"):
        await lease(service, "x", Wish(pool="a", block=True), "shop")


async def test_what_cools_for_an_owner_is_not_above_its_quota(service: Service) -> None:
    await made(service, lb(quotas={"shop": 2}, cooldown=100))
    first = await lease(service, "a", namespace="shop")
    await lease(service, "b", namespace="shop")
    await service.release(first.id)
    await lease(service, "c", namespace="shop")
    with pytest.raises(QuotaExceeded):
        await lease(service, "a", namespace="shop")


async def test_a_reserved_range_has_nothing_that_is_never_handed_out(service: Service) -> None:
    mine = (Reservation("10.9.0.0/28", "Container", "", "db"),)
    await made(service, Pool("p", ("10.9.0.0/24",), exclude=("10.9.0.3",), reservations=mine))
    assert service.pools.space("p").reserved == 13
    wishes = (Wish(pool="p"), Wish(pool="p", address="10.9.0.4"))
    assert [(await acquire(service, owner("db"), wishes))[at][0].address for at in range(2)] == ["10.9.0.2", "10.9.0.4"]
    with pytest.raises(Withheld):
        await acquire(service, owner("db"), (*wishes, Wish(pool="p", address="10.9.0.3")))
    with pytest.raises(Invalid, match="nothing that is ever handed out"):
        await made(service, Pool("q", ("10.8.0.0/24",), reservations=(Reservation("10.8.0.0/31"),)))


async def test_what_cools_in_a_pool_does_not_keep_it_from_another_family(service: Service) -> None:
    await made(service, lb(cooldown=100))
    await service.release((await lease(service, "a")).id)
    await made(service, lb(cidr="2001:db8::/64"))
    assert (await lease(service, "a")).address == "2001:db8::"


async def test_pools_may_swap_what_they_have(service: Service) -> None:
    await made(service, lb("a", "10.9.0.0/28"), lb("b", "10.9.1.0/28"))
    await made(service, lb("a", "10.9.1.0/28"), lb("b", "10.9.0.0/28"))
    assert (await lease(service, "x", Wish(pool="a"))).address == "10.9.1.0"


async def test_it_is_explained_that_an_owner_has_a_lease_already(service: Service) -> None:
    await made(service, lb("a"), lb("b", "10.9.1.0/28"))
    held = await lease(service, "x", Wish(pool="b"))
    told = await service.explain(owner("x"), ANYBODY)
    assert [(each.pool, each.would_give) for each in told] == [("b", held.address), ("a", "10.9.0.0")]
