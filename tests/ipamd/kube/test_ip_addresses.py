"""IPAddress objects: those of ClusterIPs, and those that a client makes."""

from typing import Any

import pytest
from msgspec import structs

from ipamd.errors import StatusError
from ipamd.kube.cluster_ips import ClusterIPs
from ipamd.model import Owner, Wish
from tests.ipamd.conftest import SERVICES
from tests.ipamd.kube.cluster import Cluster

REF = {"resource": "gateways", "group": "example.com", "namespace": "default", "name": "edge"}


async def web(cluster: Cluster, name: str = "web", **spec: Any) -> list[str]:
    made = await cluster.create("Service", name, spec={"ports": [{"port": 80}], "selector": {"a": "b"}, **spec})
    return [*made["spec"]["clusterIPs"]]


def names(cluster: Cluster) -> set[str]:
    return {each["metadata"]["name"] for each in cluster.all("IPAddress")}


async def test_a_cluster_ip_has_an_object_that_comes_and_goes_with_it(cluster: Cluster) -> None:
    addresses = await web(cluster, ipFamilyPolicy="PreferDualStack")

    assert names(cluster) == {"10.96.0.1", *addresses}
    found = cluster.get("IPAddress", addresses[1])
    assert found["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv6",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    assert found["spec"] == {"parentRef": {"group": "", "resource": "services", "namespace": "default", "name": "web"}}

    await cluster.patch("Service", "web", {"spec": {"ipFamilyPolicy": "SingleStack"}})
    assert names(cluster) == {"10.96.0.1", addresses[0]}
    await cluster.patch("Service", "web", {"spec": {"type": "ExternalName", "externalName": "a.b", "ports": None}})
    assert names(cluster) == {"10.96.0.1"}


async def test_what_is_not_kept_leaves_no_object(cluster: Cluster) -> None:
    with pytest.raises(StatusError, match="not in the valid range"):
        await web(cluster, type="NodePort", ports=[{"port": 80, "nodePort": 1}])

    assert names(cluster) == {"10.96.0.1"}
    assert cluster.cluster_ips.count("10.96.0.0/12") == 1


async def test_the_object_of_a_service_comes_again_when_it_is_deleted(cluster: Cluster) -> None:
    [address] = await web(cluster)
    before = cluster.get("IPAddress", address)

    await cluster.delete("IPAddress", address)

    after = cluster.get("IPAddress", address)
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    assert after["spec"] == before["spec"]
    assert cluster.cluster_ips.count("10.96.0.0/12") == 2


async def test_making_one_reserves_the_address(cluster: Cluster) -> None:
    await cluster.create("IPAddress", "10.96.0.77", spec={"parentRef": REF})

    with pytest.raises(StatusError, match=r"failed to allocate IP 10\.96.0.77: provided IP is already allocated"):
        await web(cluster, clusterIP="10.96.0.77")
    assert cluster.addresses("services") == ["10.96.0.1", "10.96.0.77"]

    await cluster.delete("IPAddress", "10.96.0.77")
    assert cluster.addresses("services") == ["10.96.0.1"]


async def test_a_reserved_address_does_not_cool_when_it_is_given_back(cluster: Cluster) -> None:
    await cluster.service.ensure_pools([structs.replace(SERVICES, cooldown=60)])
    await cluster.create("IPAddress", "10.96.0.77", spec={"parentRef": REF})
    await cluster.delete("IPAddress", "10.96.0.77")

    assert await web(cluster, clusterIP="10.96.0.77") == ["10.96.0.77"]


async def test_one_that_was_made_before_its_pool_is_left_alone(cluster: Cluster) -> None:
    for host in range(1, 15):
        await cluster.create("IPAddress", f"10.6.0.{host}", spec={"parentRef": REF})
    await cluster.delete("IPAddress", "10.6.0.9")
    await cluster.patch("ServiceCIDR", "kubernetes", {"status": {"conditions": NOT_READY}}, path="status")
    await cluster.create("ServiceCIDR", "late", spec={"cidrs": ["10.6.0.0/28"]})

    assert await web(cluster) == ["10.6.0.9"]
    with pytest.raises(StatusError, match="range is full"):
        await web(cluster, "other")


NOT_READY = [{"type": "Ready", "status": "False", "reason": "Drained", "message": ""}]


@pytest.mark.parametrize(
    ("name", "spec", "complaint"),
    [
        ("here", {"parentRef": REF}, "must be a valid IP address"),
        ("fd00:0::1", {"parentRef": REF}, 'must be in canonical form ("fd00::1")'),
        ("10.1.1.1", {}, "spec.parentRef: Required value"),
        ("10.1.1.1", {"parentRef": {"resource": "services"}}, "spec.parentRef.name: Required value"),
        ("10.1.1.1", {"parentRef": {"name": "x"}}, "spec.parentRef.resource: Required value"),
        ("10.1.1.1", {"parentRef": {**REF, "namespace": "a/b"}}, "spec.parentRef.namespace: Invalid value"),
        ("10.1.1.1", {"parentRef": {**REF, "name": ".."}}, "may not be '..'"),
        ("10.1.1.1", {"parentRef": {**REF, "group": "A B"}}, "spec.parentRef.group: Invalid value"),
    ],
)
async def test_an_object_that_cannot_be_is_refused(
    cluster: Cluster, name: str, spec: dict[str, object], complaint: str
) -> None:
    with pytest.raises(StatusError) as refused:
        await cluster.create("IPAddress", name, spec=spec)

    assert complaint in refused.value.message


async def test_an_address_that_somebody_leases_cannot_be_reserved(cluster: Cluster) -> None:
    await cluster.service.lease(Owner("Machine", "m"), Wish(pool="services", address="10.96.0.9"))

    with pytest.raises(StatusError, match="provided IP is already allocated"):
        await cluster.create("IPAddress", "10.96.0.9", spec={"parentRef": REF})


async def test_whom_an_address_belongs_to_does_not_change(cluster: Cluster) -> None:
    await cluster.create("IPAddress", "10.1.1.1", spec={"parentRef": REF})

    with pytest.raises(StatusError, match=r"spec\.parentRef: Invalid value: .*: field is immutable"):
        await cluster.patch("IPAddress", "10.1.1.1", {"spec": {"parentRef": {"name": "other"}}})
    patched = await cluster.patch("IPAddress", "10.1.1.1", {"metadata": {"labels": {"a": "b"}}})

    assert patched["metadata"]["labels"] == {"a": "b"}


async def test_a_store_without_objects_gets_them_at_the_start(cluster: Cluster) -> None:
    [address] = await web(cluster)
    await cluster.do(lambda work: work.tx.put_lease(move(work.tx.leases_of(Owner("Service", "web", "default"))[0])))
    await cluster.delete("IPAddress", address)
    assert address not in names(cluster)

    await cluster.start()

    assert names(cluster) == {"10.96.0.1", address}


def move(lease: Any) -> Any:
    """The lease as if another had it, so that its object does not come again."""
    return type(lease)(**{**{f: getattr(lease, f) for f in lease.__struct_fields__}, "owner": Owner("Machine", "m")})


async def test_what_is_counted_is_what_there_is(cluster: Cluster) -> None:
    await web(cluster)
    await web(cluster, "six", ipFamilies=["IPv6"])
    await cluster.delete("Service", "web")

    again = ClusterIPs(lambda: 0.0)
    cluster.store.view(again.load)

    for counted in (cluster.cluster_ips, again):
        assert (counted.count("10.96.0.0/12"), counted.count("fd00:10:96::/112")) == (1, 1)
        assert counted.count("10.97.0.0/16") == 0
