"""The Kubernetes objects, as far as DNS reads them. Unknown fields are skipped, absent and null ones are alike."""

from msgspec import Struct, field

Labels = dict[str, str]


class Metadata(Struct, rename="camel"):
    """ObjectMeta."""

    name: str = ""
    namespace: str = ""
    labels: Labels | None = None
    annotations: Labels | None = None
    deletion_timestamp: str | None = None


class ServicePort(Struct):
    """One port of a Service."""

    port: int
    name: str | None = None
    protocol: str | None = None


class ServiceSpec(Struct):
    """The specification of a Service."""

    type: str | None = None
    cluster_ip: str | None = field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = field(default=None, name="clusterIPs")
    external_ips: list[str] | None = field(default=None, name="externalIPs")
    external_name: str | None = field(default=None, name="externalName")
    ports: list[ServicePort] | None = None


class Ingress(Struct):
    """One address of a load balancer."""

    ip: str | None = None
    hostname: str | None = None


class LoadBalancer(Struct):
    """The load balancer of a Service's status."""

    ingress: list[Ingress] | None = None


class ServiceStatus(Struct, rename="camel"):
    """The status of a Service."""

    load_balancer: LoadBalancer | None = None


class Service(Struct):
    """v1 Service."""

    metadata: Metadata
    spec: ServiceSpec = field(default_factory=ServiceSpec)
    status: ServiceStatus | None = None


class Conditions(Struct):
    """The conditions of an endpoint; None stands for unknown, which counts as ready."""

    ready: bool | None = None


class Reference(Struct):
    """ObjectReference."""

    kind: str | None = None
    name: str | None = None


class Endpoint(Struct, rename="camel"):
    """One endpoint of a slice."""

    addresses: list[str] = field(default_factory=list)
    conditions: Conditions | None = None
    hostname: str | None = None
    target_ref: Reference | None = None
    zone: str | None = None


class EndpointPort(Struct):
    """One port of a slice; no number means all ports."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class EndpointSlice(Struct, rename="camel"):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: Metadata
    address_type: str = "IPv4"
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


class Namespace(Struct):
    """v1 Namespace."""

    metadata: Metadata


class PodStatus(Struct):
    """The status of a Pod."""

    pod_ip: str | None = field(default=None, name="podIP")
    phase: str | None = None


class Pod(Struct):
    """v1 Pod."""

    metadata: Metadata
    status: PodStatus = field(default_factory=PodStatus)
