"""Attachments and the Pods that they are for: what a container uses stays taken, whatever becomes of its Pod."""

from typing import Any

import pytest

from ipamd.model import Pool
from ipamd.service import Service
from tests.ipamd.cni.calling import network
from tests.ipamd.cni.conftest import Runtime
from tests.ipamd.kube.cluster import Cluster

CONFIG = network({"type": "ipamd", "pools": ["pods", "pods-v6"]})
FIRST = ["10.244.0.2/16", "fd00:10:244::2/56"]


@pytest.fixture
async def cluster(service: Service) -> Cluster:
    """The Kubernetes API of the service."""
    made = Cluster(service)
    await made.start()
    return made


def kubelet(name: str) -> str:
    return f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={name}"


async def attached(cluster: Cluster, runtime: Runtime, name: str, container: str) -> list[str]:
    """Creates a Pod, and attaches a container of it."""
    await cluster.create("Pod", name)
    return await runtime.add(CONFIG, container, ARGS=kubelet(name))


def owners(runtime: Runtime) -> dict[str, str]:
    return {address: owner for address, owner in runtime.leases().items() if not owner.startswith("Service")}


async def test_a_pod_that_is_deleted_leaves_its_addresses_to_the_container_that_uses_them(
    cluster: Cluster, runtime: Runtime
) -> None:
    assert await attached(cluster, runtime, "a", "c1") == FIRST
    await cluster.delete("Pod", "a")

    assert owners(runtime) == dict.fromkeys(["10.244.0.2", "fd00:10:244::2"], "Attachment mynet/c1/eth0")
    assert await attached(cluster, runtime, "b", "c2") == ["10.244.0.3/16", "fd00:10:244::3/56"]
    assert await attached(cluster, runtime, "a", "c3") == ["10.244.0.4/16", "fd00:10:244::4/56"]

    assert await runtime.add(CONFIG, "c1", ARGS=kubelet("a")) == FIRST  # a runtime that asks again
    await runtime.call("DEL", CONFIG, "c1", ARGS=kubelet("a"))
    assert "10.244.0.2" not in owners(runtime)
    assert owners(runtime)["10.244.0.4"] == "Pod default/a"


async def test_a_pod_that_nothing_is_attached_to_gives_all_back_when_it_is_deleted(
    cluster: Cluster, runtime: Runtime
) -> None:
    await attached(cluster, runtime, "a", "c1")
    await runtime.call("DEL", CONFIG, "c1", ARGS=kubelet("a"))
    await cluster.delete("Pod", "a")
    await cluster.create("Pod", "b")
    await cluster.delete("Pod", "b")

    assert owners(runtime) == {}


async def test_an_address_that_a_status_takes_from_a_pod_stays_with_the_container(
    cluster: Cluster, runtime: Runtime
) -> None:
    await attached(cluster, runtime, "a", "c1")
    status: dict[str, Any] = {"podIP": "10.244.9.9", "podIPs": [{"ip": "10.244.9.9"}, {"ip": "fd00:10:244::2"}]}
    await cluster.patch("Pod", "a", {"status": status}, path="status")

    assert owners(runtime) == {
        "10.244.0.2": "Attachment mynet/c1/eth0",
        "10.244.9.9": "Pod default/a",
        "fd00:10:244::2": "Pod default/a",
    }
    await runtime.call("DEL", CONFIG, "c1", ARGS=kubelet("a"))
    assert owners(runtime) == {"10.244.9.9": "Pod default/a"}
    await cluster.delete("Pod", "a")
    assert owners(runtime) == {}


async def test_what_a_container_uses_counts_for_nobody_else_once_its_pod_is_gone(
    cluster: Cluster, runtime: Runtime
) -> None:
    pool = Pool("few", ("10.60.0.0/24",), purpose="pods", quotas={"default": 1, "mynet": 1})
    await runtime.service.create_pool(pool)
    config = network({"type": "ipamd", "pool": "few"})
    for name in ("a", "b"):  # the quota of the namespace is free again each time, and that of the network is exceeded
        assert "ips" in await runtime.call("ADD", config, name, ARGS=kubelet(name))
        await cluster.delete("Pod", name)

    assert {*owners(runtime).values()} == {"Attachment mynet/a/eth0", "Attachment mynet/b/eth0"}
    for name in ("a", "b"):
        await runtime.call("DEL", config, name)
    assert runtime.service.pool("few").leases == 0
