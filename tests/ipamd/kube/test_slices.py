"""EndpointSlices follow what happens to Services and Pods, in the same transaction."""

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipamd.endpoints import MANAGED_BY, SERVICE_NAME
from ipamd.errors import StatusError
from ipamd.kube import objects, shapes
from ipamd.kube.shapes import EndpointSlice
from ipamd.kube.slices import wanted_by
from ipamd.kube.work import Work
from ipamd.log import Log
from ipamd.model import Owner, Pool, Wish
from ipamd.service import Service
from ipamd.stores import Stored
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.kube.cluster import Cluster

WEB = {"labels": {"app": "web"}}


async def service(cluster: Cluster, name: str = "web", /, **spec: Any) -> Any:
    return await cluster.create("Service", name, spec={"selector": {"app": "web"}, "ports": [{"port": 80}], **spec})


def endpoints(cluster: Cluster, of: str = "web") -> list[tuple[str, str, bool]]:
    """Pod, address and readiness of every endpoint of a Service."""
    return sorted(
        (endpoint["targetRef"]["name"], endpoint["addresses"][0], endpoint["conditions"]["ready"])
        for found in cluster.all("EndpointSlice")
        if found["metadata"]["labels"][SERVICE_NAME] == of
        for endpoint in found["endpoints"]
    )


async def test_pods_that_come_change_and_go_are_followed(cluster: Cluster) -> None:
    await service(cluster)
    assert endpoints(cluster) == []

    await cluster.create("Pod", "a", metadata=WEB)
    await cluster.create("Pod", "b", metadata={"labels": {"app": "db"}})
    assert endpoints(cluster) == [("a", "10.244.0.2", True)]

    await cluster.patch("Pod", "b", {"metadata": {"labels": {"app": "web"}}})
    await cluster.patch("Pod", "a", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, path="status")
    assert endpoints(cluster) == [("a", "10.244.0.2", False), ("b", "10.244.0.3", True)]

    await cluster.patch("Pod", "a", {"metadata": {"labels": {"app": None}}})
    await cluster.delete("Pod", "b")
    assert endpoints(cluster) == []
    assert [found["endpoints"] for found in cluster.all("EndpointSlice")] == [[]]


async def test_a_service_that_comes_later_finds_the_pods_that_are_there(cluster: Cluster) -> None:
    await cluster.create("Pod", "a", metadata=WEB)
    await cluster.create("Namespace", "other")
    await cluster.create("Pod", "a", "other", metadata=WEB)

    await service(cluster)

    assert endpoints(cluster) == [("a", "10.244.0.2", True)]


async def test_a_changed_service_changes_its_slices_and_a_deleted_one_takes_them_along(cluster: Cluster) -> None:
    await service(cluster)
    await cluster.create("Pod", "a", metadata=WEB)

    await cluster.patch("Service", "web", {"spec": {"ports": [{"port": 90}]}, "metadata": {"labels": {"x": "y"}}})
    [found] = cluster.all("EndpointSlice")
    assert found["ports"] == [{"name": "", "port": 90, "protocol": "TCP"}]
    assert found["metadata"]["labels"]["x"] == "y"

    await cluster.delete("Service", "web")
    assert cluster.all("EndpointSlice") == []


async def test_a_service_that_turns_to_an_external_name_loses_its_slices(cluster: Cluster) -> None:
    await service(cluster)

    await cluster.patch("Service", "web", {"spec": {"type": "ExternalName", "externalName": "example.com"}})

    assert cluster.all("EndpointSlice") == []


async def test_the_slices_of_a_service_without_a_selector_are_left_to_others(cluster: Cluster) -> None:
    await service(cluster, "bare", selector={})
    by_hand = {"addressType": "IPv4", "endpoints": [{"addresses": ["198.51.100.1"]}]}
    await cluster.create("EndpointSlice", "bare-1", metadata={"labels": {SERVICE_NAME: "bare"}}, **by_hand)

    await cluster.patch("Service", "bare", {"metadata": {"labels": {"x": "y"}}})
    await cluster.delete("Service", "bare")

    assert [found["metadata"]["name"] for found in cluster.all("EndpointSlice")] == ["bare-1"]


async def test_a_lease_that_makes_a_pod_gives_its_service_an_endpoint(cluster: Cluster) -> None:
    await service(cluster)

    lease, _ = await cluster.service.lease(Owner("Pod", "leased", "default"), Wish(pool="pods", labels={"app": "web"}))
    assert endpoints(cluster) == [("leased", lease.address, True)]

    await cluster.service.release(lease.id)
    assert endpoints(cluster) == []


async def test_what_a_client_does_to_a_slice_of_ours_is_put_right(cluster: Cluster) -> None:
    await service(cluster)
    await cluster.create("Pod", "a", metadata=WEB)
    [found] = cluster.all("EndpointSlice")
    name = found["metadata"]["name"]

    await cluster.patch("EndpointSlice", name, {"endpoints": []})
    assert endpoints(cluster) == [("a", "10.244.0.2", True)]

    await cluster.delete("EndpointSlice", name)
    assert endpoints(cluster) == [("a", "10.244.0.2", True)]
    assert len(cluster.all("EndpointSlice")) == 1


async def test_services_whose_names_begin_alike_are_told_apart(cluster: Cluster) -> None:
    await service(cluster)
    await service(cluster, "web-admin", selector={"app": "admin"})
    await cluster.create("Pod", "a", metadata=WEB)
    await cluster.create("Pod", "b", metadata={"labels": {"app": "admin"}})

    assert [pod for pod, *_ in endpoints(cluster)] == ["a"]
    assert [pod for pod, *_ in endpoints(cluster, "web-admin")] == ["b"]
    await cluster.delete("Service", "web")
    assert [pod for pod, *_ in endpoints(cluster, "web-admin")] == ["b"]


async def test_a_change_of_a_pod_that_its_endpoint_does_not_show_writes_no_slice(cluster: Cluster) -> None:
    await service(cluster)
    await cluster.create("Pod", "a", metadata=WEB)
    before = cluster.store.revision

    await cluster.patch("Pod", "a", {"metadata": {"annotations": {"note": "x"}}})

    assert cluster.store.revision == before + 1


async def test_a_service_that_was_rolled_back_is_forgotten(cluster: Cluster) -> None:
    def create_and_fail(work: Work) -> Stored:
        spec: Any = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        objects.create(work, cluster.target("Service", "web", "default"), {"metadata": {"name": "web"}, "spec": spec})
        objects.create(work, cluster.target("Pod", "a", "default"), {"metadata": {"name": "a", **WEB}})
        raise LookupError

    with pytest.raises(LookupError):
        await cluster.do(create_and_fail)
    await cluster.create("Pod", "b", metadata=WEB)

    assert cluster.all("EndpointSlice") == []


async def test_slices_that_were_rolled_back_are_forgotten_though_their_revisions_come_again(cluster: Cluster) -> None:
    await service(cluster)

    def create_and_fail(work: Work) -> None:
        for name in ("a", "b"):
            objects.create(work, cluster.target("Pod", name, "default"), {"metadata": {"name": name, **WEB}})
        raise LookupError

    with pytest.raises(LookupError):
        await cluster.do(create_and_fail)
    for name in ("c", "d"):
        await cluster.create("Pod", name, metadata=WEB)

    assert [pod for pod, *_ in endpoints(cluster)] == ["c", "d"]


async def test_many_pods_fill_several_slices_and_each_change_writes_one(cluster: Cluster) -> None:
    await service(cluster)
    for number in range(101):
        await cluster.create("Pod", f"p{number}", metadata=WEB)
    assert sorted(len(found["endpoints"]) for found in cluster.all("EndpointSlice")) == [1, 100]
    before = cluster.store.revision

    await cluster.delete("Pod", "p50")

    # the Pod, its two leases, one slice
    assert cluster.store.revision == before + 4


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pod", "unready", "relabel", "delete pod", "service", "ports", "selector", "delete service"]),
        st.integers(0, 3),
    ),
    max_size=14,
)


async def test_nothing_is_remembered_of_a_namespace_that_has_gone(cluster: Cluster) -> None:
    await cluster.create("Namespace", "temp")
    await service(cluster)
    await cluster.create("Pod", "a", "temp", metadata=WEB)
    await cluster.create("Pod", "a", metadata=WEB)
    with pytest.raises(StatusError):
        await cluster.create("Pod", "b", "never", metadata=WEB)

    await cluster.delete("Namespace", "temp")
    while not await cluster.do(partial(objects.empty_some, namespace="temp", limit=10)):
        pass

    assert cluster.upkeep.namespaces == {"default"}


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_after_any_history_the_slices_are_those_that_would_be_made_from_scratch(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(follow_history(Path(directory), steps))


async def follow_history(directory: Path, steps: list[tuple[str, int]]) -> None:
    store = SqliteStore(directory / "store.sqlite", lambda: 1_700_000_000.0)
    made = Service(store, Log(store, 1000), Random(1))
    await made.ensure_pools([Pool("pods", ("10.0.0.0/24",), "pods"), Pool("services", ("10.1.0.0/24",), "services")])
    cluster = Cluster(made)
    await cluster.start()
    for act, number in steps:
        await step(cluster, act, number)
    for document in cluster.all("Service"):
        of = document["metadata"]["name"]
        assert stored_content(cluster, of) == scratch_content(cluster, of)
    assert {found["metadata"]["labels"].get(SERVICE_NAME) for found in cluster.all("EndpointSlice")} <= {
        document["metadata"]["name"] for document in cluster.all("Service")
    }
    await store.close()


async def step(cluster: Cluster, act: str, number: int) -> None:
    pod, name, labels = f"p{number}", f"s{number % 2}", {"app": "ab"[number % 2], "all": "yes"}
    has_pod, has_service = cluster.get("Pod", pod) is not None, cluster.get("Service", name) is not None
    selector = {"app": "a"} if number < 2 else {"all": "yes"}
    match act:
        case "pod" if not has_pod:
            ports = [{"containerPort": 80 + number % 2, "name": "http"}]
            await cluster.create("Pod", pod, metadata={"labels": labels}, spec={"containers": [{"ports": ports}]})
        case "unready" if has_pod:
            status = {"conditions": [{"type": "Ready", "status": "False"}]}
            await cluster.patch("Pod", pod, {"status": status}, path="status")
        case "relabel" if has_pod:
            await cluster.patch("Pod", pod, {"metadata": {"labels": {"app": "ba"[number % 2]}}})
        case "delete pod" if has_pod:
            await cluster.delete("Pod", pod)
        case "service" if not has_service:
            ports = [{"port": 80, "targetPort": "http"}]
            await cluster.create("Service", name, spec={"selector": selector, "ports": ports})
        case "ports" if has_service:
            await cluster.patch("Service", name, {"spec": {"ports": [{"port": 90 + number}]}})
        case "selector" if has_service:
            await cluster.patch("Service", name, {"spec": {"selector": {"app": None, "all": None, **selector}}})
        case "delete service" if has_service:
            await cluster.delete("Service", name)


def stored_content(cluster: Cluster, of: str) -> list[str]:
    """The endpoints of a Service with the ports of their slices."""
    found = [each for each in cluster.all("EndpointSlice") if each["metadata"]["labels"][SERVICE_NAME] == of]
    assert all(each["metadata"]["labels"][MANAGED_BY] for each in found)
    slices = msgspec.convert(found, list[EndpointSlice])
    return sorted(str((each.address_type, each.ports, endpoint)) for each in slices for endpoint in each.endpoints)


def scratch_content(cluster: Cluster, of: str) -> list[str]:
    """The same, from the Service and all Pods."""
    service = msgspec.convert(cluster.get("Service", of), shapes.Service)
    wanted = cluster.store.view(partial(wanted_by, service=service))
    return sorted(str((group.family, group.ports, endpoint)) for found in wanted.values() for group, endpoint in found)
