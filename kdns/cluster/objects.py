"""The Kubernetes objects, as far as DNS reads them. Unknown fields are skipped; absent and null ones are alike."""

from msgspec import Struct, field

Labels = dict[str, str]


class Metadata(Struct, rename="camel"):
    """ObjectMeta."""

    name: str = ""
    namespace: str | None = None
    labels: Labels | None = None
    annotations: Labels | None = None
    deletion_timestamp: str | None = None


class ServicePort(Struct):
    """One port of a Service or ServiceImport."""

    port: int
    name: str | None = None
    protocol: str | None = None


class ServiceSpec(Struct):
    """The specification of a Service."""

    type: str | None = None
    cluster_ip: str | None = field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = field(default=None, name="clusterIPs")
    external_name: str | None = field(default=None, name="externalName")
    external_ips: list[str] | None = field(default=None, name="externalIPs")
    ports: list[ServicePort] | None = None


class Ingress(Struct):
    """One point of entry of a load balancer: an address or a host name."""

    ip: str | None = None
    hostname: str | None = None


class LoadBalancer(Struct):
    """The status of a load balancer."""

    ingress: list[Ingress] | None = None


class ServiceStatus(Struct, rename="camel"):
    """The status of a Service."""

    load_balancer: LoadBalancer | None = None


class Service(Struct):
    """v1 Service."""

    metadata: Metadata
    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class Conditions(Struct):
    """The conditions of an endpoint; None stands for unknown, which counts as ready."""

    ready: bool | None = None


class Reference(Struct):
    """ObjectReference."""

    name: str | None = None


class Endpoint(Struct, rename="camel"):
    """One endpoint of a slice."""

    addresses: list[str] | None = None
    conditions: Conditions | None = None
    hostname: str | None = None
    target_ref: Reference | None = None
    zone: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it may be given to clients."""
        return self.conditions is None or self.conditions.ready is not False


class EndpointPort(Struct):
    """One port of a slice; no number means all ports."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class EndpointSlice(Struct):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: Metadata
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


class ServiceImportSpec(Struct):
    """The specification of a ServiceImport: `type` is ClusterSetIP or Headless."""

    type: str | None = None
    ips: list[str] | None = None
    ports: list[ServicePort] | None = None


class ServiceImport(Struct):
    """multicluster.x-k8s.io/v1alpha1 ServiceImport."""

    metadata: Metadata
    spec: ServiceImportSpec | None = None


class Namespace(Struct):
    """v1 Namespace."""

    metadata: Metadata


class PodStatus(Struct):
    """The status of a Pod."""

    pod_ip: str | None = field(default=None, name="podIP")


class Pod(Struct):
    """v1 Pod."""

    metadata: Metadata
    status: PodStatus | None = None
