"""Namespaces: what they hold goes with them."""

from functools import partial

import pytest

from ipamd.errors import StatusError
from ipamd.kube import objects
from ipamd.kube.namespaces import IMMORTAL, terminating_namespaces
from tests.ipamd.kube.cluster import Cluster

PORTS = {"ports": [{"port": 80}], "selector": {"app": "web"}}


async def empty(cluster: Cluster, name: str, limit: int) -> int:
    """Empties a Namespace and returns in how many transactions."""
    for turn in range(100):
        if await cluster.do(partial(objects.empty_some, namespace=name, limit=limit)):
            return turn + 1
    raise AssertionError("never empty")


async def test_there_are_four_from_the_start_and_the_service_kubernetes(cluster: Cluster) -> None:
    names = [each["metadata"]["name"] for each in cluster.all("Namespace")]
    kubernetes = cluster.get("Service", "kubernetes")
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert len({each["metadata"]["uid"] for each in cluster.all("Namespace")}) == 4
    assert kubernetes["spec"]["clusterIP"] == "10.96.0.1"
    assert [(p["name"], p["port"], p["targetPort"]) for p in kubernetes["spec"]["ports"]] == [("https", 443, 6443)]
    before = cluster.store.revision

    await cluster.start()

    assert cluster.store.revision == before


async def test_a_namespace_is_active_and_labelled_with_its_name(cluster: Cluster) -> None:
    made = await cluster.create("Namespace", "shop")
    changed = await cluster.replace("Namespace", "shop", {"metadata": {"labels": {"a": "b"}}})

    assert made["status"] == {"phase": "Active"}
    assert changed["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "shop"}


async def test_nothing_can_be_made_in_a_namespace_that_is_not_there(cluster: Cluster) -> None:
    with pytest.raises(StatusError, match='namespaces "shop" not found') as refused:
        await cluster.create("Pod", "web", "shop")

    assert refused.value.status == 404


async def test_a_deleted_namespace_takes_no_more_and_goes_with_all_that_it_holds(cluster: Cluster) -> None:
    await cluster.create("Namespace", "shop")
    await cluster.create("Service", "web", "shop", spec={**PORTS, "type": "NodePort"})
    for number in range(5):
        await cluster.create("Pod", f"p{number}", "shop", metadata={"labels": {"app": "web"}})
    await cluster.create("Pod", "stays")

    marked = await cluster.delete("Namespace", "shop")
    assert marked["status"]["phase"] == "Terminating"
    assert cluster.store.view(terminating_namespaces) == ["shop"]
    with pytest.raises(StatusError, match="because it is being terminated") as refused:
        await cluster.create("Pod", "late", "shop")
    assert refused.value.status == 403

    assert await empty(cluster, "shop", limit=2) == 5
    assert cluster.get("Namespace", "shop") is None
    assert [pod["metadata"]["name"] for pod in cluster.all("Pod")] == ["stays"]
    assert [service["metadata"]["name"] for service in cluster.all("Service")] == ["kubernetes"]
    assert cluster.all("EndpointSlice") == cluster.all("NodePort") == []
    assert cluster.addresses("services") == ["10.96.0.1"]
    assert len(cluster.addresses("pods")) == 1


@pytest.mark.parametrize("name", IMMORTAL)
async def test_some_namespaces_stay(cluster: Cluster, name: str) -> None:
    with pytest.raises(StatusError, match="this namespace may not be deleted") as refused:
        await cluster.delete("Namespace", name)

    assert refused.value.status == 403
