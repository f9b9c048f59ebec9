"""What is kept of an object: small tuples of octets, from which every answer can be joined without a parse.

Labels are kept in wire form with their length octet in front, lower-cased, so that a slice of a question's name is a
key as it stands. Addresses are packed. A value that compares equal answers equally: that is how a change is told from
an update that does not matter to DNS.
"""

from ipaddress import ip_address
from typing import NamedTuple

from kdns.cluster.objects import Endpoint, EndpointSlice, Pod, Service
from kdns.errors import WireError
from kdns.wire import names
from kdns.wire.names import Name

Label = bytes  # with its length octet: b"\x03web"
Address = bytes  # packed: 4 or 16 octets

SERVICE_NAME = "kubernetes.io/service-name"
NO_PORT = -1  # of a Service or slice that declares none: answers addresses, never SRV
MAX_POD_NAME = 63  # octets of a pod's name that can be a label


class Port(NamedTuple):
    """A named, numbered port; `name` and `protocol` are labels, b"\\x00" for none."""

    name: Label
    protocol: Label
    number: int


class ServiceEntry(NamedTuple):
    """A Service: its addresses and ports, or that it is headless, or the name that it stands for."""

    addresses: tuple[Address, ...]
    ports: tuple[Port, ...]
    headless: bool = False
    alias: Name | None = None  # of an ExternalName service
    external: tuple[Address, ...] = ()
    external_names: tuple[Name, ...] = ()


class Member(NamedTuple):
    """One ready address of a slice, under its name."""

    label: Label
    address: Address
    zone: bytes  # topology zone, lower-cased


class SliceEntry(NamedTuple):
    """An EndpointSlice: the service that it belongs to, its ready addresses, its ports."""

    service: bytes
    members: tuple[Member, ...]
    ports: tuple[Port, ...]


class PodEntry(NamedTuple):
    """A Pod: its namespace's label and its address."""

    namespace: Label
    address: Address


def label(text: str) -> Label:
    """A name of one label in wire form, lower-cased. WireError if it cannot be a label; empty gives b"\\x00"."""
    octets = text.lower().encode()
    if len(octets) > names.MAX_LABEL:
        raise WireError(f"label of {len(octets)} octets: at most 63 are allowed")
    return bytes((len(octets),)) + octets


def service_key(namespace: str, name: str) -> bytes:
    """The key of a service: its name's and its namespace's label, as they stand in a question."""
    return label(name) + label(namespace)


def service_entry(service: Service) -> ServiceEntry:
    """What is kept of a Service. An ExternalName that is an address, or no name at all, answers nothing."""
    spec = service.spec
    ports = tuple(Port(label(p.name or ""), label(p.protocol or "TCP"), p.port) for p in spec.ports or ())
    ports = ports or (Port(b"\0", b"\0", NO_PORT),)
    if spec.type == "ExternalName":
        return ServiceEntry((), (), alias=_alias(spec.external_name or ""))
    given = spec.cluster_ips or [spec.cluster_ip or ""]
    external, external_names = _external(service)
    if "None" in given:
        return ServiceEntry((), ports, True, None, external, external_names)
    return ServiceEntry(_packed(given), ports, False, None, external, external_names)


def slice_entry(slice_: EndpointSlice, *, pod_names: bool) -> SliceEntry | None:
    """What is kept of an EndpointSlice, or None of one that belongs to no service.

    Only ready endpoints count. With `pod_names` an endpoint without hostname has its pod's name, if that can be a
    label; otherwise its address with dashes.
    """
    owner = (slice_.metadata.labels or {}).get(SERVICE_NAME)
    if not owner:
        return None
    ports = tuple(
        Port(label(p.name or ""), label(p.protocol or "TCP"), p.port) for p in slice_.ports or () if p.port is not None
    )
    members = tuple(
        Member(_member_label(endpoint, text, pod_names), packed, (endpoint.zone or "").lower().encode())
        for endpoint in slice_.endpoints or ()
        if endpoint.conditions is None or endpoint.conditions.ready is not False
        for text in endpoint.addresses
        for packed in _packed([text])
    )
    return SliceEntry(service_key(slice_.metadata.namespace, owner), members, ports or (Port(b"\0", b"\0", NO_PORT),))


def pod_entry(pod: Pod) -> PodEntry | None:
    """What is kept of a Pod, or None of one that has no address, has ended, or is being deleted."""
    packed = _packed([pod.status.pod_ip or ""])
    ended = pod.status.phase in ("Succeeded", "Failed", "Unknown")
    if not packed or ended or pod.metadata.deletion_timestamp:
        return None
    return PodEntry(label(pod.metadata.namespace), packed[0])


def _member_label(endpoint: Endpoint, address: str, pod_names: bool) -> Label:
    if endpoint.hostname:
        return label(endpoint.hostname)
    reference = endpoint.target_ref
    if pod_names and reference and reference.name and len(reference.name) <= MAX_POD_NAME:
        return label(reference.name)
    if "." in address:
        return label(address.replace(".", "-"))
    dashed = address.replace(":", "-")
    return label(f"{dashed}0" if dashed.endswith("-") else dashed)


def _packed(texts: list[str]) -> tuple[Address, ...]:
    found = []
    for text in texts:
        try:
            found.append(ip_address(text).packed)
        except ValueError:
            continue
    return tuple(found)


def _alias(text: str) -> Name | None:
    if not text or _packed([text.removesuffix(".")]):
        return None
    try:
        return names.parse(text)
    except WireError:
        return None


def _external(service: Service) -> tuple[tuple[Address, ...], tuple[Name, ...]]:
    balancer = service.status.load_balancer if service.status else None
    ingress = (balancer.ingress if balancer else None) or []
    addresses = [*(service.spec.external_ips or []), *(each.ip for each in ingress if each.ip)]
    aliases = tuple(alias for each in ingress if (alias := _alias(each.hostname or "")))
    return _packed(addresses), aliases
