"""ServiceCIDRs, the pools underneath, and which addresses Services get of them."""

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from ipamd.errors import StatusError
from ipamd.kube.service_cidrs import FINALIZER, without
from ipamd.model import LeaseFilter, Owner, Pool, Wish
from ipamd.ranges import read_cidr
from ipamd.service import Service
from tests.ipamd.conftest import SERVICES
from tests.ipamd.kube.cluster import Cluster

TINY = Pool("few", ("10.5.0.0/29",), purpose="services", strategy="random")


@pytest.fixture
async def cluster(service: Service) -> Cluster:
    """A cluster whose only ServiceCIDR has six addresses; the first is the Service `kubernetes`'s."""
    await service.delete_pool("services")
    await service.ensure_pools([TINY])
    made = Cluster(service)
    await made.start()
    return made


async def cidr(cluster: Cluster, name: str, *cidrs: str) -> Any:
    return await cluster.create("ServiceCIDR", name, spec={"cidrs": [*cidrs]})


async def web(cluster: Cluster, name: str = "web", **spec: Any) -> str:
    made = await cluster.create("Service", name, spec={"ports": [{"port": 80}], "selector": {"a": "b"}, **spec})
    return str(made["spec"]["clusterIP"])


async def fill(cluster: Cluster, count: int = 5) -> list[str]:
    return [await web(cluster, f"s{number}") for number in range(count)]


def ready(cluster: Cluster, name: str) -> tuple[str, str]:
    """Status and reason of the condition Ready."""
    [condition] = cluster.get("ServiceCIDR", name)["status"]["conditions"]
    return condition["status"], condition["reason"]


def pools(cluster: Cluster) -> dict[str, tuple[str, ...]]:
    """The pools for services and their CIDRs."""
    return {u.pool.name: u.pool.cidrs for u in cluster.service.list_pools() if u.pool.purpose == "services"}


async def test_the_pools_of_the_configuration_are_the_service_cidr_kubernetes(service: Service) -> None:
    await service.ensure_pools([Pool("services-v6", ("fd00:10:96::/112", "fd00:10:97::/112"), purpose="services")])
    cluster = Cluster(service)

    await cluster.start()
    await cluster.start()

    found = {each["metadata"]["name"]: each["spec"]["cidrs"] for each in cluster.all("ServiceCIDR")}
    assert found == {"kubernetes": ["10.96.0.0/12", "fd00:10:96::/112"], "services-v6": ["fd00:10:97::/112"]}
    default = cluster.get("ServiceCIDR", "kubernetes")
    assert default["metadata"]["finalizers"] == [FINALIZER]
    assert ready(cluster, "kubernetes") == ("True", "")


async def test_a_single_family_becomes_two_when_the_configuration_does(cluster: Cluster) -> None:
    await cluster.service.create_pool(Pool("few-v6", ("fd00::/120",), purpose="services"))
    await cluster.delete("ServiceCIDR", "few-v6")
    assert cluster.get("ServiceCIDR", "few-v6") is None

    await cluster.start()

    assert cluster.get("ServiceCIDR", "kubernetes")["spec"]["cidrs"] == ["10.5.0.0/29", "fd00::/120"]


async def test_the_default_follows_a_pool_that_shrinks_between_two_starts(service: Service, broken: set[str]) -> None:
    broken.add("counts")  # `service` does not see what the other one does
    await Cluster(service).start()
    again = Service(service.store, service.log, Random(1))
    await again.store.update(lambda tx: again.pools.ensure(tx, replace(SERVICES, cidrs=("10.96.0.0/16",))))
    cluster = Cluster(again)

    await cluster.start()

    found = {each["metadata"]["name"]: each["spec"]["cidrs"] for each in cluster.all("ServiceCIDR")}
    assert found == {"kubernetes": ["10.96.0.0/16"]}


async def test_a_pool_for_services_has_a_service_cidr_as_long_as_it_lasts(cluster: Cluster) -> None:
    await cluster.service.create_pool(Pool("more", ("10.6.0.0/24",), purpose="services"))
    assert cluster.get("ServiceCIDR", "more")["spec"]["cidrs"] == ["10.6.0.0/24"]

    await cluster.service.delete_pool("more")

    assert cluster.get("ServiceCIDR", "more") is None


async def test_service_cidrs_are_tried_in_order(cluster: Cluster) -> None:
    assert {*await fill(cluster)} == {f"10.5.0.{host}" for host in range(2, 7)}
    with pytest.raises(StatusError) as full:
        await web(cluster)
    assert (full.value.status, full.value.reason) == (500, "InternalError")
    assert full.value.message == "Internal error occurred: failed to allocate a serviceIP: range is full"

    await cidr(cluster, "more", "10.6.0.0/24")

    address = await web(cluster)
    assert address.startswith("10.6.0.")
    assert int(address.split(".")[3]) > 16
    assert await web(cluster, "asked", clusterIP="10.6.0.1") == "10.6.0.1"
    assert pools(cluster) == {"few": ("10.5.0.0/29",), "servicecidr-more-v4": ("10.6.0.0/24",)}


async def test_the_static_band_is_given_last(cluster: Cluster) -> None:
    await fill(cluster)
    await cidr(cluster, "more", "10.6.0.0/27")

    given = [int((await web(cluster, f"w{number}")).split(".")[3]) for number in range(30)]

    assert (sorted(given[:14]), sorted(given[14:])) == ([*range(17, 31)], [*range(1, 17)])


async def test_a_wider_service_cidr_gives_what_the_narrower_has_not(cluster: Cluster) -> None:
    await fill(cluster)

    await cidr(cluster, "wide", "10.5.0.0/28")
    got = {await web(cluster, f"w{number}") for number in range(8)}

    assert got == {f"10.5.0.{host}" for host in range(7, 15)}  # .7 was the end of the narrower one
    assert pools(cluster)["servicecidr-wide-v4"] == ("10.5.0.8/29",)
    with pytest.raises(StatusError, match="range is full"):
        await web(cluster, "more")
    for end in ("10.5.0.0", "10.5.0.15"):
        with pytest.raises(StatusError, match=r"not in the valid range"):
            await web(cluster, "end", clusterIP=end)


async def test_the_end_of_a_pool_is_given_while_a_wider_service_cidr_has_it(cluster: Cluster) -> None:
    plain = cluster.service.pools.space("few").pool
    await cidr(cluster, "wide", "10.5.0.0/28")
    assert cluster.service.pools.space("few").capacity == 7
    assert await web(cluster, clusterIP="10.5.0.7") == "10.5.0.7"

    await cluster.delete("ServiceCIDR", "wide")
    assert ready(cluster, "wide") == ("False", "Terminating")  # `kubernetes` holds 10.5.0.7, and cannot give it
    await cluster.delete("Service", "web")

    assert cluster.get("ServiceCIDR", "wide") is None
    assert cluster.service.pools.space("few").pool == plain
    with pytest.raises(StatusError, match=r"range of valid IPs is 10\.5\.0\.0/29"):
        await web(cluster, clusterIP="10.5.0.7")


async def test_an_address_in_use_at_an_end_keeps_the_wider_service_cidr(cluster: Cluster) -> None:
    await cidr(cluster, "wide", "10.5.0.0/28")
    await cluster.service.lease(Owner("Machine", "m"), Wish(pool="few", address="10.5.0.7"))

    await cluster.delete("ServiceCIDR", "wide")

    assert ready(cluster, "wide") == ("False", "Terminating")


async def test_a_service_cidr_goes_when_each_of_its_addresses_in_use_is_covered_by_another(cluster: Cluster) -> None:
    await cidr(cluster, "more", "10.6.0.0/24")
    await web(cluster, clusterIP="10.6.0.9")

    left = await cluster.delete("ServiceCIDR", "more")
    assert left["metadata"]["deletionTimestamp"]
    assert ready(cluster, "more") == ("False", "Terminating")
    with pytest.raises(StatusError, match="the provided network does not match the current range"):
        await web(cluster, "other", clusterIP="10.6.0.10")

    await cidr(cluster, "same", "10.6.0.0/25")

    assert cluster.get("ServiceCIDR", "more") is None
    assert pools(cluster)["servicecidr-more-v4"] == ("10.6.0.0/25",)
    assert await web(cluster, "other", clusterIP="10.6.0.10") == "10.6.0.10"


async def test_the_last_service_lets_a_service_cidr_go_with_its_pools(cluster: Cluster) -> None:
    await cidr(cluster, "more", "10.6.0.0/24", "fd00::/112")
    await web(cluster, clusterIP="10.6.0.9", ipFamilyPolicy="RequireDualStack")
    await cluster.delete("ServiceCIDR", "more")

    await cluster.delete("Service", "web")

    assert cluster.get("ServiceCIDR", "more") is None
    assert pools(cluster) == {"few": ("10.5.0.0/29",)}


async def test_a_pool_stays_while_anything_else_has_an_address_of_it(cluster: Cluster) -> None:
    await cidr(cluster, "more", "10.6.0.0/24")
    await cluster.service.lease(Owner("Machine", "m"), Wish(pool="servicecidr-more-v4", address="10.6.0.7"))

    await cluster.delete("ServiceCIDR", "more")

    assert ready(cluster, "more") == ("False", "Terminating")


@pytest.mark.parametrize(
    ("cidrs", "complaint"),
    [
        ([], "spec.cidrs: Required value: at least one CIDR required"),
        (["10.0.0.0/24", "10.1.0.0/24"], "may specify no more than one IP for each IP family"),
        (
            ["10.0.0.0/24", "fd00::/64", "fd01::/64"],
            'networking.ServiceCIDRSpec{CIDRs:[]string{"10.0.0.0/24", "fd00::/64", "fd01::/64"}}: may only hold up',
        ),
        (["10.0.0.0"], 'spec.cidrs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value'),
        (["10.0.0.1/24"], "must not have bits set beyond the prefix length"),
        (["fd00:0::/64"], 'must be in canonical form ("fd00::/64")'),
        (["10.244.0.0/24"], "10.244.0.0/24 overlaps 10.244.0.0/16 of pool pods"),
    ],
)
async def test_a_service_cidr_that_cannot_be_is_refused(cluster: Cluster, cidrs: list[str], complaint: str) -> None:
    with pytest.raises(StatusError) as refused:
        await cidr(cluster, "more", *cidrs)

    assert complaint in refused.value.message
    assert pools(cluster) == {"few": ("10.5.0.0/29",)}


async def test_the_cidrs_and_the_finalizer_of_a_service_cidr_stay(cluster: Cluster) -> None:
    await cidr(cluster, "more", "10.6.0.0/24")

    with pytest.raises(StatusError, match=r"spec\.cidrs: Invalid value: .*: field is immutable"):
        await cluster.patch("ServiceCIDR", "more", {"spec": {"cidrs": ["10.7.0.0/24"]}})
    patched = await cluster.patch("ServiceCIDR", "more", {"metadata": {"finalizers": None, "labels": {"a": "b"}}})

    assert patched["metadata"]["finalizers"] == [FINALIZER]
    assert patched["metadata"]["labels"] == {"a": "b"}


async def test_a_finalizer_of_somebody_else_keeps_it_too(cluster: Cluster) -> None:
    await cluster.create("ServiceCIDR", "more", spec={"cidrs": ["10.6.0.0/24"]}, metadata={"finalizers": ["a/b"]})

    await cluster.delete("ServiceCIDR", "more")
    assert cluster.get("ServiceCIDR", "more")["metadata"]["finalizers"] == ["a/b"]

    await cluster.patch("ServiceCIDR", "more", {"metadata": {"finalizers": None}})
    assert cluster.get("ServiceCIDR", "more") is None
    assert pools(cluster) == {"few": ("10.5.0.0/29",)}


async def test_a_long_name_is_no_name_of_a_pool(cluster: Cluster) -> None:
    made = await cidr(cluster, "x" * 100, "10.6.0.0/24")

    assert pools(cluster)[f"servicecidr-{made['metadata']['uid']}-v4"] == ("10.6.0.0/24",)


async def test_a_service_that_prefers_two_families_keeps_what_it_has(cluster: Cluster) -> None:
    address = await web(cluster, ipFamilyPolicy="PreferDualStack")
    await cidr(cluster, "v6", "fd00::/112")

    kept = await cluster.patch("Service", "web", {"spec": {"sessionAffinity": "ClientIP"}})
    assert kept["spec"]["clusterIPs"] == [address]

    both = await cluster.patch("Service", "web", {"spec": {"ipFamilyPolicy": "RequireDualStack"}})
    assert both["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    leases = cluster.service.list_leases(LeaseFilter(pool="servicecidr-v6-v6"), 0, 10)
    assert [str(lease) for lease in leases] == both["spec"]["clusterIPs"][1:]


@pytest.mark.parametrize(
    ("others", "rest"),
    [
        ([], ["10.0.0.0/24"]),
        (["10.0.0.0/23"], []),
        (["10.0.0.0/26"], ["10.0.0.64/26", "10.0.0.128/25"]),
        (["10.0.0.64/26", "10.0.0.192/26"], ["10.0.0.0/26", "10.0.0.128/26"]),
    ],
)
def test_what_is_left_of_a_cidr(others: list[str], rest: list[str]) -> None:
    assert [str(each) for each in without(read_cidr("10.0.0.0/24"), map(read_cidr, others))] == rest
