"""What Docker shows is compared with what it was given: a witness is shown one sighting after the other."""

from collections.abc import Collection, Mapping
from random import Random

import pytest

from ipamd.docker.engine import Sighting
from ipamd.docker.messages import GLOBAL
from ipamd.docker.names import Named
from ipamd.docker.witness import Witness
from ipamd.events import Events
from ipamd.model import LeaseFilter, TenureFilter
from tests.ipamd.clock import Clock
from tests.ipamd.docker.conftest import Dockerd

GRACE = 30.0
NET = "ipamdlocal/10.50.0.0/24"


class Seen:
    """A witness, and what it is shown."""

    def __init__(self, dockerd: Dockerd, clock: Clock) -> None:
        self.dockerd = dockerd
        self.clock = clock
        self.events = Events(clock)
        store = dockerd.service.store
        self.witness = Witness(store, dockerd.driver, self.events, Random(1), clock, GRACE)

    async def later(self, seconds: float, shown: Mapping[str, Collection[str]], *named: Named) -> dict[str, str]:
        """The leases after a look, some seconds later, that shows networks and what containers have in them."""
        self.clock.now += seconds
        await self.witness.compare(Sighting({key: frozenset(each) for key, each in shown.items()}, named))
        return self.dockerd.leases()

    def told(self) -> list[tuple[str, str]]:
        return [(each.kind, each.text) for each in self.events.after(0)]


@pytest.fixture
async def seen(dockerd: Dockerd, clock: Clock) -> Seen:
    """A witness, and a network with a gateway, an auxiliary address and one container."""
    net = await dockerd.request_pool("10.50.0.0/24")
    assert net == NET
    assert await dockerd.gateway(net) == "10.50.0.1/24"
    assert await dockerd.request(net, "10.50.0.2") == "10.50.0.2/24"
    assert await dockerd.start(net, mac="02:42:00:00:00:aa") == "10.50.0.3/24"
    return Seen(dockerd, clock)


KEPT = {"10.50.0.1": "gateway", "10.50.0.2": "10.50.0.2"}
ALL = {**KEPT, "10.50.0.3": "02:42:00:00:00:aa"}


async def test_what_two_looks_a_grace_apart_have_not_found_is_collected(seen: Seen) -> None:
    assert await seen.later(0, {NET: ()}) == ALL
    assert await seen.later(GRACE - 1, {NET: ()}) == ALL
    assert await seen.later(1, {NET: ()}) == KEPT

    (tenure,) = seen.dockerd.service.store.view(lambda view: view.tenures(TenureFilter(name="02:42:00:00:00:aa"), 9))
    assert tenure.reason == "not at Docker"
    assert seen.told() == [
        ("reconciled", "10.50.0.3 of Endpoint ipamdlocal/10.50.0.0/24/02:42:00:00:00:aa is free: not at Docker")
    ]


async def test_one_look_collects_nothing_however_late_it_is(seen: Seen) -> None:
    assert await seen.later(10 * GRACE, {NET: ()}) == ALL


async def test_what_is_found_in_between_begins_anew(seen: Seen) -> None:
    await seen.later(0, {NET: ()})
    await seen.later(GRACE / 2, {NET: ["10.50.0.3"]})
    assert await seen.later(GRACE / 2, {NET: ()}) == ALL
    assert await seen.later(GRACE, {NET: ()}) == KEPT


async def test_what_is_asked_for_again_in_between_begins_anew(seen: Seen) -> None:
    await seen.later(0, {NET: ()})
    assert await seen.dockerd.start(NET, mac="02:42:00:00:00:aa") == "10.50.0.3/24"
    assert await seen.later(GRACE, {NET: ()}) == ALL


async def test_what_was_released_and_given_anew_is_not_taken_for_what_was_there(seen: Seen) -> None:
    await seen.later(0, {NET: ()})
    await seen.dockerd.release(NET, "10.50.0.3")
    assert await seen.dockerd.start(NET, mac="02:42:00:00:00:bb") == "10.50.0.3/24"
    assert await seen.later(GRACE, {NET: ()}) == {**KEPT, "10.50.0.3": "02:42:00:00:00:bb"}


async def test_a_network_that_is_gone_goes_with_all_that_it_has(seen: Seen) -> None:
    assert await seen.later(0, {}) == ALL
    assert await seen.later(GRACE, {}) == {}
    assert seen.dockerd.pools() == []
    assert seen.told() == [("reconciled", "the network ipamdlocal/10.50.0.0/24 is free: not at Docker")]


async def test_of_a_network_of_many_hosts_one_of_them_says_nothing(dockerd: Dockerd, clock: Clock) -> None:
    many = await dockerd.request_pool("10.60.0.0/24", AddressSpace=GLOBAL)
    await dockerd.start(many, mac="02:42:00:00:00:cc")
    seen = Seen(dockerd, clock)
    for _ in range(3):
        assert await seen.later(GRACE, {}) == {"10.60.0.1": "02:42:00:00:00:cc"}


async def test_names_follow_what_is_seen_and_go_with_the_lease(seen: Seen) -> None:
    shown, web = {NET: ["10.50.0.3"]}, Named("my_net", (NET,), ("Web_1", "www"), ("10.50.0.3",))
    await seen.later(0, shown, web)
    assert seen.dockerd.names() == {"my-net/web-1": ["10.50.0.3"], "my-net/www": ["10.50.0.3"]}
    await seen.later(1, shown, web._replace(names=("shop",)))
    assert seen.dockerd.names() == {"my-net/shop": ["10.50.0.3"]}

    await seen.dockerd.release(NET, "10.50.0.3")
    assert (seen.dockerd.names(), seen.dockerd.objects("Pod")) == ({}, {})


async def test_what_is_collected_has_no_name_any_more(seen: Seen) -> None:
    await seen.later(0, {NET: ["10.50.0.3"]}, Named("net", (NET,), ("web",), ("10.50.0.3",)))
    await seen.later(1, {NET: ()})
    await seen.later(GRACE, {NET: ()})
    assert seen.dockerd.names() == {}


async def test_a_name_does_not_outlive_a_lease_that_somebody_else_has_released(seen: Seen) -> None:
    shown, web = {NET: ["10.50.0.3"]}, Named("net", (NET,), ("web",), ("10.50.0.3",))
    await seen.later(0, shown, web)
    service = seen.dockerd.service
    (lease,) = [each for each in service.list_leases(LeaseFilter(), 0, 9) if each.address == "10.50.0.3"]
    await service.release(lease.id)

    await seen.later(1, shown, web)
    assert seen.dockerd.names() == {}
