"""Kubernetes objects for tests, written short, and a cluster of them that can be asked."""

from collections.abc import Sequence
from typing import Any

from msgspec import convert

from kdns.chain import Reply
from kdns.cluster import objects
from kdns.cluster.entries import IMPORT_NAME, SERVICE_NAME, SOURCE_CLUSTER, Form
from kdns.cluster.index import Index
from kdns.cluster.names import Grammar
from kdns.cluster.namespaces import Namespaces
from kdns.cluster.pods import Pods
from kdns.cluster.publish import Key
from kdns.cluster.zone import DISABLED, Answer, ClusterZones, Zone
from kdns.wire import codes, names
from tests.kdns.asking import question

Port = tuple[str, int] | tuple[str, int, str]
Endpoint = str | dict[str, Any]
Object = objects.Service | objects.ServiceImport | objects.EndpointSlice | objects.Namespace | objects.Pod

ZONES = ("cluster.local.", "10.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.")
CLUSTERSET = "clusterset.local."


def service(
    name: str, ips: Sequence[str] = ("None",), ports: Sequence[Port] = (), *, ns: str = "default", **spec: Any
) -> objects.Service:
    """A Service: headless unless it has `ips`; other fields of the spec as keywords."""
    body = {"clusterIPs": list(ips), "ports": _ports(ports), **spec}
    return convert({"metadata": {"name": name, "namespace": ns}, "spec": body}, objects.Service)


def external(name: str, target: str, *, ns: str = "default") -> objects.Service:
    """A Service of type ExternalName."""
    return service(name, (), ns=ns, type="ExternalName", externalName=target)


def service_import(
    name: str, ips: Sequence[str] = (), ports: Sequence[Port] = (), *, ns: str = "default"
) -> objects.ServiceImport:
    """A ServiceImport: headless unless it has `ips`."""
    body = {"type": "ClusterSetIP" if ips else "Headless", "ips": list(ips), "ports": _ports(ports)}
    return convert({"metadata": {"name": name, "namespace": ns}, "spec": body}, objects.ServiceImport)


def slice_of(
    owner: str,
    endpoints: Sequence[Endpoint],
    ports: Sequence[Port] = (),
    *,
    ns: str = "default",
    name: str = "",
    cluster: str = "",
    **annotations: str,
) -> objects.EndpointSlice:
    """An EndpointSlice; an endpoint is an address or the object's own form. With `cluster` it is a clusterset's."""
    labels = {IMPORT_NAME: owner, SOURCE_CLUSTER: cluster} if cluster else {SERVICE_NAME: owner}
    metadata = {"name": name or f"{owner}-x", "namespace": ns, "labels": labels, "annotations": annotations}
    each = [{"addresses": [point]} if isinstance(point, str) else point for point in endpoints]
    return convert({"metadata": metadata, "endpoints": each, "ports": _ports(ports)}, objects.EndpointSlice)


def namespace(name: str) -> objects.Namespace:
    """A Namespace."""
    return objects.Namespace(objects.Metadata(name))


def pod(
    name: str, ip: str | None, *, ns: str = "default", ending: str | None = None, labels: objects.Labels | None = None
) -> objects.Pod:
    """A Pod; `ending` is the time of its deletion."""
    metadata = objects.Metadata(name, ns, labels=labels, deletion_timestamp=ending)
    return objects.Pod(metadata, objects.PodStatus(ip))


def _ports(given: Sequence[Port]) -> list[dict[str, Any]]:
    return [dict(zip(("name", "port", "protocol"), port, strict=False)) for port in given]


class Cluster:
    """What a cluster has, put and deleted object by object, and asked by name. `exposed` are namespaces' labels."""

    def __init__(
        self,
        *things: Object,
        form: Form = Form(30),  # noqa: B008
        grammar: Grammar = Grammar(),  # noqa: B008
        exposed: Sequence[bytes] = (),
        ignore_empty: bool = False,
        pods: str = DISABLED,
        local: Sequence[bytes] = (),
    ) -> None:
        self.index = Index(form, ignore_empty=ignore_empty)
        self.imports = Index(form._replace(clusterset=True), ignore_empty=ignore_empty)
        self.namespaces = Namespaces(exposed)
        self.pods = Pods()
        there = Zone(names.parse(CLUSTERSET), self.imports, grammar._replace(clusterset=True))
        zones = (*(Zone(names.parse(zone), self.index, grammar) for zone in ZONES), there)
        self.zones = ClusterZones(zones, self.index, self.namespaces, self.pods, lambda: tuple(local), pods, form.ttl)
        self.put(*things)

    def put(self, *things: Object) -> set[Key]:
        """Put objects; the keys of what changed."""
        return {key for thing in things for key in self._put(thing)}

    def delete(self, thing: Object) -> set[Key]:
        """Delete the object of this kind and name; the keys of what changed."""
        meta = thing.metadata
        delete = {
            objects.Service: self.index.delete_service,
            objects.ServiceImport: self.imports.delete_service,
            objects.EndpointSlice: self._delete_slice,
            objects.Namespace: self.namespaces.delete,
            objects.Pod: self.pods.delete,
        }[type(thing)]
        return set(delete(meta.namespace or "", meta.name))

    def answer(self, text: str) -> Answer:
        """What `NAME TYPE` is answered. AssertionError if no zone has the name."""
        asked = question(text)
        place = self.zones.holding(asked.key)
        assert place is not None
        return self.zones.answer(asked, *place)

    def ask(self, text: str) -> Reply:
        """The same as a Reply without an SOA."""
        found = self.answer(text)
        return Reply(codes.NXDOMAIN if found.missing else codes.NOERROR, found.answer, (), found.additional)

    def _put(self, thing: Object) -> tuple[Key, ...]:
        match thing:
            case objects.Service():
                return self.index.put_service(thing)
            case objects.ServiceImport():
                return self.imports.put_import(thing)
            case objects.EndpointSlice():
                return (*self.index.put_slice(thing), *self.imports.put_slice(thing))
            case objects.Namespace():
                return self.namespaces.put(thing)
            case objects.Pod():
                return self.pods.put(thing)

    def _delete_slice(self, namespace: str, name: str) -> tuple[Key, ...]:
        return (*self.index.delete_slice(namespace, name), *self.imports.delete_slice(namespace, name))
