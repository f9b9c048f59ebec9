"""The outside of a cluster: zones that name the addresses at which its services are reached from elsewhere.

    zone                            SOA and NS
    dns.zone | ns1.dns.zone         where the name server's own names are (`apex`)
    SVC.NS.zone                     a service's externalIPs and what its load balancer has: addresses, or another name
    _PORT._PROTO.SVC.NS.zone        a port of it (the underscores may be missing)
    EP.SVC.NS.zone                  an endpoint of a headless service (`headless`)

Strategy: `Externals` keeps the addresses beside the index, under the same keys, so that a cluster whose outside nobody
serves pays nothing for it. What else a service has (ports, endpoints) is read from the index when it is asked for. An
alias leads to other zones: what they say is looked up by whoever serves these.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kdns.cluster.address import Address, of_reverse, packed
from kdns.cluster.entries import NO_NAME, NO_PORT, Label, Labels, service_key, tail
from kdns.cluster.index import UNCHANGED, Changed, Index, namespace_of
from kdns.cluster.names import SVC, Asked, bare, split
from kdns.cluster.namespaces import Namespaces
from kdns.cluster.objects import Service
from kdns.cluster.publish import Key, fits
from kdns.cluster.zone import SERIAL
from kdns.errors import WireError
from kdns.wire import build, codes, names
from kdns.wire.names import Name, is_below
from kdns.wire.question import Question
from kdns.wire.records import RR

IN_TAIL = 10  # octets of TYPE, CLASS, TTL and RDLENGTH in front of a tail's address
MAX_LABELS = 4  # of a name, in front of the zone

_NS1: Label = b"\x03ns1"
_HOSTMASTER: Label = b"\x0ahostmaster"


class Ingress(NamedTuple):
    """One way in: an address, or where that is empty the name that leads to one."""

    address: Address = b""
    alias: Name = b""


class Externals:
    """The ways into the services that have any, by the service's key, and these keys by address."""

    def __init__(self) -> None:
        self._of: dict[Labels, tuple[Ingress, ...]] = {}
        self._at: dict[Address, set[Labels]] = {}

    def of(self, service: Labels) -> tuple[Ingress, ...]:
        """The ways into a service: externalIPs first, then the load balancer's."""
        return self._of.get(service, ())

    def at(self, address: Address) -> list[Labels]:
        """The keys of the services that have this address, sorted."""
        return sorted(self._at.get(address, ()))

    def put(self, service: Service) -> Changed:
        """A Service is new or differs; the keys of what may be answered differently now. WireError: see `label`."""
        return self._replace(service_key(service.metadata.namespace, service.metadata.name), _ingresses(service))

    def delete(self, namespace: str, name: str) -> Changed:
        """A Service is gone; the keys of what may be answered differently now."""
        return self._replace(service_key(namespace, name), ())

    def restore(self, service: Labels, ways: tuple[Ingress, ...]) -> Changed:
        """The ways into a service are known again."""
        return self._replace(service, ways)

    def _replace(self, key: Labels, entry: tuple[Ingress, ...]) -> Changed:
        before = self._of.pop(key, ())
        if entry:
            self._of[key] = entry
        if entry == before:
            return UNCHANGED
        old, new = ({way.address for way in ways if way.address} for ways in (before, entry))
        for address in old - new:
            self._at[address].remove(key)
            if not self._at[address]:
                del self._at[address]
        for address in new - old:
            self._at.setdefault(address, set()).add(key)
        return (key, *map(key_at, old ^ new))


class Outside(NamedTuple):
    """What is to be known of a cluster to serve its outside. `local` tells this server's own addresses."""

    services: Index
    namespaces: Namespaces
    externals: Externals
    local: Callable[[], tuple[Address, ...]]


class Host(NamedTuple):
    """One way in at one port: `target` is its name for SRV, without the zone; `port` may be NO_PORT."""

    target: Labels
    way: Ingress
    port: int


class Found(NamedTuple):
    """What a name has, and the index keys that this depends on. Without hosts it is there, or `missing`."""

    keys: tuple[Key, ...]
    hosts: tuple[Host, ...] = ()
    missing: bool = False


class Answer(NamedTuple):
    """The answer and additional sections; both empty are NODATA, or NXDOMAIN if the name is `missing`.

    `keys` are the index keys that this depends on, None if on something else as well. `lookups` are questions whose
    answers belong to it, behind the answer section's aliases or, for SRV, to the additional section. What is under the
    zone's `own` names is never another plugin's.
    """

    answer: tuple[RR, ...] = ()
    additional: tuple[RR, ...] = ()
    keys: tuple[Key, ...] | None = ()
    missing: bool = False
    lookups: tuple[tuple[Name, int], ...] = ()
    own: bool = False


class ExternalZones(NamedTuple):
    """The zones, lower-cased. `apex` are the labels above the name server's; `ttl` is in seconds.

    As in CoreDNS aliases and SRV records have the cluster zone's TTL, and all others this one.
    """

    cluster: Outside
    zones: tuple[Name, ...]
    apex: Labels = b"\x03dns"
    ttl: int = 5
    headless: bool = False

    def holding(self, key: Name) -> tuple[Name, list[Label]] | None:
        """The longest zone that a key is in, and the key's labels in front of it."""
        places = [(zone, labels) for zone in self.zones if (labels := split(key, zone)) is not None]
        return min(places, key=lambda place: len(place[1]), default=None)

    def answer(self, asked: Question, zone: Name, labels: list[Label]) -> Answer:
        """What a question about a name in a zone is answered; `labels` are those in front of the zone."""
        if not labels:
            return self._at_apex(asked, zone)
        if any(is_below(asked.key, self.apex.lower() + each) for each in self.zones):
            return self._below_apex(asked, labels)
        address = of_reverse(asked.key) if asked.qtype == codes.PTR else None
        if address is not None:
            return self._pointers(asked, address)
        has = self.find(labels)
        if asked.qtype in (codes.A, codes.AAAA):
            return self._addresses(asked, has)
        return self._services(asked, zone, has) if asked.qtype == codes.SRV else Answer((), (), has.keys, has.missing)

    def soa(self, zone: Name) -> RR:
        """The SOA of a zone. Its serial is the cluster's: every change of the outside is one of the cluster."""
        mname, rname = _NS1 + self.apex + zone, _HOSTMASTER + self.apex + zone
        return build.soa(zone, self.ttl, mname, rname, self.cluster.services.serial, minimum=self.ttl)

    def find(self, labels: list[Label]) -> Found:
        """What a name has, by its labels in front of the zone: at least one."""
        *front, namespace = labels
        if namespace not in self.cluster.namespaces.exposed or len(labels) > MAX_LABELS:
            return Found((namespace,), missing=True)
        if not front:
            return Found((namespace,))
        *above, name = front
        parts = [bare(label) for label in above]
        endpoint = parts[0] if len(parts) == 1 else b""
        port, protocol = parts if len(parts) == 2 else (NO_NAME, NO_NAME)
        hosts = tuple(self._hosts(Asked(SVC, namespace, name, endpoint, port, protocol)))
        return Found((name + namespace, namespace), hosts, missing=not hosts)

    def servers(self) -> tuple[Address, ...]:
        """This server's addresses outside: of the services that front it, or its own if there is none."""
        local, services = self.cluster.local(), self.cluster.services
        mine = [each for address in local for each in services.slices_at(tail(address, services.form.ttl))]
        if not mine:
            return local
        found: dict[Address, None] = {}
        for each in mine:
            entry = services.entry(each.service)
            if entry is not None and entry.headless and self.headless:
                found.update(dict.fromkeys(record[IN_TAIL:] for record in each.tails))
            elif entry is not None:
                found.update(dict.fromkeys(way.address for way in self.cluster.externals.of(each.service)))
        return tuple(address for address in found if address)

    def _hosts(self, asked: Asked) -> Iterable[Host]:
        """The ways in at the ports that fit; in front of a service that has any, an endpoint's name does not matter."""
        key = asked.name + asked.namespace
        services = self.cluster.services
        entry = services.entry(key)
        if entry is None:
            return ()
        ways = self.cluster.externals.of(key)
        if self.headless and not ways and (entry.headless or asked.endpoint):
            members = services.hosts(asked)
            return [Host(each.target.removesuffix(SVC), Ingress(each.tail[IN_TAIL:]), each.port) for each in members]
        return [Host(key, way, port.number) for way in ways for port in entry.ports if fits(asked, port)]

    def _at_apex(self, asked: Question, zone: Name) -> Answer:
        if asked.qtype == codes.SOA:
            return Answer((self.soa(zone),), (), (SERIAL,), own=True)
        if asked.qtype != codes.NS:
            return Answer(own=True)
        record = build.to_name(zone, codes.NS, self.ttl, _NS1 + self.apex + zone)
        owner = _NS1 + self.apex + asked.qname
        return Answer((record,), self._records(owner, self.servers()), None, own=True)

    def _below_apex(self, asked: Question, labels: list[Label]) -> Answer:
        if len(labels) == 1:
            return Answer(own=True)
        if len(labels) > 2 or labels[0] != _NS1:
            return Answer(missing=True, own=True)
        return Answer(self._records(asked.qname, _of_type(asked.qtype, self.servers())), (), None, own=True)

    def _addresses(self, asked: Question, has: Found) -> Answer:
        addresses = _of_type(asked.qtype, (host.way.address for host in has.hosts))
        targets = dict.fromkeys(host.way.alias for host in has.hosts if host.way.alias)
        aliases = [self._alias(asked.qname, target) for target in targets]
        records = (*self._records(asked.qname, addresses), *aliases)
        return Answer(records, (), has.keys, has.missing, tuple((target, asked.qtype) for target in targets))

    def _services(self, asked: Question, zone: Name, has: Found) -> Answer:
        """Every host counts for the weight, also those without a port, which give no record."""
        weight = max(1, 100 // max(1, len(has.hosts)))
        hosts = [host for host in has.hosts if host.port != NO_PORT]
        targets = dict.fromkeys((host.way.alias or host.target + zone, host.port) for host in hosts)
        ttl = self.cluster.services.form.ttl
        records = tuple(build.srv(asked.qname, ttl, weight, port, target) for target, port in targets)
        glue = dict.fromkeys((host.target, host.way.address) for host in hosts if host.way.address)
        additional = tuple(build.address(target + zone, self.ttl, address) for target, address in glue)
        aliases = dict.fromkeys(host.way.alias for host in hosts if host.way.alias)
        lookups = tuple((alias, kind) for alias in aliases for kind in (codes.A, codes.AAAA))
        return Answer(records, additional, has.keys, has.missing, lookups)

    def _pointers(self, asked: Question, address: Address) -> Answer:
        keys = [key_at(address)]
        found = self.cluster.externals.at(address)
        if self.cluster.namespaces.limited:
            keys += map(namespace_of, found)
            found = [service for service in found if namespace_of(service) in self.cluster.namespaces.exposed]
        first = self.zones[0]
        records = tuple(build.to_name(asked.qname, codes.PTR, self.ttl, service + first) for service in found)
        return Answer(records, (), tuple(keys), missing=not records)

    def _records(self, owner: Name, addresses: Iterable[Address]) -> tuple[RR, ...]:
        return tuple(build.address(owner, self.ttl, address) for address in addresses)

    def _alias(self, owner: Name, target: Name) -> RR:
        return build.to_name(owner, codes.CNAME, self.cluster.services.form.ttl, target)


def key_at(address: Address) -> Key:
    """The index key of an address outside: what is told of it under its reverse name."""
    return b"\0" + address


def _of_type(qtype: int, addresses: Iterable[Address]) -> list[Address]:
    """The addresses that records of a type hold, each once; none for other types than A and AAAA."""
    size = {codes.A: 4, codes.AAAA: 16}.get(qtype)
    return [address for address in dict.fromkeys(addresses) if len(address) == size]


def _ingresses(service: Service) -> tuple[Ingress, ...]:
    texts = list(service.spec.external_ips or ()) if service.spec else []
    balancer = service.status.load_balancer if service.status else None
    texts += [each.ip or each.hostname or "" for each in (balancer.ingress if balancer else None) or ()]
    return tuple(filter(any, map(_ingress, texts)))


def _ingress(text: str) -> Ingress:
    """A way in by its address or host name; an empty one of what is neither."""
    address = packed(text)
    if address is not None:
        return Ingress(address)
    try:
        return Ingress(alias=names.parse(text)) if text else Ingress()
    except WireError:
        return Ingress()
