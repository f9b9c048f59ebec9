"""The allocator of ClusterIPs of Kubernetes' API server."""

from ipaddress import ip_network
from itertools import count
from random import Random
from typing import Any

import pytest

from ipamd.allocator import Space
from ipamd.errors import StatusError
from ipamd.kube.service_ranges import ServiceRange
from ipamd.model import Pool, Wish
from ipamd.ranges import Cidr, read_address, read_cidr, show_address
from tests.ipamd.kube.cluster import Cluster
from tests.vectors.ipam.conftest import MakeCluster
from tests.vectors.ipam.table import Row, each

MOST = 2**64 - 1  # what Kubernetes counts up to
NAMES = count()


def network(text: str) -> Cidr:
    """A CIDR as Go reads it: with host bits, which are dropped."""
    return read_cidr(str(ip_network(text, strict=False)))


def services(row: Row) -> Pool:
    return Pool("services", (str(network(row["cidr"])),), purpose="services", strategy="random")


async def allocate(cluster: Cluster, address: str | None = None) -> tuple[str, str]:
    """The name and the address of a new Service."""
    asked: dict[str, Any] = {"clusterIP": address} if address else {}
    name = f"s{next(NAMES)}"
    made = await cluster.create("Service", name, spec={"ports": [{"port": 80}], "selector": {"a": "b"}, **asked})
    return name, made["spec"]["clusterIP"]


@each("k8s_clusterip", "allocate")
async def test_addresses_are_granted_and_refused_as_by_an_api_server(
    row: Row | None, make_cluster: MakeCluster
) -> None:
    if row is None:
        return
    assert ServiceRange(network(row["cidr"])).size == row["free"]
    cluster = await make_cluster(services(row))
    if not row["free"]:
        with pytest.raises(StatusError, match="range is full"):
            await allocate(cluster)
        return
    for address in row.get("outOfRange", ()):
        with pytest.raises(StatusError, match=r"not in the valid range|does not match the current range"):
            await allocate(cluster, address)
    for address in [row[key] for key in ("released", "alreadyAllocated") if key in row]:
        name, _ = await allocate(cluster, address)
        with pytest.raises(StatusError, match="provided IP is already allocated"):
            await allocate(cluster, address)
        await cluster.delete("Service", name)
        assert cluster.cluster_ips.count(services(row).cidrs[0]) == 0


@each("k8s_clusterip", "rangeOffset")
def test_the_static_band_is_as_wide_as_an_api_servers(row: Row | None) -> None:
    if row is not None:
        found = ServiceRange(network(row["cidr"]))
        assert found.dynamic[0] - found.window[0] == row["expect"]


@each("k8s_clusterip", "hostsPerNetwork")
def test_a_range_has_as_many_addresses_as_an_api_server_counts(row: Row | None) -> None:
    assert row is None or min(ServiceRange(network(row["cidr"])).size, MOST) == row["expect"]


@each("k8s_clusterip", "broadcast")
def test_the_last_address_of_a_range_is_that_of_an_api_server(row: Row | None) -> None:
    if row is not None:
        found = network(row["cidr"])
        assert show_address(found.family, found.last) == row["expect"]


@each("k8s_clusterip", "addOffset")
def test_the_address_at_an_offset_is_that_of_an_api_server(row: Row | None) -> None:
    if row is not None:
        family, value = read_address(row["ip"])
        assert show_address(family, value + row["add"]) == row["expect"]


class Fixed(Random):
    """Chance that always falls on one place, or on the first where there is no such place."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self._place = place

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        first, end = (0, start) if stop is None else (start, stop)
        return first + self._place if stop is not None and first + self._place < end else first


@each("k8s_clusterip", "ipIterator")
def test_addresses_are_gone_through_in_the_order_of_an_api_server(row: Row | None) -> None:
    if row is None:
        return
    (family, first), (_, last) = read_address(row["first"]), read_address(row["last"])
    around = ip_network(f"{row['first']}/{24 if family == 4 else 112}", strict=False)
    space = Space(Pool("services", (str(around),), purpose="services", strategy="random"))
    found = []
    for _ in range(last - first + 1):
        block = space.choose(Wish(pool="services", within=((first, last),)), Fixed(row["offset"]))
        space.take(block)
        found.append(show_address(family, block.first))

    assert found == row["expect"] if "expect" in row else len(found) == row["expectCount"]


@each("k8s_clusterip", "reservedBand")
async def test_the_static_band_is_given_only_when_the_rest_is_used_up(
    row: Row | None, make_cluster: MakeCluster
) -> None:
    if row is None:
        return
    cluster = await make_cluster(services(row))
    first, last = (read_address(text).value for text in row["dynamicFirst"])

    dynamic = [read_address((await allocate(cluster))[1]).value for _ in range(row["dynamic"])]
    static = [read_address((await allocate(cluster))[1]).value for _ in range(row["staticBand"])]

    assert sorted(dynamic) == [*range(first, last + 1)]
    assert sorted(static) == [*range(first - row["staticBand"], first)]


@each("k8s_clusterip", "metricsScript")
async def test_the_metrics_count_as_those_of_an_api_server(row: Row | None, make_cluster: MakeCluster) -> None:
    if row is None:
        return
    cluster = await make_cluster(services(row))
    found, counted = ServiceRange(network(row["cidr"])), cluster.cluster_ips
    held: dict[str, str] = {}
    for step in row["steps"]:
        if "release" in step:
            for name in [*held][: step["release"]]:
                await cluster.delete("Service", name)
                del held[name]
        asked = [*held.values()] if "reallocate" in step else []
        if "allocate" in step:
            asked = [show_address(found.cidr.family, found.window[0] + n) for n in range(step["allocate"])]
        for address in [*asked, *[None] * step.get("allocateNext", 0)]:
            try:
                name, given = await allocate(cluster, address)
            except StatusError:
                continue
            held[name] = given
        used = counted.count(row["cidr"])
        seen = {"free": found.size - used, "used": used}
        seen |= {"allocations": counted.allocations.total(), "errors": counted.errors.total()}
        assert {key: seen[key] for key in step if key in seen} == {key: step[key] for key in step if key in seen}
