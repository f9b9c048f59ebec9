"""The outside of a cluster as a whole, for AXFR: what each of its names is answered (RFC 5936 section 2.2).

SOA, name server, services by name with their ports and, where headless services are served, their endpoints; SOA.
Unlike CoreDNS's, which repeats addresses once a port and tells only the first port of a name, it is the zone that
questions show, each record once. Reverse names are left out, as there.
"""

from collections.abc import Iterator

from kdns.cluster.entries import NO_NAME, NO_PORT, Labels
from kdns.cluster.external import ExternalZones
from kdns.cluster.index import namespace_of
from kdns.cluster.names import split
from kdns.wire import codes
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR

_ALL = (codes.A, codes.AAAA, codes.SRV)


def transfer(zones: ExternalZones, zone: Name) -> Iterator[RR]:
    """Every record of a zone, the SOA first and last."""
    soa = zones.soa(zone)
    yield soa
    yield from dict.fromkeys(_records(zones, zone))
    yield soa


def _records(zones: ExternalZones, zone: Name) -> Iterator[RR]:
    apex = zones.answer(_question(zone, codes.NS), zone, [])
    yield from (*apex.answer, *apex.additional)
    for service in zones.cluster.services.services():
        if namespace_of(service) in zones.cluster.namespaces.exposed:
            yield from _service(zones, zone, service)


def _service(zones: ExternalZones, zone: Name, service: Labels) -> Iterator[RR]:
    yield from _of_name(zones, zone, service + zone, _ALL)
    for front in dict.fromkeys(_ports(zones, service)):
        yield from _of_name(zones, zone, front + service + zone, (codes.SRV,))
    entry = zones.cluster.services.entry(service)
    if zones.headless and entry is not None and entry.headless and not zones.cluster.externals.of(service):
        for endpoint in dict.fromkeys(
            name for each in zones.cluster.services.slices_of(service) for name in each.names
        ):
            yield from _of_name(zones, zone, endpoint + service + zone, _ALL)


def _ports(zones: ExternalZones, service: Labels) -> Iterator[Labels]:
    """The labels of a service's named ports, those of its endpoints included."""
    entry = zones.cluster.services.entry(service)
    ports = [
        *(entry.ports if entry else ()),
        *(p for each in zones.cluster.services.slices_of(service) for p in each.ports),
    ]
    for port in ports:
        if port.name != NO_NAME and port.number != NO_PORT:
            yield b"".join(bytes((len(label),)) + b"_" + label[1:] for label in (port.name, port.protocol))


def _of_name(zones: ExternalZones, zone: Name, owner: Name, kinds: tuple[int, ...]) -> Iterator[RR]:
    labels = split(owner, zone)
    if labels:
        for kind in kinds:
            yield from zones.answer(_question(owner, kind), zone, labels).answer


def _question(owner: Name, kind: int) -> Question:
    return Question(0, 0, owner, owner, kind, codes.IN)
