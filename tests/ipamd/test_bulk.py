"""Many leases at once are what they would have been one by one."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipamd.errors import Exhausted, IpamError
from ipamd.log import Log
from ipamd.model import LEASE, Lease, LeaseFilter, Owner, Pool, Reservation, Wish
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock

POOLS = (
    Pool("a", ("192.0.2.0/28", "198.51.100.0/29"), edges="all", exclude=("192.0.2.3",)),
    Pool("b", ("2001:db8::/124",), cooldown=60),
    Pool("c", ("203.0.113.0/29",), strategy="round-robin", quotas={"*": 3}),
    Pool("d", ("100.64.0.0/29",), reservations=(Reservation("100.64.0.3", "Container", "n", "o3"),)),
)
OWNERS = st.builds(Owner, st.sampled_from(["Container", "Pod"]), st.integers(0, 12).map("o{}".format), st.just("n"))
WISHES = st.builds(
    Wish,
    pool=st.sampled_from("abcd"),
    address=st.sampled_from([None, None, None, None, "192.0.2.4"]),
    ttl=st.sampled_from([None, 60]),
    labels=st.sampled_from([{}, {"app": "web"}]),
    tags=st.sampled_from([(), ("blue",)]),
)
ASKED = st.lists(st.tuples(OWNERS, WISHES), max_size=40)
Outcome = tuple[Lease, bool] | IpamError


@pytest.fixture
async def bench(tmp_path: Path) -> Service:
    """A service with the pools."""
    store = SqliteStore(tmp_path / "store.sqlite", Clock())
    made = Service(store, Log(store, 1000), Random(1), dns_ttl=30)
    await made.ensure_pools(POOLS)
    return made


def counts(service: Service) -> list[tuple[int, ...]]:
    """How full the pools are."""
    return [(each.used, each.cooling, each.reserved, each.leases, each.free) for each in service.list_pools()]


def recounted(service: Service) -> list[tuple[int, ...]]:
    """The same, as a daemon that is started anew finds it."""
    return counts(Service(service.store, service.log, Random(2)))


async def one_by_one(service: Service, asked: list[tuple[Owner, Wish]]) -> list[Outcome]:
    """What comes of each on its own."""
    outcomes: list[Outcome] = []
    for owner, wish in asked:
        try:
            outcomes.append(await service.lease(owner, wish))
        except IpamError as refusal:
            outcomes.append(refusal)
    return outcomes


def kinds(outcomes: list[Outcome]) -> list[str]:
    """What came of each, in a word, but for the address."""
    return [each.code if isinstance(each, IpamError) else f"{each[0].owner} {each[1]}" for each in outcomes]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ASKED, released=st.lists(st.integers(0, 100), max_size=8), asked=ASKED)
async def test_a_batch_gives_what_one_by_one_would(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[Owner, Wish]],
    released: list[int],
    asked: list[tuple[Owner, Wish]],
) -> None:
    served = []
    for _ in range(2):
        store = SqliteStore(tmp_path_factory.mktemp("bulk") / "store.sqlite", Clock())
        service = Service(store, Log(store, 1000), Random(1), dns_ttl=30)
        await service.ensure_pools(POOLS)
        await one_by_one(service, before)
        for index in released:
            present = service.list_leases(LeaseFilter(), 0, 100)
            if present:
                await service.release(present[index % len(present)].id)
        served.append(service)

    batch = await served[0].lease_batch(asked, atomic=False, is_trial=False)
    single = await one_by_one(served[1], asked)

    if not any(isinstance(each, IpamError) for each in single):  # who is refused depends on the order
        assert kinds(batch) == kinds(single)
    for service in served:
        leases = service.list_leases(LeaseFilter(), 0, 1000)
        assert len({(lease.pool, lease.address) for lease in leases}) == len(leases)
        assert counts(service) == recounted(service)
        rows = service.store.changes(0, [LEASE], 1000).rows
        assert [row.revision for row in rows if row.op == "ADDED"] == sorted(
            {row.revision for row in rows if row.op == "ADDED"}
        )
        await service.store.close()


async def test_new_owners_get_the_next_free_addresses_in_the_order_of_the_batch(bench: Service) -> None:
    owners = [Owner("Container", f"o{n}", "n") for n in range(4)]
    held, _ = await bench.lease(owners[1], Wish(pool="a"))
    made = await bench.lease_batch([(owner, Wish(pool="a")) for owner in owners], atomic=True, is_trial=False)
    leases = [each[0] for each in made if isinstance(each, tuple)]

    assert held.address == "192.0.2.0"
    assert [lease.address for lease in leases] == ["192.0.2.1", "192.0.2.0", "192.0.2.2", "192.0.2.4"]
    assert [bench.get_lease(lease.id) for lease in leases] == leases
    await bench.store.close()


async def test_who_has_something_cooling_gets_that_again_and_not_the_next(bench: Service) -> None:
    back = Owner("Container", "back", "n")
    first, _ = await bench.lease(back, Wish(pool="a"))
    await bench.lease(Owner("Container", "other", "n"), Wish(pool="a"))
    await bench.release(first.id)
    asked = [(Owner("Container", "new", "n"), Wish(pool="a")), (back, Wish(pool="a"))]
    made = await bench.lease_batch(asked, atomic=True, is_trial=False)

    assert [each[0].address for each in made if isinstance(each, tuple)] == ["192.0.2.2", first.address]
    await bench.store.close()


async def test_a_batch_that_is_refused_leaves_nothing_behind(bench: Service) -> None:
    before = counts(bench), bench.store.revision
    asked = [(Owner("Container", f"o{n}", "n"), Wish(pool="a")) for n in range(100)]
    with pytest.raises(Exhausted) as refused:
        await bench.lease_batch(asked, atomic=True, is_trial=False)

    assert refused.value.members["index"] == 23
    assert (counts(bench), bench.store.revision) == before
    assert counts(bench) == recounted(bench)
    await bench.store.close()
