"""Pools in blocks of other pools: no address has two owners, whatever is released, drained, changed or deleted."""

import asyncio
from itertools import combinations
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from ipamd.errors import Invalid, IpamError, NotAdmitted, PoolInUse, PoolOverlap, QuotaExceeded, UnknownPool
from ipamd.fsck import check
from ipamd.fsck.blocks import lineage
from ipamd.fsck.running import found_running
from ipamd.log import Log
from ipamd.model import Lease, LeaseFilter, Owner, Pool, Wish
from ipamd.ranges import read_block
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock
from tests.ipamd.using import release_all

BLOCK = Wish(pool="pods", prefix_length=24)
ON_N1 = Wish(purpose="lb", node="n1")
N1 = Owner("Node", "n1")


def owner(name: str, namespace: str = "") -> Owner:
    return Owner("Container", name, namespace)


async def lease(service: Service, name: str, wish: Wish, namespace: str = "") -> Lease:
    found, _ = await service.lease(owner(name, namespace), wish)
    return found


def halves(block: Lease) -> tuple[str, str]:
    base = block.address.rsplit(".", 1)[0]
    return f"{base}.0/25", f"{base}.128/25"


async def by_node(service: Service, **more: Any) -> Pool:
    """A pool that gives addresses by node, and a node with a block of it."""
    pool = Pool("cluster", ("10.77.0.0/16",), purpose="lb", block_size=24, per_node=True, **more)
    await service.ensure_pools([pool])
    await service.lease(N1, Wish(pool="cluster", block=True))
    return pool


async def test_a_block_of_two_pools_is_kept_until_the_last_address_of_both_is_back(service: Service) -> None:
    block = await lease(service, "block", BLOCK)
    low, high = halves(block)
    await service.ensure_pools([Pool("low", (low,), parent="pods"), Pool("high", (high,), parent="pods")])
    one, two = await lease(service, "one", Wish(pool="low")), await lease(service, "two", Wish(pool="high"))

    await service.release(block.id)
    assert (await lease(service, "next", BLOCK)).address != block.address
    await service.release(one.id)
    assert (await lease(service, "another", BLOCK)).address != block.address
    await service.release(two.id)
    assert (await lease(service, "last", BLOCK)).address == block.address
    assert {"low", "high"} & {space.pool.name for space in service.pools} == set()


async def test_a_block_that_a_pool_took_over_is_no_lease_of_its_last_owners_namespace(service: Service) -> None:
    await service.ensure_pools([Pool("few", ("10.78.0.0/24",), purpose="lb", quotas={"shop": 1})])
    block = await lease(service, "block", Wish(pool="few", prefix_length=28), "shop")
    await service.ensure_pools([Pool("low", (str(block),), purpose="lb", parent="few")])
    one = await lease(service, "one", Wish(pool="low"), "shop")

    await service.release(block.id)
    again = await lease(service, "again", Wish(pool="few"), "shop")
    await service.release(one.id)
    with pytest.raises(QuotaExceeded):
        await lease(service, "more", Wish(pool="few"), "shop")
    await service.release(again.id)
    assert await lease(service, "more", Wish(pool="few"), "shop")


async def test_blocks_of_one_pool_are_kept_wherever_in_it_an_address_stands(service: Service) -> None:
    one, two = await lease(service, "one", BLOCK), await lease(service, "two", BLOCK)
    await service.ensure_pools([Pool("both", (str(one), str(two)), parent="pods")])
    await lease(service, "x", Wish(pool="both", address=two.address.rsplit(".", 1)[0] + ".9"))

    await service.release(two.id)
    assert (await lease(service, "three", BLOCK)).address != two.address


async def test_pools_lie_in_pools_that_lie_in_pools(service: Service) -> None:
    outer = await lease(service, "outer", Wish(pool="pods", prefix_length=20))
    await service.ensure_pools([Pool("middle", (str(outer),), parent="pods")])
    inner = await lease(service, "inner", Wish(pool="middle", prefix_length=24))
    await service.ensure_pools([Pool("leaf", (str(inner),), parent="middle")])
    got = await lease(service, "x", Wish(pool="leaf"))

    found = service.list_leases(LeaseFilter(address=got.address), 0, 10)
    assert [each.owner.name for each in found] == ["x"]  # the innermost, not the blocks around


async def test_the_pool_that_took_a_block_over_gives_it_back_when_it_is_deleted(service: Service) -> None:
    block = await lease(service, "block", BLOCK)
    pool = Pool("nested", (str(block),), parent="pods")
    await service.ensure_pools([pool])
    got = await lease(service, "x", Wish(pool="nested"))
    await service.release(block.id)
    await service.ensure_pools([pool])  # it gives again, as its configuration says
    await service.release(got.id)

    await service.delete_pool("nested")
    assert (await lease(service, "next", BLOCK)).address == block.address


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"parent": "outer"}, Invalid),
        ({"parent": "inner"}, Invalid),
        ({"space": "red"}, PoolInUse),
        ({"cidrs": ("10.9.1.0/24",)}, PoolInUse),
    ],
    ids=["in itself", "in what lies in it", "in another space", "elsewhere"],
)
async def test_a_pool_stays_around_what_lies_in_it(
    service: Service, change: dict[str, Any], refusal: type[IpamError]
) -> None:
    await service.ensure_pools([Pool("outer", ("10.9.0.0/24",), purpose="lb")])
    block = await lease(service, "block", Wish(pool="outer", prefix_length=24))
    await service.ensure_pools([Pool("inner", (str(block),), purpose="lb", parent="outer")])
    await lease(service, "whole", Wish(pool="inner", prefix_length=24))

    with pytest.raises(refusal):
        await service.ensure_pools([replace(service.pool("outer").pool, **change)])
    with pytest.raises(PoolInUse):
        await service.delete_pool("outer")


async def test_a_pool_is_in_the_space_of_its_parent(service: Service) -> None:
    block = await lease(service, "block", BLOCK)
    with pytest.raises(Invalid, match="space"):
        await service.ensure_pools([Pool("red", (str(block),), parent="pods", space="red")])


async def test_pools_in_one_block_do_not_overlap(service: Service) -> None:
    block = await lease(service, "block", BLOCK)
    low, _ = halves(block)
    await service.ensure_pools([Pool("low", (low,), parent="pods")])
    with pytest.raises(PoolOverlap, match="low"):
        await service.ensure_pools([Pool("all", (str(block),), parent="pods")])


async def test_the_blocks_of_nodes_keep_to_the_rules_of_their_pool(service: Service) -> None:
    pool = await by_node(service, namespaces=("shop", "bank"), quotas={"shop": 1})
    with pytest.raises(NotAdmitted, match="shop, bank"):
        await lease(service, "x", ON_N1, "zoo")
    await lease(service, "x", ON_N1, "shop")
    with pytest.raises(QuotaExceeded):
        await lease(service, "y", ON_N1, "shop")
    await lease(service, "y", ON_N1, "bank")

    await service.ensure_pools([replace(pool, quotas={"bank": 2, "shop": 2})])  # what is there is counted again
    await lease(service, "z", ON_N1, "bank")
    with pytest.raises(QuotaExceeded, match="used up its quota of pool cluster: 2 of 2 leases"):
        await lease(service, "more", ON_N1, "bank")
    service.store.view(service.pools.load)
    with pytest.raises(QuotaExceeded, match="used up its quota of pool cluster: 2 of 2 leases"):
        await lease(service, "more", ON_N1, "bank")
    await service.ensure_pools([replace(pool, drained=True)])
    with pytest.raises(IpamError, match="drained"):
        await lease(service, "w", ON_N1, "shop")


async def test_the_first_block_of_a_pool_by_node_is_its_first_one_as_kubernetes_gives_it(service: Service) -> None:
    pods = Pool("by-node", ("10.70.0.0/16",), purpose="pods", block_size=24, per_node=True)
    await service.ensure_pools([pods])
    block, _ = await service.lease(N1, Wish(pool="by-node", block=True))
    assert str(block) == "10.70.0.0/24"
    got = await lease(service, "x", Wish(pool="by-node", node="n1"))
    assert got.address == "10.70.0.2"  # the block keeps its own ends, and its gateway


async def test_quotas_count_what_is_in_blocks_of_nodes_whichever_way_they_became_that(service: Service) -> None:
    pool = await by_node(service, quotas={"shop": 1})
    await lease(service, "one", ON_N1, "shop")
    (block,) = [space.pool for space in service.pools if space.pool.parent == "cluster"]
    quotas = service.pools.space("cluster").by_namespace

    await service.ensure_pools([replace(block, nodes=())])
    assert quotas == {}
    with pytest.raises(UnknownPool):
        await service.ensure_pools([replace(block, nodes=("n1",)), replace(pool, name="other", parent="nowhere")])
    assert quotas == {}
    await service.ensure_pools([block])
    assert quotas == {"shop": 1}
    await service.ensure_pools([replace(pool, per_node=False)])
    await service.ensure_pools([pool])
    assert service.pools.space("cluster").by_namespace == {"shop": 1}
    with pytest.raises(QuotaExceeded):
        await lease(service, "two", ON_N1, "shop")


async def test_a_block_of_a_node_that_has_quotas_itself_keeps_to_them_once_it_is_none(service: Service) -> None:
    pool = await by_node(service)
    await lease(service, "one", ON_N1, "shop")
    (block,) = [space.pool for space in service.pools if space.pool.parent == "cluster"]
    await service.ensure_pools([replace(block, quotas={"shop": 1})])
    other = await lease(service, "two", ON_N1, "shop")

    await service.ensure_pools([replace(pool, per_node=False)])
    assert service.pools.space(block.name).by_namespace == {"shop": 2}
    await service.release(other.id)
    with pytest.raises(QuotaExceeded):
        await lease(service, "two", Wish(pool=block.name, node="n1"), "shop")


async def test_who_has_an_address_of_a_node_keeps_it_when_the_node_has_gone(service: Service) -> None:
    await by_node(service)
    held = await lease(service, "x", ON_N1)
    await release_all(service, N1)
    assert await lease(service, "x", ON_N1) == held


async def test_what_was_the_block_of_a_node_is_a_pool_for_it_when_addresses_come_by_node_no_more(
    service: Service,
) -> None:
    pool = await by_node(service)
    held = await lease(service, "x", ON_N1)
    await service.ensure_pools([replace(pool, per_node=False)])
    got = await lease(service, "y", ON_N1)
    assert got.pool == held.pool
    assert (await lease(service, "x", ON_N1)) == held


async def test_it_is_explained_what_an_owner_on_a_node_would_get(service: Service) -> None:
    await by_node(service)
    [told] = await service.explain(owner("x"), ON_N1)
    got = await lease(service, "x", ON_N1)
    assert (told.pool, told.would_give) == ("cluster", got.address)
    [told] = await service.explain(owner("y"), Wish(purpose="lb", node="n2"))
    assert "n2" in str(told.refusal)
    assert {space.pool.parent for space in service.pools} == {"", "cluster"}


CIDRS = [f"10.0.0.{base}/{length}" for length in (25, 26, 27, 28) for base in range(0, 256, 1 << (32 - length))]
NAMES = ["a", "b", "c"]
ROOT = Pool("root", ("10.0.0.0/25", "10.0.0.128/25"), purpose="lb")


class Nesting(RuleBasedStateMachine):
    """Few addresses, pools in blocks of pools, and everything that may be done with them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = TemporaryDirectory()
        self.loop.run_until_complete(self.open())

    async def open(self) -> None:
        self.store = SqliteStore(Path(self.directory.name) / "ipamd.sqlite", Clock())
        self.service = Service(self.store, Log(self.store, 1000), Random(7))
        await self.service.ensure_pools([ROOT])

    async def reopen(self) -> None:
        await self.store.close()
        await self.open()

    def teardown(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.close()
        self.directory.cleanup()

    def leases(self) -> list[Lease]:
        return [*self.service.list_leases(LeaseFilter(), 0, 1000)]

    def run(self, doing: Any) -> None:
        try:
            self.loop.run_until_complete(doing)
        except IpamError:
            return

    @rule(name=st.sampled_from("vwxyz"), pool=st.sampled_from(["root", *NAMES]), length=st.integers(25, 32))
    def lease(self, name: str, pool: str, length: int) -> None:
        self.run(self.service.lease(owner(name + str(length)), Wish(pool=pool, prefix_length=length)))

    @rule(index=st.integers(0, 30))
    def release(self, index: int) -> None:
        held = self.leases()
        if held:
            self.run(self.service.release(held[index % len(held)].id))

    @rule(
        name=st.sampled_from(NAMES),
        index=st.integers(0, 30),
        count=st.integers(1, 3),
        parent=st.sampled_from(["root", *NAMES]),
        drained=st.booleans(),
    )
    def nest(self, name: str, index: int, count: int, parent: str, drained: bool) -> None:
        blocks = [str(each) for each in self.leases() if each.pool == parent and not each.is_single]
        if blocks:
            found = {blocks[(index + turn) % len(blocks)] for turn in range(count)}
            pool = Pool(name, tuple(found), purpose="lb", parent=parent, drained=drained)
            self.run(self.service.ensure_pools([pool]))

    @rule(name=st.sampled_from(NAMES), cidr=st.sampled_from(CIDRS), parent=st.sampled_from(["", "root", *NAMES]))
    def put(self, name: str, cidr: str, parent: str) -> None:
        self.run(self.service.ensure_pools([Pool(name, (cidr,), purpose="lb", parent=parent)]))

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        self.run(self.service.delete_pool(name))

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.reopen())

    @invariant()
    def nobody_shares_an_address(self) -> None:
        parents = {space.pool.name: space.pool.parent for space in self.service.pools}
        held = [(each, read_block(str(each))) for each in self.leases()]
        for (one, its), (other, others) in combinations(held, 2):
            if its.overlaps(others):
                is_inner = other.pool in lineage(one.pool, parents)[1:] and others.holds(its)
                is_outer = one.pool in lineage(other.pool, parents)[1:] and its.holds(others)
                assert is_inner or is_outer, f"{one} of {one.pool} and {other} of {other.pool}"

    @invariant()
    def store_and_memory_agree(self) -> None:
        running = self.loop.run_until_complete(found_running(self.service))
        assert [*map(str, (*self.store.view(lambda view: [*check(view)]), *running))] == []


TestNesting = Nesting.TestCase
TestNesting.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
