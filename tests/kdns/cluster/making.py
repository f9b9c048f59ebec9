"""Kubernetes objects for tests, written short."""

from typing import Any

from msgspec import convert

from kdns.cluster import objects
from kdns.cluster.index import Changed, Index

Port = tuple[str, int] | tuple[str, int, str]


def _ports(given: list[Port]) -> list[dict[str, Any]]:
    return [dict(zip(("name", "port", "protocol"), port, strict=False)) for port in given]


def service(
    name: str, ips: list[str] | None = None, ports: list[Port] = (), *, ns: str = "default", **spec: Any
) -> Any:  # type: ignore[assignment]
    """A Service: ClusterIP with `ips`, headless without, other fields of the spec as keywords."""
    body = {"clusterIPs": ips or ["None"], "ports": _ports(list(ports)), **spec}
    return convert({"metadata": {"name": name, "namespace": ns}, "spec": body}, objects.Service)


def slice_of(
    owner: str,
    endpoints: list[str | dict[str, Any]],
    ports: list[Port] = (),  # type: ignore[assignment]
    *,
    ns: str = "default",
    name: str = "",
) -> objects.EndpointSlice:
    """An EndpointSlice of a Service; an endpoint is an address, or the object's own form."""
    each = [{"addresses": [point]} if isinstance(point, str) else point for point in endpoints]
    metadata = {"name": name or f"{owner}-x", "namespace": ns, "labels": {"kubernetes.io/service-name": owner}}
    return convert({"metadata": metadata, "endpoints": each, "ports": _ports(list(ports))}, objects.EndpointSlice)


def namespace(name: str) -> objects.Namespace:
    """A Namespace."""
    return objects.Namespace(objects.Metadata(name))


def pod(name: str, ip: str, *, ns: str = "default", phase: str = "Running") -> objects.Pod:
    """A Pod with an address."""
    return objects.Pod(objects.Metadata(name, ns), objects.PodStatus(ip, phase))


def put(index: Index, *found: Any) -> list[Changed]:
    """Put objects of any kind; what each changed."""
    methods = {
        objects.Service: index.put_service,
        objects.EndpointSlice: index.put_slice,
        objects.Namespace: index.put_namespace,
        objects.Pod: index.put_pod,
    }
    return [methods[type(each)](each) for each in found]  # type: ignore[operator]
