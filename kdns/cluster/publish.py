"""What is answered: the records of Kubernetes' DNS specification 1.1.0, with CoreDNS's behaviour to the record.

Strategy: a question is turned to a list of hosts - (target, address, port), one for each address and matching port -
and each record type is a short function of that list. Nothing found is told from nothing of this type: `missing` is
NXDOMAIN, an empty list NODATA.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from kdns.cluster.entries import NO_PORT, Address, Label, Member, Port, ServiceEntry, SliceEntry
from kdns.cluster.index import Index, Key, address_key
from kdns.cluster.names import ANY, POD, SVC, Asked, dashed_address
from kdns.wire import build, codes
from kdns.wire.names import Name
from kdns.wire.records import RR

DISABLED, INSECURE, VERIFIED = "disabled", "insecure", "verified"

NS_DNS = b"\x02ns\x03dns"  # the name of the server where no service fronts it
SCHEMA_VERSION = b"1.1.0"  # of the specification: the text of dns-version
SCHEMA_TTL = 28_800  # seconds


class Rules(NamedTuple):
    """How a cluster is published. `namespaces` are labels, none for all; `ttl` in seconds."""

    ttl: int = 5
    pods: str = DISABLED
    namespaces: frozenset[Label] = frozenset()
    ignore_empty: bool = False


class Host(NamedTuple):
    """One address: `target` is the name that SRV records point at, without the zone; `port` may be NO_PORT."""

    target: bytes
    address: Address
    port: int = NO_PORT


class Found(NamedTuple):
    """What a name stands for: hosts, or another name, or nothing. `keys` are the index keys that it depends on."""

    keys: tuple[Key, ...] = ()
    hosts: tuple[Host, ...] = ()
    alias: Name | None = None
    missing: bool = False


def find(index: Index, rules: Rules, asked: Asked | None) -> Found:
    """What a name stands for; `asked` is None for a name outside the grammar."""
    if asked is None:
        return Found(missing=True)
    if not asked.branch:
        return Found()
    if asked.branch == POD:
        return _pod(index, rules, asked)
    if not exposed(index, rules, asked.namespace):
        return Found((asked.namespace,), missing=True)
    if not asked.name:
        return Found((asked.namespace,))
    return _service(index, rules, asked)._replace(keys=(asked.service, asked.namespace))


def exposed(index: Index, rules: Rules, namespace: Label) -> bool:
    """Whether names of a namespace exist."""
    return namespace in index.namespaces and (not rules.namespaces or namespace in rules.namespaces)


def pod(index: Index, rules: Rules, namespace: Label, address: Address | None) -> Found:
    """The pod with this address, as far as the mode believes in it."""
    keys = (namespace,) if address is None else (namespace, address_key(address))
    known = address is not None and exposed(index, rules, namespace)
    if not known or address is None or rules.pods == DISABLED:
        return Found(keys, missing=True)
    if rules.pods == VERIFIED and not index.has_pod(namespace, address):
        return Found(keys, missing=True)
    return Found(keys, (Host(b"", address),))


def reverse(index: Index, rules: Rules, address: Address) -> Found:
    """Whose address it is: the service, or else every endpoint; the hosts' targets are the names."""
    keys = (address_key(address),)
    allowed = [key for key in index.services_at(address) if _allows(rules, key)]
    if allowed:
        return Found(keys, (Host(allowed[0] + SVC, address),))
    names = {
        member.label + service + SVC: None
        for service in index.endpoints_at(address)
        if _allows(rules, service)
        for member in index.members(service)
        if member.address == address
    }
    return Found(keys, tuple(Host(name, address) for name in names), missing=not names)


def name_servers(index: Index, local: Iterable[Address]) -> tuple[Host, ...]:
    """The names under which this server itself is found: of the services with an endpoint at a local address.

    A headless service has the endpoint's name, any other its own with its cluster IPs. Without such a service it is
    `ns.dns` with the local addresses.
    """
    mine = [(address, key) for address in local for key in index.endpoints_at(address)]
    found = [host for _, key in mine for host in _fronting(index, key)]
    return tuple(dict.fromkeys(found)) if mine else tuple(Host(NS_DNS, address) for address in local)


def address_records(qname: Name, qtype: int, ttl: int, hosts: Iterable[Host]) -> tuple[RR, ...]:
    """A or AAAA records of the hosts, each address once."""
    size = 4 if qtype == codes.A else 16
    unique = dict.fromkeys(host.address for host in hosts if len(host.address) == size)
    return tuple(build.address(qname, ttl, address) for address in unique)


def srv_records(qname: Name, zone: Name, ttl: int, hosts: tuple[Host, ...]) -> tuple[tuple[RR, ...], tuple[RR, ...]]:
    """SRV records and, for the additional section, the addresses of their targets; both without repetitions.

    Every host counts for the weight, CoreDNS's floor(100/n), also those that give no record of their own.
    """
    weight = max(1, 100 // len(hosts)) if hosts else 1
    targets: dict[tuple[bytes, int], None] = {}
    addresses: dict[tuple[bytes, Address], None] = {}
    for host in hosts:
        if host.port != NO_PORT:
            targets[host.target, host.port] = None
            addresses[host.target, host.address] = None
    records = tuple(build.srv(qname, ttl, weight, port, target + zone) for target, port in targets)
    return records, tuple(build.address(target + zone, ttl, address) for target, address in addresses)


def pointer_records(qname: Name, zone: Name, ttl: int, hosts: Iterable[Host]) -> tuple[RR, ...]:
    """PTR records to the hosts' targets in the primary zone."""
    return tuple(build.to_name(qname, codes.PTR, ttl, host.target + zone) for host in hosts)


def _fronting(index: Index, service: bytes) -> Iterator[Host]:
    entry = index.services.get(service)
    if entry is None:
        return
    if entry.headless:
        yield from (Host(member.label + service + SVC, member.address) for member in index.members(service))
    else:
        yield from (Host(service + SVC, address) for address in entry.addresses)


def _pod(index: Index, rules: Rules, asked: Asked) -> Found:
    if rules.pods != DISABLED and not asked.name and exposed(index, rules, asked.namespace):
        return Found((asked.namespace,))
    return pod(index, rules, asked.namespace, dashed_address(asked.name) if asked.name else None)


def _service(index: Index, rules: Rules, asked: Asked) -> Found:
    entry = index.services.get(asked.service)
    if entry is None:
        return Found(missing=True)
    if entry.alias is not None:
        whole = not (asked.endpoint or asked.is_port or asked.topology)
        return Found(alias=entry.alias) if whole else Found(missing=True)
    if asked.topology:
        return _zonal(index, entry, asked)
    if entry.headless or asked.endpoint:
        hosts = tuple(_endpoints(index.slices(asked.service), asked, lambda member: True))
        return Found(hosts=hosts, missing=not hosts)
    if rules.ignore_empty and not any(True for _ in index.members(asked.service)):
        return Found(missing=True)
    ports = [port for port in entry.ports if _matches(asked, port)]
    hosts = tuple(Host(asked.service + SVC, address, port.number) for port in ports for address in entry.addresses)
    return Found(hosts=hosts, missing=not ports)


def _zonal(index: Index, entry: ServiceEntry, asked: Asked) -> Found:
    slices = index.slices(asked.service)
    everywhere = tuple(_endpoints(slices, asked, lambda member: True))
    if not entry.headless or not everywhere:
        return Found(missing=True)
    there = tuple(_endpoints(slices, asked, lambda member: member.zone == asked.topology))
    return Found(hosts=there if there or asked.pin else everywhere)


def _endpoints(slices: Iterable[SliceEntry], asked: Asked, chosen: Callable[[Member], bool]) -> Iterator[Host]:
    for entry in slices:
        ports = [port for port in entry.ports if _matches(asked, port)]
        for member in entry.members if ports else ():
            if asked.endpoint in (b"", member.label) and chosen(member):
                target = member.label + asked.service + SVC
                yield from (Host(target, member.address, port.number) for port in ports)


def _matches(asked: Asked, port: Port) -> bool:
    return asked.port in (ANY, port.name) and asked.protocol in (ANY, port.protocol)


def _allows(rules: Rules, service: bytes) -> bool:
    return not rules.namespaces or service[1 + service[0] :] in rules.namespaces
