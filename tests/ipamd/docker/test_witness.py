"""What Docker shows is compared with what it was given: a witness is shown one sighting after the other."""

from collections.abc import Collection, Mapping
from random import Random
from typing import Any

import pytest

from ipamd.docker.adopting import Seen
from ipamd.docker.engine import Sighting
from ipamd.docker.messages import GLOBAL, LOCAL, PoolRequest
from ipamd.docker.names import Named
from ipamd.docker.witness import Witness
from ipamd.events import Events
from ipamd.model import LeaseFilter, Pool, TenureFilter
from tests.ipamd.clock import Clock
from tests.ipamd.docker.conftest import Dockerd

GRACE = 30.0
NET = "ipamdlocal/10.50.0.0/24"
MAC = "02:42:00:00:00:aa"


class Watched:
    """A witness, and what it is shown."""

    def __init__(self, dockerd: Dockerd, clock: Clock) -> None:
        self.dockerd = dockerd
        self.clock = clock
        self.events = Events(clock)
        self.heard: dict[str, frozenset[str]] = {}
        heard = self.heard.__setitem__
        self.witness = Witness(dockerd.service.store, dockerd.driver, heard, self.events, Random(1), clock, GRACE)

    async def later(self, seconds: float, shown: Mapping[str, Collection[str]], *named: Named) -> dict[str, str]:
        """The leases after a look, some seconds later, that shows networks and what containers have in them."""
        pools = {key: shown_pool(key, containers=dict.fromkeys(each, MAC)) for key, each in shown.items()}
        return await self.look(seconds, pools, *named)

    async def look(self, seconds: float, pools: Mapping[str, Seen], *named: Named) -> dict[str, str]:
        """The same of pools as they are shown."""
        self.clock.now += seconds
        await self.witness.compare(Sighting(pools, named))
        return self.dockerd.leases()

    def told(self) -> list[tuple[str, str]]:
        return [(each.kind, each.text) for each in self.events.after(0)]


def shown_pool(identifier: str, **more: Any) -> Seen:
    """A pool as Docker shows it."""
    space, _, cidr = identifier.partition("/")
    return Seen(PoolRequest(space, cidr, "", None, ":" in cidr), **more)


@pytest.fixture
async def seen(dockerd: Dockerd, clock: Clock) -> Watched:
    """A witness, and a network with a gateway, an auxiliary address and one container."""
    net = await dockerd.request_pool("10.50.0.0/24")
    assert net == NET
    assert await dockerd.gateway(net) == "10.50.0.1/24"
    assert await dockerd.request(net, "10.50.0.2") == "10.50.0.2/24"
    assert await dockerd.start(net, mac=MAC) == "10.50.0.3/24"
    return Watched(dockerd, clock)


KEPT = {"10.50.0.1": "gateway", "10.50.0.2": "10.50.0.2"}
ALL = {**KEPT, "10.50.0.3": MAC}


async def test_what_two_looks_a_grace_apart_have_not_found_is_collected(seen: Watched) -> None:
    assert await seen.later(0, {NET: ()}) == ALL
    assert await seen.later(GRACE - 1, {NET: ()}) == ALL
    assert await seen.later(1, {NET: ()}) == KEPT

    (tenure,) = seen.dockerd.service.store.view(lambda view: view.tenures(TenureFilter(name=MAC), 9))
    assert tenure.reason == "not at Docker"
    assert seen.told() == [
        ("reconciled", "10.50.0.3 of Endpoint ipamdlocal/10.50.0.0/24/02:42:00:00:00:aa is free: not at Docker")
    ]


async def test_one_look_collects_nothing_however_late_it_is(seen: Watched) -> None:
    assert await seen.later(10 * GRACE, {NET: ()}) == ALL


async def test_what_is_found_in_between_begins_anew(seen: Watched) -> None:
    await seen.later(0, {NET: ()})
    await seen.later(GRACE / 2, {NET: ["10.50.0.3"]})
    assert await seen.later(GRACE / 2, {NET: ()}) == ALL
    assert await seen.later(GRACE, {NET: ()}) == KEPT


async def test_what_is_asked_for_again_in_between_begins_anew(seen: Watched) -> None:
    await seen.later(0, {NET: ()})
    assert await seen.dockerd.start(NET, mac=MAC) == "10.50.0.3/24"
    assert await seen.later(GRACE, {NET: ()}) == ALL


async def test_what_was_released_and_given_anew_is_not_taken_for_what_was_there(seen: Watched) -> None:
    await seen.later(0, {NET: ()})
    await seen.dockerd.release(NET, "10.50.0.3")
    assert await seen.dockerd.start(NET, mac="02:42:00:00:00:bb") == "10.50.0.3/24"
    assert await seen.later(GRACE, {NET: ()}) == {**KEPT, "10.50.0.3": "02:42:00:00:00:bb"}


async def test_a_network_that_is_gone_goes_with_all_that_it_has(seen: Watched) -> None:
    assert await seen.later(0, {}) == ALL
    assert await seen.later(GRACE, {}) == {}
    assert seen.dockerd.pools() == []
    assert seen.told() == [("reconciled", "the network ipamdlocal/10.50.0.0/24 is free: not at Docker")]


async def test_of_a_network_of_many_hosts_one_of_them_says_nothing(dockerd: Dockerd, clock: Clock) -> None:
    many = await dockerd.request_pool("10.60.0.0/24", AddressSpace=GLOBAL)
    await dockerd.start(many, mac="02:42:00:00:00:cc")
    seen = Watched(dockerd, clock)
    for _ in range(3):
        assert await seen.later(GRACE, {}) == {"10.60.0.1": "02:42:00:00:00:cc"}
    assert seen.heard == {}


async def test_what_a_look_has_found_is_told(seen: Watched) -> None:
    await seen.later(0, {NET: ["10.50.0.3"]})
    assert seen.heard == {NET: frozenset(ALL.values())}
    await seen.later(1, {NET: ()})
    assert seen.heard == {NET: frozenset(KEPT.values())}
    await seen.later(1, {})
    assert seen.heard == {NET: frozenset()}


async def test_names_follow_what_is_seen_and_go_with_the_lease(seen: Watched) -> None:
    shown, web = {NET: ["10.50.0.3"]}, Named("my_net", (NET,), ("Web_1", "www"), ("10.50.0.3",))
    await seen.later(0, shown, web)
    assert seen.dockerd.names() == {"my-net/web-1": ["10.50.0.3"], "my-net/www": ["10.50.0.3"]}
    await seen.later(1, shown, web._replace(names=("shop",)))
    assert seen.dockerd.names() == {"my-net/shop": ["10.50.0.3"]}

    await seen.dockerd.release(NET, "10.50.0.3")
    assert (seen.dockerd.names(), seen.dockerd.objects("Pod")) == ({}, {})


async def test_what_is_collected_has_no_name_any_more(seen: Watched) -> None:
    await seen.later(0, {NET: ["10.50.0.3"]}, Named("net", (NET,), ("web",), ("10.50.0.3",)))
    await seen.later(1, {NET: ()})
    await seen.later(GRACE, {NET: ()})
    assert seen.dockerd.names() == {}


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_no_name_is_left_of_a_container_that_went_after_its_lease(
    seen: Watched, clock: Clock, is_restarted: bool
) -> None:
    await seen.later(0, {NET: ["10.50.0.3"]}, Named("net", (NET,), ("web",), ("10.50.0.3",)))
    service = seen.dockerd.service
    await service.release(service.list_leases(LeaseFilter(address="10.50.0.3"), 0, 9)[0].id)
    await seen.dockerd.release(NET, "10.50.0.3")

    later = Watched(seen.dockerd, clock) if is_restarted else seen
    await later.later(1, {NET: ()})
    assert seen.dockerd.names() == {}


async def test_a_name_does_not_outlive_a_lease_that_somebody_else_has_released(seen: Watched) -> None:
    shown, web = {NET: ["10.50.0.3"]}, Named("net", (NET,), ("web",), ("10.50.0.3",))
    await seen.later(0, shown, web)
    service = seen.dockerd.service
    await service.release(service.list_leases(LeaseFilter(address="10.50.0.3"), 0, 9)[0].id)

    await seen.later(1, shown, web)
    assert seen.dockerd.names() == {}


SIX = "ipamdlocal/fd00:50::/64"
LOST = {
    NET: shown_pool(NET, gateway="10.50.0.254", kept=("10.50.0.2",), containers={"10.50.0.3": MAC, "10.50.0.9": MAC}),
    SIX: shown_pool(SIX, containers={"fd00:50::2": MAC}),  # without a gateway that is told
}
TAKEN_OVER = {
    "10.50.0.2": "10.50.0.2",
    "10.50.0.3": "10.50.0.3",
    "10.50.0.9": "10.50.0.9",
    "10.50.0.254": "gateway",
    "fd00:50::1": "gateway",
    "fd00:50::2": "fd00:50::2",
}


@pytest.fixture
def lost(dockerd: Dockerd, clock: Clock) -> Watched:
    """A witness of a Docker whose ipamd has lost everything."""
    return Watched(dockerd, clock)


async def test_what_docker_has_and_nobody_leased_is_taken_over_once_two_looks_have_found_it(lost: Watched) -> None:
    assert [await lost.look(seconds, LOST) for seconds in (0, GRACE - 1)] == [{}, {}]
    assert await lost.look(1, LOST) == TAKEN_OVER
    assert await lost.look(GRACE, LOST) == TAKEN_OVER
    revision = lost.dockerd.service.store.revision
    await lost.look(GRACE, LOST)

    assert lost.dockerd.service.store.revision == revision
    assert ("reconciled", f"10.50.0.9 of {NET} is leased: Docker has it") in lost.told()
    assert await lost.dockerd.start(NET) == "10.50.0.1/24"
    for address in ("10.50.0.3", "10.50.0.9"):
        await lost.dockerd.release(NET, address)
    assert await lost.dockerd.release_pool(NET) == ""


async def test_a_lease_that_somebody_else_released_is_made_again_and_has_its_name(seen: Watched) -> None:
    web = Named("net", (NET,), ("web",), ("10.50.0.3",))
    shown = {NET: ["10.50.0.3"]}
    await seen.later(0, shown, web)
    service = seen.dockerd.service
    await service.release(service.list_leases(LeaseFilter(address="10.50.0.3"), 0, 9)[0].id)
    for seconds in (0, GRACE, 0):
        await seen.later(seconds, shown, web)

    assert seen.dockerd.leases() == {**KEPT, "10.50.0.3": "10.50.0.3"}
    assert seen.dockerd.names() == {"net/web": ["10.50.0.3"]}


async def test_what_docker_has_is_given_to_nobody_else_from_the_first_look_on(seen: Watched) -> None:
    shown = {NET: shown_pool(NET, kept=("10.50.0.2",), containers=dict.fromkeys(["10.50.0.3", "10.50.0.4"], MAC))}
    await seen.look(0, shown)

    assert await seen.dockerd.start(NET) == "10.50.0.5/24"
    assert await seen.dockerd.start(NET, "10.50.0.4") == "10.50.0.4/24"  # it says itself that it is to have it


async def test_an_old_copy_of_the_store_learns_from_docker_what_it_lacks(lost: Watched) -> None:
    lost.dockerd.service.store._tx.old_because = "it was put back"  # type: ignore[attr-defined]
    for seconds in (0, GRACE):
        await lost.look(seconds, LOST)

    told = {address: owner for address, owner in TAKEN_OVER.items() if address != "fd00:50::1"}  # which is a guess
    assert lost.dockerd.leases() == told
    assert "old copy" in await lost.dockerd.start(NET)


async def test_a_network_in_which_docker_has_everything_gives_nothing(dockerd: Dockerd, clock: Clock) -> None:
    seen, net = Watched(dockerd, clock), await dockerd.request_pool("10.50.0.0/30")
    pool = shown_pool(net, gateway="10.50.0.1", containers={"10.50.0.2": MAC})
    everything = {net: pool._replace(kept=("10.50.0.0", "10.50.0.3"))}
    await seen.look(0, everything)

    assert await dockerd.start(net) == "no available addresses on this pool"


async def test_what_cannot_be_had_holds_up_nothing_else(lost: Watched) -> None:
    await lost.dockerd.service.create_pool(Pool("in-the-way", ("10.50.0.0/16",), space=LOCAL))
    for seconds in (0, GRACE):
        await lost.look(seconds, LOST)
    assert [*lost.dockerd.leases()] == ["fd00:50::2", "fd00:50::1"]

    await lost.dockerd.service.delete_pool("in-the-way")
    assert await lost.look(0, LOST) == TAKEN_OVER


@pytest.mark.parametrize("identifier", [NET, "ipamdglobal/10.50.0.0/24"])
async def test_networks_of_another_driver_or_of_many_hosts_are_not_taken_over(lost: Watched, identifier: str) -> None:
    shown = {identifier: shown_pool(identifier, is_ours=identifier != NET, containers={"10.50.0.3": MAC})}
    assert [await lost.look(seconds, shown) for seconds in (0, GRACE, GRACE)] == [{}, {}, {}]
