"""What is kept of an object: small tuples of octets, from which every answer is joined without a parse.

Labels are in wire form with their length octet in front, lower-cased, so that a slice of a question's name is a key as
it stands. An address is kept as its record without the owner (a `Tail`), ready to be put behind the question's name.
Entries that compare equal answer equally: that is how a change is told from an update that does not matter to DNS.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kdns.cluster.address import dashed, packed
from kdns.cluster.objects import Endpoint, EndpointPort, EndpointSlice, Service, ServiceImport, ServicePort
from kdns.errors import WireError
from kdns.wire import build, names
from kdns.wire.names import Name

Label = bytes  # with its length octet: b"\x03web"
Labels = bytes  # one or several: b"\x03web\x07default"
Tail = bytes  # TYPE, CLASS, TTL, RDLENGTH and RDATA of an A or AAAA record

SERVICE_NAME = "kubernetes.io/service-name"
IMPORT_NAME = "multicluster.kubernetes.io/service-name"
SOURCE_CLUSTER = "multicluster.kubernetes.io/source-cluster"

NO_PORT = -1  # of a service or slice that declares none: it answers addresses, never SRV
NO_NAME: Label = b"\0"
MAX_POD_NAME = 63  # characters of a pod's name that can name an endpoint


class Port(NamedTuple):
    """A port; `name` and `protocol` are labels, NO_NAME for none; `number` may be NO_PORT."""

    name: Label
    protocol: Label
    number: int


NO_PORTS = (Port(NO_NAME, NO_NAME, NO_PORT),)


class ServiceEntry(NamedTuple):
    """A Service or ServiceImport: its addresses, or that it is headless or external (then another name's `alias`).

    An external service without an alias, one whose name is an address or none at all, answers nothing.
    """

    tails: tuple[Tail, ...] = ()
    ports: tuple[Port, ...] = NO_PORTS
    headless: bool = False
    external: bool = False
    alias: Name | None = None


class SliceEntry(NamedTuple):
    """An EndpointSlice: the service it belongs to, and its ready addresses with their names, one behind another.

    In a clusterset a name is the endpoint's and its cluster's. `zones` are the topology zones in lower case, or ().
    """

    service: Labels
    names: tuple[Labels, ...] = ()
    tails: tuple[Tail, ...] = ()
    ports: tuple[Port, ...] = NO_PORTS
    zones: tuple[bytes, ...] = ()


class Form(NamedTuple):
    """How entries are made: the records' TTL in seconds; pods' names for endpoints; zones kept; the clusterset's."""

    ttl: int = 5
    pod_names: bool = False
    zonal: bool = False
    clusterset: bool = False


def label(text: str) -> Label:
    """One label, lower-cased; NO_NAME of an empty text. WireError if it has more than 63 octets."""
    octets = text.lower().encode()
    if len(octets) > names.MAX_LABEL:
        raise WireError(f"label of {len(octets)} octets: at most {names.MAX_LABEL} are allowed")
    return bytes((len(octets),)) + octets


def service_key(namespace: str | None, name: str) -> Labels:
    """The key of a service: its name's and its namespace's label, as in a question. WireError: see `label`."""
    return label(name) + label(namespace or "")


def tail(address: bytes, ttl: int) -> Tail:
    """The record of a packed address without its owner."""
    return build.address(b"", ttl, address)


def service_entry(service: Service, form: Form) -> ServiceEntry:
    """What is kept of a Service. WireError for a name that cannot be one."""
    spec = service.spec
    if spec is None:
        return ServiceEntry()
    ports = tuple(map(_service_port, spec.ports or ())) or NO_PORTS
    if spec.type == "ExternalName":
        return ServiceEntry((), ports, external=True, alias=_alias(spec.external_name or ""))
    given = spec.cluster_ips or [spec.cluster_ip or ""]
    if given[0] == "None":
        return ServiceEntry((), ports, headless=True)
    return ServiceEntry(tuple(_tails(given, form.ttl)), ports)


def import_entry(imported: ServiceImport, form: Form) -> ServiceEntry:
    """What is kept of a ServiceImport. Unlike a Service, one with addresses but without ports answers nothing."""
    spec = imported.spec
    if spec is None:
        return ServiceEntry((), ())
    ports = tuple(map(_service_port, spec.ports or ()))
    return ServiceEntry(tuple(_tails(spec.ips or (), form.ttl)), ports, headless=spec.type == "Headless")


def slice_entry(slice_: EndpointSlice, form: Form) -> SliceEntry | None:
    """What is kept of an EndpointSlice, or None of one that belongs to no service. WireError for an impossible name."""
    labels = slice_.metadata.labels or {}
    owner = labels.get(IMPORT_NAME if form.clusterset else SERVICE_NAME)
    if not owner:
        return None
    cluster = names.parse(labels.get(SOURCE_CLUSTER, "").lower())[:-1] if form.clusterset else b""
    found = [
        (_name(endpoint, text, form.pod_names) + cluster, each, (endpoint.zone or "").lower().encode())
        for endpoint in slice_.endpoints or ()
        if endpoint.is_ready
        for text in endpoint.addresses or ()
        for each in _tails([text], form.ttl)
    ]
    columns = tuple(zip(*found, strict=True)) or ((), (), ())
    ports = tuple(map(_endpoint_port, slice_.ports or ())) or NO_PORTS
    key = service_key(slice_.metadata.namespace, owner)
    return SliceEntry(key, columns[0], columns[1], ports, columns[2] if form.zonal else ())


def _name(endpoint: Endpoint, address: str, pod_names: bool) -> Labels:
    if endpoint.hostname:
        return names.parse(endpoint.hostname.lower())[:-1]
    reference = endpoint.target_ref
    if pod_names and reference and reference.name and len(reference.name) <= MAX_POD_NAME:
        return names.parse(reference.name.lower())[:-1]  # a pod's name may have dots: then no question asks for it
    return label(dashed(address))


def _tails(texts: Iterable[str], ttl: int) -> Iterator[Tail]:
    for text in texts:
        address = packed(text)
        if address is not None:
            yield tail(address, ttl)


def _service_port(port: ServicePort) -> Port:
    return Port(label(port.name or ""), label(port.protocol or ""), port.port)


def _endpoint_port(port: EndpointPort) -> Port:
    return Port(label(port.name or ""), label(port.protocol or ""), NO_PORT if port.port is None else port.port)


def _alias(text: str) -> Name | None:
    return names.parse(text) if text and packed(text) is None else None
