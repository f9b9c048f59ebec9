"""The names of containers: which labels they become, and which objects stand for them."""

from random import Random
from typing import Any

import pytest

from ipamd.docker import names
from ipamd.docker.endpoints import ENDPOINT
from ipamd.docker.names import LONGEST, Named, fit
from ipamd.model import Lease, LeaseFilter
from ipamd.stores import Tx
from tests.ipamd.docker.conftest import Dockerd


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("web", "web"),
        ("Web_1", "web-1"),
        ("shop.example.org", "shop-example-org"),
        ("_x__y_", "x-y"),
        ("...", ""),
        ("b\u00fccher", "b-cher"),
        ("a" * 62 + "__b", "a" * 62),
        ("a" * 80, "a" * LONGEST),
    ],
)
def test_a_name_becomes_a_label(name: str, label: str) -> None:
    assert fit(name) == label


class Network:
    """A network with a pool of each family; `start` gives a container its addresses and has them named."""

    def __init__(self, dockerd: Dockerd, *pools: str) -> None:
        self.dockerd = dockerd
        self.pools = pools

    async def start(self, *called: str, mac: str = "") -> tuple[str, ...]:
        mac = mac or f"02:42:00:00:01:{self.dockerd.macs:02x}"
        given = [await self.dockerd.start(each, mac=mac) for each in self.pools]
        addresses = tuple(each.partition("/")[0] for each in given)
        await self.name(addresses, *called)
        return addresses

    async def name(self, addresses: tuple[str, ...], *called: str) -> None:
        named = Named("net", self.pools, called, addresses)
        await self.dockerd.service.store.update(lambda tx: names.name(tx, held(tx), named, Random(7)))

    async def stop(self, *addresses: str) -> None:
        for pool, address in zip(self.pools, addresses, strict=True):
            assert await self.dockerd.release(pool, address) == ""


def held(tx: Tx) -> dict[tuple[str, str], Lease]:
    leases = tx.leases(LeaseFilter(kind=ENDPOINT))
    return {(lease.owner.namespace, lease.address): lease for lease in leases}


@pytest.fixture
async def net(dockerd: Dockerd) -> Network:
    """A network of both families."""
    return Network(dockerd, await dockerd.request_pool("10.50.0.0/24"), await dockerd.request_pool("fd00:50::/64"))


async def test_a_container_is_a_pod_and_every_name_a_headless_service(net: Network) -> None:
    await net.start("Web_1", "www")

    (pod,) = net.dockerd.objects("Pod").values()
    metadata, spec, status = pod["metadata"], pod["spec"], pod["status"]
    assert (metadata["namespace"], metadata["name"]) == ("net", "web-1")
    assert (spec["hostname"], spec["subdomain"]) == ("web-1", "web-1")
    assert status["podIPs"] == [{"ip": "10.50.0.1"}, {"ip": "fd00:50::1"}]
    services = net.dockerd.objects("Service")
    assert [*services] == ["net/web-1", "net/www"]
    for body in services.values():
        assert (body["spec"]["clusterIP"], body["spec"]["ipFamilies"]) == ("None", ["IPv4", "IPv6"])
    assert net.dockerd.names() == {name: ["10.50.0.1", "fd00:50::1"] for name in ("net/web-1", "net/www")}
    described = {lease.description for lease in net.dockerd.service.list_leases(LeaseFilter(), 0, 9)}
    assert described == {"Docker: container Web_1 in network net"}


async def test_an_alias_leads_to_all_that_bear_it(net: Network) -> None:
    first, second = await net.start("one", "db"), await net.start("two", "db")
    assert net.dockerd.names()["net/db"] == sorted([*first, *second])

    await net.stop(*first)
    assert net.dockerd.names() == {"net/two": sorted(second), "net/db": sorted(second)}
    await net.stop(*second)
    assert (net.dockerd.names(), net.dockerd.objects("Pod")) == ({}, {})


async def test_to_name_again_what_is_so_already_writes_nothing(net: Network) -> None:
    addresses = await net.start("web", "www")
    before = net.dockerd.service.store.revision

    await net.name(addresses, "web", "www")
    assert net.dockerd.service.store.revision == before


async def test_two_containers_that_come_to_one_label_share_it(net: Network) -> None:
    first, second = await net.start("a_b"), await net.start("a.b")
    assert net.dockerd.names() == {"net/a-b": sorted([*first, *second])}

    await net.stop(*first)
    assert net.dockerd.names() == {"net/a-b": sorted(second)}


async def test_a_container_that_loses_one_address_keeps_the_name_for_the_other(net: Network) -> None:
    four, six = await net.start("web")
    assert await net.dockerd.release(net.pools[0], four) == ""
    assert net.dockerd.names() == {"net/web": [six]}


@pytest.mark.parametrize("called", [("...",), ()])
async def test_what_has_no_name_gets_none(net: Network, called: tuple[str, ...]) -> None:
    await net.start(*called)
    assert net.dockerd.objects("Pod") == {}


@pytest.mark.parametrize("kind", ["Pod", "Service"])
async def test_an_object_of_somebody_else_is_left_alone(net: Network, kind: str) -> None:
    foreign: dict[str, Any] = {"metadata": {"name": "web", "namespace": "net"}}
    store = net.dockerd.service.store
    stored = await store.update(lambda tx: tx.put(kind, "net", "web", foreign))
    await net.stop(*await net.start("web"))

    kept = store.view(lambda view: view.get(kind, "net", "web"))
    assert kept is not None
    assert (kept.revision, net.dockerd.names()) == (stored.revision, {})
