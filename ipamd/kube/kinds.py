"""The kinds that ipamd serves, as a table: adding one is adding a row (and its rules in `admission`)."""

from typing import NamedTuple

from ipamd.json import Object
from ipamd.kube.document import peek
from ipamd.kube.shapes import EndpointSlice, IPAddress, Namespace, Node, Pod, Service, ServiceCIDR, Shape


class Kind(NamedTuple):
    """A kind of object and where it is served. `fields` are those that a field selector may name."""

    name: str
    plural: str
    shorts: tuple[str, ...]
    shape: type[Shape]
    group: str = ""
    namespaced: bool = True
    has_status: bool = True
    fields: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """As it stands in objects: `v1`, `discovery.k8s.io/v1`."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def resource(self) -> str:
        """As it stands in messages: `pods`, `endpointslices.discovery.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """As it stands in messages about what is invalid: `Pod`, `EndpointSlice.discovery.k8s.io`."""
        return f"{self.name}.{self.group}" if self.group else self.name


NAMESPACE = Kind("Namespace", "namespaces", ("ns",), Namespace, namespaced=False, fields=("status.phase",))
NODE = Kind("Node", "nodes", ("no",), Node, namespaced=False, fields=("spec.unschedulable",))
POD = Kind(
    "Pod",
    "pods",
    ("po",),
    Pod,
    fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
)
SERVICE = Kind("Service", "services", ("svc",), Service, fields=("spec.clusterIP", "spec.type"))
ENDPOINT_SLICE = Kind("EndpointSlice", "endpointslices", (), EndpointSlice, "discovery.k8s.io", has_status=False)
NETWORKING = "networking.k8s.io"
SERVICE_CIDR = Kind("ServiceCIDR", "servicecidrs", (), ServiceCIDR, NETWORKING, namespaced=False)
IP_ADDRESS = Kind("IPAddress", "ipaddresses", ("ip",), IPAddress, NETWORKING, namespaced=False, has_status=False)

KINDS: tuple[Kind, ...] = (NAMESPACE, NODE, POD, SERVICE, ENDPOINT_SLICE, SERVICE_CIDR, IP_ADDRESS)
BY_NAME = {kind.name: kind for kind in KINDS}
FLAGS = ("spec.unschedulable", "spec.hostNetwork")  # fields that are booleans: absent means false


def selectable_fields(kind: Kind) -> tuple[str, ...]:
    """The fields that a field selector on this kind may name."""
    return ("metadata.name", *(("metadata.namespace",) if kind.namespaced else ()), *kind.fields)


def field_values(kind: Kind, document: Object) -> dict[str, str]:
    """The values of the selectable fields of an object, as texts."""
    return {path: field_text(path, document) for path in selectable_fields(kind)}


def field_text(path: str, document: Object) -> str:
    """The value of one field as a field selector compares it."""
    value = peek(document, *path.split("."))
    if path in FLAGS:
        return "true" if value is True else "false"
    return value if isinstance(value, str) else ""
