"""The Python clients of Kubernetes, `kubernetes` and `lightkube`, against a daemon."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client import ApiException
from lightkube import ApiError, Client, KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.models.core_v1 import NodeSpec, ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.networking_v1 import IPAddressSpec, ParentReference, ServiceCIDRSpec
from lightkube.resources.core_v1 import Node, Pod, Service
from lightkube.resources.networking_v1 import IPAddress, ServiceCIDR
from lightkube.types import PatchType

from tests.ipamd.daemon import Daemon


@pytest.fixture
def api(ipamd: Daemon) -> Iterator[client.ApiClient]:
    """A connection of the `kubernetes` client."""
    with client.ApiClient(client.Configuration(host=ipamd.url)) as made:
        yield made


@pytest.fixture
def lightkube(ipamd: Daemon) -> Iterator[Client]:
    """A `lightkube` client."""
    with Client(KubeConfig.from_one(user=User(), cluster=Cluster(server=ipamd.url))) as made:
        yield made


def service(name: str, **spec: Any) -> client.V1Service:
    ports = [client.V1ServicePort(port=80)]
    return client.V1Service(
        metadata=client.V1ObjectMeta(name=name), spec=client.V1ServiceSpec(ports=ports, selector={"a": "b"}, **spec)
    )


def test_the_kubernetes_client_makes_and_removes_services_of_a_new_service_cidr(api: client.ApiClient) -> None:
    core, networking = client.CoreV1Api(api), client.NetworkingV1Api(api)
    wanted = client.V1ServiceCIDR(
        metadata=client.V1ObjectMeta(name="more"), spec=client.V1ServiceCIDRSpec(cidrs=["10.7.0.0/24"])
    )
    made = networking.create_service_cidr(wanted)
    assert made.metadata.finalizers == ["networking.k8s.io/service-cidr-finalizer"]
    assert [(each.type, each.status) for each in made.status.conditions] == [("Ready", "True")]
    assert [each.metadata.name for each in networking.list_service_cidr().items] == ["kubernetes", "more"]

    core.create_namespaced_service("default", service("k-web", cluster_ip="10.7.0.9"))
    found = networking.read_ip_address("10.7.0.9")
    assert (found.spec.parent_ref.resource, found.spec.parent_ref.name) == ("services", "k-web")
    with pytest.raises(ApiException) as taken:
        core.create_namespaced_service("default", service("k-other", cluster_ip="10.7.0.9"))
    assert taken.value.status == 422
    with pytest.raises(ApiException, match="field is immutable"):
        networking.patch_service_cidr("more", {"spec": {"cidrs": ["10.8.0.0/24"]}})

    networking.delete_service_cidr("more")
    assert networking.read_service_cidr("more").status.conditions[0].reason == "Terminating"
    core.delete_namespaced_service("k-web", "default")
    with pytest.raises(ApiException) as gone:
        networking.read_service_cidr("more")
    assert gone.value.status == 404


def test_the_kubernetes_client_watches_ip_addresses(api: client.ApiClient) -> None:
    core, networking = client.CoreV1Api(api), client.NetworkingV1Api(api)
    since = networking.list_ip_address().metadata.resource_version

    def change() -> None:
        with client.ApiClient(api.configuration) as other:
            client.CoreV1Api(other).create_namespaced_service("default", service("k-seen", cluster_ip="10.96.3.3"))
            client.CoreV1Api(other).delete_namespaced_service("k-seen", "default")

    changing = Thread(target=change)
    changing.start()
    seen = []
    stream = watch.Watch()
    for event in stream.stream(networking.list_ip_address, resource_version=since, timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 2:
            stream.stop()
    changing.join()

    assert seen == [("ADDED", "10.96.3.3"), ("DELETED", "10.96.3.3")]
    assert "k-seen" not in [each.metadata.name for each in core.list_namespaced_service("default").items]


def test_the_kubernetes_client_reads_the_blocks_of_nodes(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)

    made = core.create_node(client.V1Node(metadata=client.V1ObjectMeta(name="k-node")))
    assert made.spec.pod_cidrs[0] == made.spec.pod_cidr
    assert core.patch_node("k-node", {"metadata": {"labels": {"a": "b"}}}).spec.pod_cidrs == made.spec.pod_cidrs
    core.delete_node("k-node")

    assert "k-node" not in [each.metadata.name for each in core.list_node().items]


def test_lightkube_does_all_of_it_too(lightkube: Client) -> None:
    cidr = ServiceCIDR(metadata=ObjectMeta(name="light"), spec=ServiceCIDRSpec(cidrs=["10.9.0.0/24", "fd00:9::/112"]))
    assert lightkube.create(cidr).status.conditions[0].status == "True"
    parent = ParentReference(resource="gateways", group="example.com", name="edge")
    lightkube.create(IPAddress(metadata=ObjectMeta(name="10.9.0.77"), spec=IPAddressSpec(parentRef=parent)))

    spec = ServiceSpec(ports=[ServicePort(port=80)], selector={"a": "b"}, clusterIP="10.9.0.77")
    wanted = Service(metadata=ObjectMeta(name="l-web"), spec=spec)
    with pytest.raises(ApiError, match="provided IP is already allocated"):
        lightkube.create(wanted)
    lightkube.delete(IPAddress, "10.9.0.77")
    assert lightkube.create(wanted).spec.clusterIPs == ["10.9.0.77"]
    patch = {"spec": {"ipFamilyPolicy": "RequireDualStack"}}
    patched = lightkube.patch(Service, "l-web", patch, patch_type=PatchType.MERGE)
    assert [":" in address for address in patched.spec.clusterIPs] == [False, True]
    assert {each.metadata.name for each in lightkube.list(IPAddress)} >= {*patched.spec.clusterIPs}

    lightkube.delete(Service, "l-web")
    lightkube.delete(ServiceCIDR, "light")
    assert [each.metadata.name for each in lightkube.list(ServiceCIDR)] == ["kubernetes"]


def test_lightkube_makes_nodes_and_pods(lightkube: Client) -> None:
    node = lightkube.create(Node(metadata=ObjectMeta(name="l-node"), spec=NodeSpec(podCIDR="10.244.200.0/24")))
    assert node.spec.podCIDRs == ["10.244.200.0/24"]

    made = lightkube.create(Pod.from_dict({"metadata": {"name": "l-pod"}, "spec": {"containers": [{"name": "c"}]}}))

    assert made.status.podIP
    lightkube.delete(Pod, "l-pod")
    lightkube.delete(Node, "l-node")


def test_the_kubernetes_client_binds_a_pod_to_a_node(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    spec = client.V1PodSpec(containers=[client.V1Container(name="c")])
    core.create_namespaced_pod("default", client.V1Pod(metadata=client.V1ObjectMeta(name="k-pod"), spec=spec))
    binding = client.V1Binding(
        metadata=client.V1ObjectMeta(name="k-pod"), target=client.V1ObjectReference(kind="Node", name="k-node")
    )

    core.create_namespaced_pod_binding("k-pod", "default", binding, _preload_content=False)

    assert core.read_namespaced_pod("k-pod", "default").spec.node_name == "k-node"
    with pytest.raises(ApiException, match="already assigned to node") as refused:
        core.create_namespaced_pod_binding("k-pod", "default", binding, _preload_content=False)
    assert refused.value.status == 409
    core.delete_namespaced_pod("k-pod", "default")


def test_lightkube_watches_service_cidrs_and_nodes(lightkube: Client) -> None:
    cidr = ServiceCIDR(metadata=ObjectMeta(name="seen"), spec=ServiceCIDRSpec(cidrs=["10.10.0.0/24"]))
    made = lightkube.create(cidr)
    assert made.metadata.resourceVersion
    seen = lightkube.watch(ServiceCIDR, resource_version=str(int(made.metadata.resourceVersion) - 1), server_timeout=20)
    op, first = next(iter(seen))
    assert (op, first.metadata.name, first.spec.cidrs) == ("ADDED", "seen", ["10.10.0.0/24"])
    lightkube.delete(ServiceCIDR, "seen")

    node = lightkube.create(Node(metadata=ObjectMeta(name="l-seen")))
    before = str(int(node.metadata.resourceVersion) - 1)
    op, first = next(iter(lightkube.watch(Node, resource_version=before, server_timeout=20)))
    assert (op, first.spec.podCIDRs) == ("ADDED", node.spec.podCIDRs)
    lightkube.delete(Node, "l-seen")
