"""Leases in transactions: idempotent, exclusive, all or nothing."""

import asyncio
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ipamd.errors import Conflict, Exhausted, IpamError, OutsidePool, Taken, UnknownLease
from ipamd.log import Log
from ipamd.model import Lease, LeaseFilter, Owner, Pool, Wish
from ipamd.service import Service
from ipamd.stores import Tx
from ipamd.stores.sqlite import SqliteStore

WEB = Owner("Container", "web", "default", "u1")
DB = Owner("Container", "db")


async def test_asking_again_gives_the_same_lease(service: Service) -> None:
    first = await service.lease(WEB, Wish(pool="pods"))
    again = await service.lease(WEB, Wish(pool="pods"))
    other_pool = await service.lease(WEB, Wish(pool="tiny"))

    assert (first[1], again[1], other_pool[1]) == (True, False, True)
    assert again[0] == first[0]
    assert await service.lease(WEB, Wish(pool="pods", address=first[0].address)) == (first[0], False)


async def test_asking_at_once_gives_one_lease(service: Service) -> None:
    outcomes = await asyncio.gather(*(service.lease(WEB, Wish(pool="pods")) for _ in range(20)))

    assert len({lease.id for lease, _ in outcomes}) == 1
    assert [is_new for _, is_new in outcomes].count(True) == 1


@pytest.mark.parametrize(
    ("owner", "wish"),
    [
        (WEB, Wish(pool="pods", address="10.244.0.77")),
        (WEB, Wish(pool="pods", prefix_length=28)),
        (WEB, Wish(pool="pods", block=True)),
        (Owner("Container", "web", "default", "u2"), Wish(pool="pods")),  # another incarnation
    ],
)
async def test_asking_again_for_something_else_is_a_conflict(service: Service, owner: Owner, wish: Wish) -> None:
    await service.lease(WEB, Wish(pool="pods"))

    with pytest.raises(Conflict):
        await service.lease(owner, wish)


async def test_who_holds_a_taken_address_is_told(service: Service) -> None:
    lease, _ = await service.lease(WEB, Wish(pool="pods", address="10.244.9.9"))
    block, _ = await service.lease(Owner("Node", "n1"), Wish(pool="pods", address="10.244.5.0", prefix_length=24))

    with pytest.raises(Taken, match=r"10.244.9.9 is taken: 10.244.9.9 is leased to Container default/web") as caught:
        await service.lease(DB, Wish(pool="pods", address="10.244.9.9"))
    assert caught.value.members["holder"] == {
        "kind": "Container",
        "namespace": "default",
        "name": "web",
        "uid": "u1",
    }
    assert caught.value.members["lease"] == str(lease.id)
    for wish in (
        Wish(pool="pods", address="10.244.5.200"),
        Wish(pool="pods", address="10.244.4.0", prefix_length=23),
    ):
        with pytest.raises(Taken, match=r"10.244.5.0/24 is leased to Node n1") as caught:
            await service.lease(DB, wish)
        assert caught.value.members["lease"] == str(block.id)


async def test_a_released_address_can_be_leased_again(service: Service) -> None:
    lease, _ = await service.lease(WEB, Wish(pool="tiny"))
    await service.release(lease.id)
    again, is_new = await service.lease(DB, Wish(pool="tiny"))

    assert (again.address, is_new) == (lease.address, True)
    assert again.id != lease.id
    with pytest.raises(UnknownLease):
        await service.release(lease.id)  # a late release frees nobody else's lease
    assert service.get_lease(again.id) == again


async def test_a_full_pool_says_so_with_its_counts(service: Service) -> None:
    for number in range(5):
        await service.lease(Owner("Container", f"c{number}"), Wish(pool="tiny"))

    with pytest.raises(Exhausted) as caught:
        await service.lease(WEB, Wish(pool="tiny"))
    assert caught.value.members == {"pool": "tiny", "capacity": 5, "used": 5, "cooling": 0, "reserved": 0, "free": 0}


async def test_a_wish_for_a_purpose_goes_on_to_the_next_pool_when_one_is_full(service: Service) -> None:
    for name, cidr in (("lb-a", "198.51.100.0/32"), ("lb-b", "198.51.100.7/32")):
        await service.create_pool(Pool(name, (cidr,), purpose="lb"))
    wish = Wish(purpose="lb", family=4)

    given = [(await service.lease(Owner("Service", f"s{number}"), wish))[0].address for number in range(2)]
    assert given == ["198.51.100.0", "198.51.100.7"]
    with pytest.raises(Exhausted):
        await service.lease(Owner("Service", "s2"), wish)
    with pytest.raises(OutsidePool, match=r"203.0.113.1 is outside pool lb-a, lb-b"):
        await service.lease(Owner("Service", "s2"), Wish(purpose="lb", family=4, address="203.0.113.1"))


async def test_several_leases_in_one_transaction_are_all_or_nothing(service: Service) -> None:
    def both(tx: Tx) -> None:
        service.leases.allocate(tx, WEB, Wish(pool="pods"))
        service.leases.allocate(tx, WEB, Wish(pool="tiny", address="192.0.2.77"))

    before = service.list_pools()
    with pytest.raises(OutsidePool):
        await service.store.update(both)

    assert service.list_pools() == before
    assert service.list_leases(LeaseFilter(), 0, 10) == []
    lease, _ = await service.lease(DB, Wish(pool="pods"))
    assert lease.address == "10.244.0.2"


async def test_a_release_that_is_not_kept_frees_nothing(service: Service) -> None:
    lease, _ = await service.lease(WEB, Wish(pool="tiny"))

    def release_and_fail(tx: Tx) -> None:
        service.leases.release(tx, lease)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await service.store.update(release_and_fail)
    other, _ = await service.lease(DB, Wish(pool="tiny"))

    assert service.get_lease(lease.id) == lease
    assert other.address != lease.address
    assert service.pool("tiny").used == 2


async def test_all_leases_of_an_owner_go_at_once(service: Service) -> None:
    for pool in ("pods", "pods-v6", "tiny"):
        await service.lease(WEB, Wish(pool=pool))
    released = await service.store.update(lambda tx: service.leases.release_all(tx, WEB))

    assert [lease.pool for lease in released] == ["pods", "pods-v6", "tiny"]
    assert [usage.leases for usage in service.list_pools()] == [0, 0, 0, 0]
    assert await service.store.update(lambda tx: service.leases.release_all(tx, WEB)) == []


class Model(RuleBasedStateMachine):
    """A pool of 256 addresses and a service on a real store, which is closed and opened again, beside a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = TemporaryDirectory()
        self.path = Path(self.directory.name) / "store.sqlite"
        self.model: dict[str, Lease] = {}
        self.open()

    def open(self) -> None:
        """Open the store."""

        async def made() -> Service:
            store = SqliteStore(self.path)
            service = Service(store, Log(store, 1000), Random(3))
            await service.ensure_pools([Pool("p", ("10.0.0.0/24",), strategy="random")])
            return service

        self.service = self.loop.run_until_complete(made())

    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        self.loop.run_until_complete(self.service.store.close())
        self.open()

    @rule(name=st.sampled_from("abcdefgh"), bits=st.integers(0, 6), last=st.none() | st.integers(0, 255))
    def lease(self, name: str, bits: int, last: int | None) -> None:
        """Ask for a lease."""
        address = None if last is None else f"10.0.0.{last >> bits << bits}"
        wish = Wish(pool="p", prefix_length=32 - bits, address=address)
        try:
            lease, is_new = self.loop.run_until_complete(self.service.lease(Owner("Container", name), wish))
        except IpamError as error:
            self.check_refusal(error, bits, last)
            return
        assert is_new == (name not in self.model)
        assert is_new or lease == self.model[name]
        others = (addresses(other) for key, other in self.model.items() if key != name)
        assert addresses(lease).isdisjoint(set().union(*others))
        assert addresses(lease).isdisjoint({0, 1, 255})
        self.model[name] = lease

    def check_refusal(self, error: IpamError, bits: int, last: int | None) -> None:
        """A refusal tells the truth."""
        taken = set().union(*map(addresses, self.model.values()))
        if isinstance(error, Exhausted):
            blocks = [set(range(at, at + (1 << bits))) for at in range(0, 256, 1 << bits)]
            assert all(block & (taken | {0, 1, 255}) for block in blocks)
        if isinstance(error, Taken):
            assert last is not None
            first = last >> bits << bits
            assert taken & set(range(first, first + (1 << bits)))

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Release one of the leases."""
        name = data.draw(st.sampled_from(sorted(self.model)))
        self.loop.run_until_complete(self.service.release(self.model.pop(name).id))

    @invariant()
    def both_agree(self) -> None:
        """On the leases, and on the counts."""
        leases = self.service.list_leases(LeaseFilter(), 0, 100)
        assert {lease.owner.name: lease for lease in leases} == self.model
        assert self.service.pool("p").used == sum(len(addresses(lease)) for lease in leases)

    def teardown(self) -> None:
        """Close everything."""
        self.loop.run_until_complete(self.service.store.close())
        self.loop.close()
        self.directory.cleanup()


def addresses(lease: Lease) -> set[int]:
    """The last octets of the addresses of a lease."""
    first = int(lease.address.split(".")[-1])
    return set(range(first, first + (1 << (32 - lease.prefix_length))))


TestModel: Any = Model.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
