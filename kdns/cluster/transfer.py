"""A cluster's zone as a whole, for AXFR: the records that its names have, in CoreDNS's order (RFC 5936 section 2.2).

SOA, name servers, services by name, SOA. As in CoreDNS the weight of SRV records is by slice here, the glue has TTL 0,
pods are left out, and endpoints of a clusterset go without their cluster's label.
"""

from collections.abc import Iterator

from kdns.cluster.entries import NO_NAME, NO_PORT, Label, Labels, Port, SliceEntry
from kdns.cluster.index import Index, namespace_of
from kdns.cluster.names import SVC
from kdns.cluster.zone import ClusterZones, Zone
from kdns.wire import build, codes, records
from kdns.wire.names import Name
from kdns.wire.records import RR

WEIGHT = 100  # of the only target of an SRV record


def transfer(cluster: ClusterZones, zone: Zone) -> Iterator[RR]:
    """Every record of a zone, the SOA first and last."""
    soa = cluster.soa(zone, zone.name)
    yield soa
    servers = cluster.servers()
    for target in dict.fromkeys(host.target for host in servers):
        yield build.to_name(zone.name, codes.NS, cluster.ttl, target + zone.name)
    for host in servers:
        yield records.with_ttl(host.target + zone.name + host.tail, 0)
    for service in zone.services.services():
        if namespace_of(service) in cluster.namespaces.exposed:
            yield from _service(zone.services, service, service + SVC + zone.name, clusterset=zone.grammar.clusterset)
    yield soa


def _service(index: Index, service: Labels, owner: Name, *, clusterset: bool) -> Iterator[RR]:
    entry, ttl = index.entry(service), index.form.ttl
    if entry is None:
        return
    if entry.alias is not None:
        yield build.to_name(owner, codes.CNAME, ttl, entry.alias)
    elif entry.tails:
        yield from (owner + tail for tail in entry.tails)
        for port in entry.ports:
            if port.number != NO_PORT:
                yield build.srv(owner, ttl, WEIGHT, port.number, owner)
            yield from _named(port, owner, ttl, WEIGHT, owner)
    elif not entry.external:
        for each in index.slices_of(service):
            yield from _slice(each, owner, ttl, clusterset=clusterset)


def _slice(entry: SliceEntry, owner: Name, ttl: int, *, clusterset: bool) -> Iterator[RR]:
    weight = max(1, WEIGHT // len(entry.tails)) if entry.tails else 0
    for name, tail in zip(entry.names, entry.tails, strict=True):
        target = (name[: 1 + name[0]] if clusterset else name) + owner
        yield owner + tail
        yield target + tail
        for port in entry.ports:
            yield from _named(port, owner, ttl, weight, target)


def _named(port: Port, owner: Name, ttl: int, weight: int, target: Name) -> Iterator[RR]:
    if port.name != NO_NAME and port.number != NO_PORT:
        yield build.srv(_marked(port.name) + _marked(port.protocol) + owner, ttl, weight, port.number, target)


def _marked(label: Label) -> Label:
    return bytes((len(label),)) + b"_" + label[1:]
