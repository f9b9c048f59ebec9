"""Networks and their addresses, as dockerd asks for them."""

import asyncio
from random import Random
from typing import Any

import pytest

from ipamd.docker.messages import GLOBAL, LOCAL, MAC, SERIAL
from ipamd.log import Log
from ipamd.model import Pool, Reservation
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.clock import Clock
from tests.ipamd.docker.conftest import Dockerd

EXHAUSTED = "no available addresses on this pool"
IN_USE = "Address already in use"
OUT_OF_RANGE = "requested address is out of range"
OVERLAP = "Pool overlaps with other one on this address space"
FULL = "all predefined address pools have been fully subnetted"


async def test_a_network_gets_its_addresses_from_a_pool_of_its_own_and_leaves_nothing(dockerd: Dockerd) -> None:
    net = await dockerd.request_pool("10.50.0.0/24")

    assert net == "ipamdlocal/10.50.0.0/24"
    assert await dockerd.gateway(net) == "10.50.0.1/24"
    assert await dockerd.request(net, "10.50.0.2") == "10.50.0.2/24"  # an auxiliary address
    assert [await dockerd.start(net), await dockerd.start(net, "10.50.0.77")] == ["10.50.0.3/24", "10.50.0.77/24"]
    pool = dockerd.service.pool("docker-ipamdlocal-10.50.0.0-24")
    assert (pool.pool.space, pool.pool.edges, pool.leases, pool.capacity) == (LOCAL, "docker", 4, 254)

    for address in ("10.50.0.3", "10.50.0.77", "10.50.0.1", "10.50.0.2", "10.50.0.200"):
        assert await dockerd.release(net, address) == ""
    assert await dockerd.release_pool(net) == ""
    assert (dockerd.leases(), dockerd.pools()) == ({}, [])


@pytest.mark.parametrize(
    ("pool", "given"),
    [
        ("10.50.0.0/30", ["10.50.0.1/30", "10.50.0.2/30", EXHAUSTED]),
        ("10.50.0.0/31", ["10.50.0.0/31", "10.50.0.1/31", EXHAUSTED]),
        ("10.50.0.9/29", ["10.50.0.9/29", "10.50.0.10/29"]),
        ("fd00:50::/64", ["fd00:50::1/64", "fd00:50::2/64"]),
        ("fd00:50::/127", ["fd00:50::1/127", EXHAUSTED]),
    ],
)
async def test_the_ends_of_a_pool_are_as_with_built_in_ipam(dockerd: Dockerd, pool: str, given: list[str]) -> None:
    net = await dockerd.request_pool(pool)

    assert [await dockerd.start(net) for _ in given] == given


async def test_endpoints_get_addresses_of_the_sub_pool_and_others_by_asking(dockerd: Dockerd) -> None:
    net = await dockerd.request_pool("10.50.0.0/24", "10.50.0.128/30")

    assert await dockerd.gateway(net, "10.50.0.1") == "10.50.0.1/24"
    assert [await dockerd.start(net) for _ in range(5)] == [
        *(f"10.50.0.{last}/24" for last in (128, 129, 130, 131)),
        EXHAUSTED,
    ]
    assert await dockerd.start(net, "10.50.0.9") == "10.50.0.9/24"


async def test_networks_with_sub_pools_of_one_pool_share_its_addresses(dockerd: Dockerd) -> None:
    low = await dockerd.request_pool("10.50.0.0/24", "10.50.0.0/25")
    high = await dockerd.request_pool("10.50.0.0/24", "10.50.0.128/25")

    assert [await dockerd.gateway(low), await dockerd.gateway(high)] == ["10.50.0.1/24", "10.50.0.128/24"]
    assert await dockerd.start(low, "10.50.0.128") == IN_USE
    assert await dockerd.release(low, "10.50.0.128") == ""  # somebody else's: nothing happens
    assert await dockerd.request_pool("10.50.0.0/24", "10.50.0.128/25") == OVERLAP
    assert await dockerd.request_pool("10.50.0.0/24") == OVERLAP
    assert await dockerd.release_pool(low) == ""
    assert dockerd.leases() == {"10.50.0.128": "gateway"}


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"pool": "10.50.0.0/24"}, OVERLAP),
        ({"pool": "10.50.0.0/16"}, OVERLAP),
        ({"pool": "10.50.0.7/32"}, OVERLAP),
        ({"AddressSpace": "other"}, "invalid address space"),
        ({"AddressSpace": None}, "invalid address space"),
        ({"pool": "/24"}, "invalid pool request"),
        ({"pool": "0.0.0.0/AB"}, "invalid pool request"),
        ({"pool": "0.0.0.0/0"}, "invalid pool request"),
        ({"pool": "10.51.0.0"}, "invalid pool request"),
        ({"pool": "10.51.0.0/33"}, "invalid pool request"),
        ({"sub_pool": "10.51.0.0/25"}, "invalid pool request"),
        ({"pool": "10.51.0.0/24", "sub_pool": "10.52.0.0/25"}, "invalid pool request"),
        ({"pool": "0.0.0.0/9"}, FULL),
    ],
)
async def test_a_pool_that_cannot_be_is_refused(dockerd: Dockerd, asked: dict[str, Any], refused: str) -> None:
    await dockerd.request_pool("10.50.0.0/24")

    assert (await dockerd.request_pool(**asked)).startswith(refused)
    assert dockerd.pools() == ["docker-ipamdlocal-10.50.0.0-24"]


async def test_a_pool_may_be_the_same_in_the_other_address_space(dockerd: Dockerd) -> None:
    assert await dockerd.request_pool("10.50.0.0/24") == "ipamdlocal/10.50.0.0/24"
    assert await dockerd.request_pool("10.50.0.0/24", AddressSpace=GLOBAL) == "ipamdglobal/10.50.0.0/24"
    assert [await dockerd.gateway(f"{space}/10.50.0.0/24") for space in (LOCAL, GLOBAL)] == ["10.50.0.1/24"] * 2


async def test_a_network_without_a_subnet_gets_one_of_those_predefined(dockerd: Dockerd) -> None:
    await dockerd.request_pool("10.123.1.0/24", AddressSpace=GLOBAL)
    assert [await dockerd.request_pool() for _ in range(2)] == ["ipamdlocal/10.123.0.0/24", "ipamdlocal/10.123.2.0/24"]
    assert await dockerd.request_pool("0.0.0.0/25") == "ipamdlocal/10.123.3.0/25"
    assert await dockerd.request_pool() == FULL
    assert await dockerd.request_pool("0.0.0.0/25") == "ipamdlocal/10.123.3.128/25"
    assert await dockerd.request_pool(V6=True) == "ipamdlocal/fd00:123::/64"
    assert await dockerd.request_pool("::/63") == "ipamdlocal/fd00:123:0:2::/63"
    assert await dockerd.request_pool("::/63") == FULL


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("10.50.0.1", IN_USE),
        ("10.50.0.9", IN_USE),
        ("10.50.0.0", IN_USE),
        ("10.50.0.255", IN_USE),
        ("10.51.0.1", OUT_OF_RANGE),
        ("fd00::1", OUT_OF_RANGE),
        ("10.50", "not an IP address: '10.50'"),
    ],
)
async def test_an_address_that_cannot_be_had_is_refused(dockerd: Dockerd, address: str, refused: str) -> None:
    net = await dockerd.request_pool("10.50.0.0/24")
    await dockerd.gateway(net)
    await dockerd.start(net, "10.50.0.9")

    assert await dockerd.start(net, address) == refused
    assert dockerd.leases() == {"10.50.0.1": "gateway", "10.50.0.9": "10.50.0.9"}


async def test_a_request_that_comes_again_gets_what_it_got(dockerd: Dockerd) -> None:
    net = await dockerd.request_pool("10.50.0.0/24")
    assert [await dockerd.gateway(net) for _ in range(2)] == ["10.50.0.1/24"] * 2
    assert [await dockerd.start(net, mac="02:42:AA:00:00:01") for _ in range(2)] == ["10.50.0.2/24"] * 2
    assert [await dockerd.start(net, "10.50.0.9", mac="02:42:aa:00:00:02") for _ in range(2)] == ["10.50.0.9/24"] * 2

    # As a dockerd replays what it knows: addresses, no MAC address, no options.
    assert await dockerd.gateway(net, "10.50.0.1") == "10.50.0.1/24"
    for last in (2, 9):
        assert await dockerd.request(net, f"10.50.0.{last}") == f"10.50.0.{last}/24"
    assert await dockerd.request(net, "10.50.0.1") == IN_USE
    assert len(dockerd.leases()) == 3


async def test_requests_of_nobody_get_an_address_each(dockerd: Dockerd) -> None:
    net = await dockerd.request_pool("10.50.0.0/24")

    assert [await dockerd.request(net, "") for _ in range(2)] == ["10.50.0.1/24", "10.50.0.2/24"]


async def test_a_container_with_an_address_of_its_own_keeps_it_over_a_restart_and_others_have_to_wait(
    store: SqliteStore, clock: Clock
) -> None:
    dockerd = Dockerd(Service(store, Log(store, 1000), Random(1), dns_ttl=30))
    net = await dockerd.request_pool("10.50.0.0/29")
    await dockerd.start(net, "10.50.0.2")
    auto = await dockerd.start(net)
    assert auto == "10.50.0.1/29"
    for address in ("10.50.0.1", "10.50.0.2"):
        await dockerd.release(net, address)

    assert await dockerd.start(net, "10.50.0.2") == "10.50.0.2/29"
    assert await dockerd.start(net) == "10.50.0.3/29"
    assert (await dockerd.start(net, "10.50.0.1")).startswith(f"{EXHAUSTED}: ")
    clock.now += 30
    assert await dockerd.start(net, "10.50.0.1") == "10.50.0.1/29"


async def test_a_pool_outlives_its_network_while_it_cools(store: SqliteStore, clock: Clock) -> None:
    dockerd = Dockerd(Service(store, Log(store, 1000), Random(1), dns_ttl=30))
    net = await dockerd.request_pool("10.50.0.0/24")
    await dockerd.gateway(net)
    await dockerd.start(net)
    assert await dockerd.release_pool(net) == ""
    await store.update(dockerd.driver.networks.sweep)
    assert (dockerd.leases(), dockerd.pools()) == ({}, ["docker-ipamdlocal-10.50.0.0-24"])

    again = await dockerd.request_pool("10.50.0.0/24")
    assert [await dockerd.gateway(again), await dockerd.start(again)] == ["10.50.0.1/24", "10.50.0.3/24"]
    await dockerd.release_pool(again)
    assert await dockerd.request_pool("10.50.0.0/16") == "ipamdlocal/10.50.0.0/16"

    clock.now += 30
    await dockerd.release_pool("ipamdlocal/10.50.0.0/16")
    assert dockerd.pools() == []


async def test_a_pool_is_swept_away_once_it_has_cooled(store: SqliteStore, clock: Clock) -> None:
    dockerd = Dockerd(Service(store, Log(store, 1000), Random(1), dns_ttl=30))
    net = await dockerd.request_pool("10.50.0.0/24")
    await dockerd.start(net)
    await dockerd.release_pool(net)
    clock.now += 30
    await store.update(dockerd.service.leases.thaw)
    await store.update(dockerd.driver.networks.sweep)

    assert dockerd.pools() == []


async def test_nothing_is_given_twice_to_those_who_ask_at_once(dockerd: Dockerd) -> None:
    nets = await asyncio.gather(*(dockerd.request_pool("0.0.0.0/28") for _ in range(66)))
    assert (len({*nets}), nets.count(FULL)) == (65, 2)

    given = await asyncio.gather(*(dockerd.start(net) for net in nets[:4] for _ in range(16)))
    assert (len({*given} - {EXHAUSTED}), given.count(EXHAUSTED)) == (4 * 14, 4 * 2)
    left = [address.partition("/")[0] for address in given if address != EXHAUSTED]
    await asyncio.gather(*(dockerd.release(net, address) for net in nets[:4] for address in left))
    assert dockerd.leases() == {}


@pytest.mark.parametrize("where", ["network", "request"])
async def test_serial_addresses_go_on_behind_the_last(dockerd: Dockerd, where: str) -> None:
    serial = {SERIAL: "true"}
    net = await dockerd.request_pool("10.50.0.0/29", Options=serial if where == "network" else None)
    options = serial if where == "request" else {}

    given = []
    for _ in range(3):
        address = await dockerd.start(net, **options)
        given.append(address)
        await dockerd.release(net, address.partition("/")[0])
        await dockerd.release(net, await dockerd.start(net, "10.50.0.6"))  # does not move on
    assert given == ["10.50.0.1/29", "10.50.0.2/29", "10.50.0.3/29"]
    await dockerd.start(net, "10.50.0.6", mac="02:42:00:00:00:02")
    assert [await dockerd.start(net, **options) for _ in range(3)] == ["10.50.0.4/29", "10.50.0.5/29", "10.50.0.1/29"]


async def test_a_pool_of_the_operator_gives_by_its_own_rules_and_stays(dockerd: Dockerd) -> None:
    kept = (Reservation("10.50.0.2"),)
    await dockerd.service.create_pool(Pool("office", ("10.50.0.0/24",), space=LOCAL, edges="docker", reservations=kept))
    net = await dockerd.request_pool("10.50.0.0/24")

    assert [await dockerd.gateway(net), await dockerd.start(net)] == ["10.50.0.1/24", "10.50.0.3/24"]
    await dockerd.release_pool(net)
    assert dockerd.service.pool("office").leases == 0


@pytest.mark.parametrize(
    ("method", "members", "refused"),
    [
        ("RequestAddress", {"PoolID": "other"}, "address pool not found: other"),
        ("ReleaseAddress", {"PoolID": "other", "Address": "10.50.0.1"}, "address pool not found: other"),
        ("ReleaseAddress", {"PoolID": "ipamdlocal/10.50.0.0/24", "Address": ""}, "not an IP address: ''"),
        ("ReleaseAddress", {"PoolID": "ipamdlocal/10.50.0.0/24"}, "not an IP address: ''"),
        ("ReleaseAddress", {"PoolID": "ipamdlocal/10.50.0.0/24", "Address": "10.51.0.1"}, OUT_OF_RANGE),
        ("ReleasePool", {}, "address pool not found"),
        ("ReleasePool", {"PoolID": "other"}, "address pool not found: other"),
        ("RequestAddress", {"PoolID": 7}, "invalid request: Expected `str | null`, got `int` - at `$.PoolID`"),
        ("Ping", {}, "ipamd has no method IpamDriver.Ping"),
    ],
)
async def test_what_cannot_be_meant_is_refused(dockerd: Dockerd, method: str, members: Any, refused: str) -> None:
    await dockerd.request_pool("10.50.0.0/24")

    assert await dockerd.call(method, **members) == {"Error": refused}


async def test_an_empty_body_is_an_error_that_says_why(dockerd: Dockerd) -> None:
    for method in ("RequestPool", "ReleasePool", "RequestAddress", "ReleaseAddress"):
        reply = await dockerd.driver.answer(f"IpamDriver.{method}", b"")
        assert str(reply["Error"]).startswith("an empty body")


async def test_members_may_be_null_or_absent_or_new(dockerd: Dockerd) -> None:
    net = await dockerd.request_pool(SubPool=None, Options=None, Tomorrow=[1])

    assert await dockerd.call("RequestAddress", PoolID=net) == {"Address": "10.123.0.1/24", "Data": {}}
    assert await dockerd.call("RequestAddress", PoolID=net, Address=None, Options={MAC: "02:42:00:00:00:01"}) == {
        "Address": "10.123.0.2/24",
        "Data": {},
    }
