"""The fields of Kubernetes objects that ipamd reads, as typed values.

An object is stored as the client sent it; these structs are how we look at it, and the check that what we look at has
the types of the API. Unknown members are passed over. A null member counts as absent and has to be removed before
(`document.without_nulls`). EndpointSlices made here are written from these structs, so defaults are left out of them.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct, field

from ipamd.errors import Malformed
from ipamd.json import Object


class Meta(Struct, frozen=True, rename="camel", omit_defaults=True):
    """ObjectMeta. Times are RFC 3339 texts in UTC, as the API has them."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple["OwnerReference", ...] = ()


class OwnerReference(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Whom an object belongs to."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectReference(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What an endpoint stands for."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class Condition(Struct, frozen=True, rename="camel"):
    """One condition of a status; `status` is "True", "False" or "Unknown"."""

    type: str = ""
    status: str = ""


class ContainerPort(Struct, frozen=True, rename="camel"):
    """A port that a container listens on."""

    name: str = ""
    container_port: int = 0
    protocol: str = "TCP"


class Container(Struct, frozen=True, rename="camel"):
    """A container of a Pod. An init container that restarts always runs beside the others (a sidecar)."""

    name: str = ""
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""


class PodSpec(Struct, frozen=True, rename="camel"):
    """What we read of a Pod's spec."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_name: str = ""
    hostname: str = ""
    subdomain: str = ""
    host_network: bool = False
    restart_policy: str = ""
    scheduler_name: str = ""
    service_account_name: str = ""


class PodIP(Struct, frozen=True):
    """One address of a Pod."""

    ip: str = ""


class ContainerStatus(Struct, frozen=True, rename="camel"):
    """How a container does, for the columns of a table."""

    ready: bool = False
    restart_count: int = 0


class PodStatus(Struct, frozen=True, rename="camel"):
    """What we read of a Pod's status."""

    phase: str = ""
    reason: str = ""
    pod_ip: str = field(name="podIP", default="")
    pod_ips: tuple[PodIP, ...] = field(name="podIPs", default=())
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    nominated_node_name: str = ""


class Pod(Struct, frozen=True, rename="camel"):
    """A Pod."""

    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of its status, the primary one first."""
        listed = tuple(entry.ip for entry in self.status.pod_ips if entry.ip)
        return listed or tuple(filter(None, [self.status.pod_ip]))

    @property
    def is_ready(self) -> bool:
        """Whether its condition Ready is True."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


class ServicePort(Struct, frozen=True, rename="camel"):
    """A port of a Service. `target_port` is a number, or the name of a container's port; 0 means `port`."""

    port: int = 0
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str = 0
    node_port: int = 0
    app_protocol: str | None = None


class ServiceSpec(Struct, frozen=True, rename="camel"):
    """What we read of a Service's spec."""

    type: str = "ClusterIP"
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    cluster_ip: str = field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = field(name="clusterIPs", default=())
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = ""
    external_name: str = ""
    external_ips: tuple[str, ...] = field(name="externalIPs", default=())
    external_traffic_policy: str = ""
    health_check_node_port: int = 0
    allocate_load_balancer_node_ports: bool = True
    publish_not_ready_addresses: bool = False


class Ingress(Struct, frozen=True):
    """Where a load balancer takes traffic: an address or a host name."""

    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(Struct, frozen=True):
    """Where the load balancer of a Service takes traffic."""

    ingress: tuple[Ingress, ...] = ()


class ServiceStatus(Struct, frozen=True, rename="camel"):
    """What we read of a Service's status."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Struct, frozen=True):
    """A Service."""

    metadata: Meta = Meta()
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()

    @property
    def is_headless(self) -> bool:
        """Whether it has no address of its own."""
        return self.spec.cluster_ip in ("", "None")


class EndpointConditions(Struct, frozen=True, omit_defaults=True):
    """Whether an endpoint takes new connections, can serve at all, and is going away."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One backend of a Service."""

    addresses: tuple[str, ...]
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None


class EndpointPort(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A port of every endpoint in a slice."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class EndpointSlice(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Some endpoints of a Service: one address type, the same ports for all."""

    metadata: Meta = Meta()
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class NodeSpec(Struct, frozen=True, rename="camel"):
    """What we read of a Node's spec."""

    pod_cidr: str = field(name="podCIDR", default="")
    pod_cidrs: tuple[str, ...] = field(name="podCIDRs", default=())
    unschedulable: bool = False


class NodeAddress(Struct, frozen=True):
    """An address of a Node; `type` is InternalIP, ExternalIP, Hostname..."""

    type: str = ""
    address: str = ""


class NodeInfo(Struct, frozen=True, rename="camel"):
    """The versions that a Node reports."""

    kubelet_version: str = ""
    os_image: str = ""
    kernel_version: str = ""
    container_runtime_version: str = ""


class NodeStatus(Struct, frozen=True, rename="camel"):
    """What we read of a Node's status."""

    addresses: tuple[NodeAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    node_info: NodeInfo = NodeInfo()


class Node(Struct, frozen=True):
    """A Node."""

    metadata: Meta = Meta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ServiceCIDRSpec(Struct, frozen=True):
    """Where ClusterIPs come from: one CIDR a family."""

    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(Struct, frozen=True):
    """Whether addresses are given out of it."""

    conditions: tuple[Condition, ...] = ()


class ServiceCIDR(Struct, frozen=True):
    """A ServiceCIDR."""

    metadata: Meta = Meta()
    spec: ServiceCIDRSpec = ServiceCIDRSpec()
    status: ServiceCIDRStatus = ServiceCIDRStatus()


class ParentReference(Struct, frozen=True, omit_defaults=True):
    """Whom an IPAddress belongs to."""

    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""


class IPAddressSpec(Struct, frozen=True, rename="camel"):
    """What an IPAddress says beside its name, which is the address."""

    parent_ref: ParentReference | None = None


class IPAddress(Struct, frozen=True):
    """An IPAddress."""

    metadata: Meta = Meta()
    spec: IPAddressSpec = IPAddressSpec()


class NamespaceStatus(Struct, frozen=True):
    """Active, or Terminating while it is being emptied."""

    phase: str = ""


class Namespace(Struct, frozen=True):
    """A Namespace."""

    metadata: Meta = Meta()
    status: NamespaceStatus = NamespaceStatus()


Shape = Pod | Service | EndpointSlice | Node | Namespace | ServiceCIDR | IPAddress
AnyShape = TypeVar("AnyShape", bound=Shape)


def view(document: Object, shape: type[AnyShape]) -> AnyShape:
    """`document` as that shape. Raises Malformed when a member that we read has another type."""
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        detail = f'{shape.__name__} in version "v1" cannot be handled as a {shape.__name__}: {error}'
        raise Malformed(detail) from error
