"""Objects as the rows of a meta.k8s.io/v1 Table: what `kubectl get` prints.

The columns are those of the API server's printers. A kind has a row in COLUMNS and a case in `cells_of`. `now` is in
seconds since the epoch, ages are told as kubectl tells them.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ipamd.json import Json, Object
from ipamd.kube.document import peek, without_nulls
from ipamd.kube.kinds import Kind
from ipamd.kube.shapes import EndpointSlice, IPAddress, Namespace, Node, Pod, Service, ServiceCIDR, Shape, view

NONE = "<none>"
SHOWN = 3  # ports and endpoints of a slice; the rest is counted
ROLE = "node-role.kubernetes.io/"

# name, and whether it is shown only by `-o wide`
COLUMNS: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "Namespace": (("Name", False), ("Status", False), ("Age", False)),
    "Node": (
        *((name, False) for name in ("Name", "Status", "Roles", "Age", "Version")),
        *((n, True) for n in ("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime")),
    ),
    "Pod": (
        *((name, False) for name in ("Name", "Ready", "Status", "Restarts", "Age")),
        *((name, True) for name in ("IP", "Node", "Nominated Node", "Readiness Gates")),
    ),
    "Service": (
        *((name, False) for name in ("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age")),
        ("Selector", True),
    ),
    "EndpointSlice": tuple((name, False) for name in ("Name", "AddressType", "Ports", "Endpoints", "Age")),
    "ServiceCIDR": tuple((name, False) for name in ("Name", "CIDRs", "Age")),
    "IPAddress": tuple((name, False) for name in ("Name", "ParentRef", "Age")),
}


def table(kind: Kind, documents: Iterable[Object], metadata: Object, now: float, include: str, *, head: bool) -> Object:
    """The objects as a Table. `include` (None, Metadata or Object) says what a row carries; `head` adds the columns."""
    definitions: list[Json] = [definition(name, wide) for name, wide in COLUMNS[kind.name]] if head else []
    rows: list[Json] = [row(kind, document, now, include) for document in documents]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def definition(name: str, wide: bool) -> Object:
    """One column."""
    style = "name" if name == "Name" else ""
    return {"name": name, "type": "string", "format": style, "description": "", "priority": 1 if wide else 0}


def row(kind: Kind, document: Object, now: float, include: str) -> Object:
    """One object as a row."""
    clean = without_nulls(document)
    shown = view(clean if isinstance(clean, dict) else {}, kind.shape)
    cells: list[Json] = [shown.metadata.name, *cells_of(shown, age(shown.metadata.creation_timestamp, now))]
    if include == "None":
        return {"cells": cells}
    partial: Object = {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": peek(document, "metadata"),
    }
    return {"cells": cells, "object": document if include == "Object" else partial}


def cells_of(shown: Shape, age: str) -> list[str]:
    """The cells of an object but for its name."""
    match shown:
        case Namespace():
            return [shown.status.phase, age]
        case Node():
            return node_cells(shown, age)
        case Pod():
            return pod_cells(shown, age)
        case Service():
            return service_cells(shown, age)
        case EndpointSlice():
            return endpoint_slice_cells(shown, age)
        case ServiceCIDR():
            return [",".join(shown.spec.cidrs), age]
        case IPAddress():
            return [parent_cell(shown), age]


def pod_cells(pod: Pod, age: str) -> list[str]:
    """Ready, status, restarts, age; address, node, nominated node, readiness gates.

    Without a kubelet there are no container statuses: then all containers are as ready as the Pod is.
    """
    statuses, total = pod.status.container_statuses, len(pod.spec.containers)
    ready = sum(status.ready for status in statuses) if statuses else total * pod.is_ready
    restarts = sum(status.restart_count for status in statuses)
    state = "Terminating" if pod.metadata.deletion_timestamp else pod.status.reason or pod.status.phase
    address = pod.addresses[0] if pod.addresses else NONE
    wide = [address, pod.spec.node_name or NONE, pod.status.nominated_node_name or NONE, NONE]
    return [f"{ready}/{total}", state, str(restarts), age, *wide]


def service_cells(service: Service, age: str) -> list[str]:
    """Type, cluster address, external address, ports, age; selector."""
    spec = service.spec
    ports = (f"{p.port}:{p.node_port}/{p.protocol}" if p.node_port else f"{p.port}/{p.protocol}" for p in spec.ports)
    selector = ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
    outside = external_address(service)
    return [spec.type, spec.cluster_ip or NONE, outside, ",".join(ports) or NONE, age, selector or NONE]


def external_address(service: Service) -> str:
    """Where a Service is reached from outside the cluster."""
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.external_name
    balanced = [i.ip or i.hostname for i in service.status.load_balancer.ingress] if spec.type == "LoadBalancer" else []
    nothing = "<pending>" if spec.type == "LoadBalancer" else NONE
    return ",".join([*balanced, *spec.external_ips]) or nothing


def endpoint_slice_cells(found: EndpointSlice, age: str) -> list[str]:
    """Address type, ports, endpoints, age."""
    ports = ["*" if port.port is None else str(port.port) for port in found.ports]
    addresses = [address for endpoint in found.endpoints for address in endpoint.addresses]
    return [found.address_type, first_few(ports), first_few(addresses), age]


def parent_cell(found: IPAddress) -> str:
    """Whom an address belongs to: RESOURCE.GROUP/NAMESPACE/NAME, without what is empty."""
    parent = found.spec.parent_ref
    if parent is None:
        return NONE
    resource = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
    return "/".join(filter(None, (resource, parent.namespace, parent.name)))


def first_few(texts: list[str]) -> str:
    """The first texts, and how many more there are."""
    if not texts:
        return "<unset>"
    more = f" + {len(texts) - SHOWN} more..." if len(texts) > SHOWN else ""
    return ",".join(texts[:SHOWN]) + more


def node_cells(node: Node, age: str) -> list[str]:
    """Status, roles, age, version; addresses and what it runs on."""
    ready = next((c.status for c in node.status.conditions if c.type == "Ready"), "Unknown")
    status = {"True": "Ready", "False": "NotReady"}.get(ready, "Unknown")
    state = f"{status},SchedulingDisabled" if node.spec.unschedulable else status
    roles = ",".join(sorted(label.removeprefix(ROLE) for label in node.metadata.labels if label.startswith(ROLE)))
    info = node.status.node_info
    inside, outside = (
        next((a.address for a in node.status.addresses if a.type == wanted), NONE)
        for wanted in ("InternalIP", "ExternalIP")
    )
    software = [text or "<unknown>" for text in (info.os_image, info.kernel_version, info.container_runtime_version)]
    return [state, roles or NONE, age, info.kubelet_version, inside, outside, *software]


def age(created: str, now: float) -> str:
    """How long ago the RFC 3339 time `created` was, in kubectl's short form; "<unknown>" when it is no time."""
    try:
        seconds = int(now - datetime.fromisoformat(created).astimezone(UTC).timestamp())
    except ValueError:
        return "<unknown>"
    return human_duration(max(0, seconds))


def human_duration(seconds: int) -> str:
    """`seconds` with the precision that matters: 119s, 9m59s, 179m, 7h59m, 47h, 7d23h, 729d, 7y364d, 8y."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    years = days // 365
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return two_units(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return two_units(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return two_units(days, "d", hours % 24, "h")
    if years < 2:
        return f"{days}d"
    return two_units(years, "y", days % 365 if years < 8 else 0, "d")


def two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    """Both numbers with their units; a zero is left out."""
    return f"{large}{large_unit}" + (f"{small}{small_unit}" if small else "")
