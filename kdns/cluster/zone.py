"""The zones of a cluster: questions about them answered, type by type.

Every type asks the same thing of the index, what a name has, and makes its records of it; what is special is the apex,
`ns.dns`, `dns-version` and reverse names. Owners in an answer are the question's name as it was sent, and the zone part
of every other name is in the question's case too. What plugins do with a reply is not known here.
"""

from collections.abc import Callable
from typing import NamedTuple

from kdns.cluster import names
from kdns.cluster.address import IN_ADDR, IP6, Address, is_reverse, of_reverse, packed, undashed
from kdns.cluster.entries import Label, Labels, Tail, tail
from kdns.cluster.index import Index, namespace_of
from kdns.cluster.names import APEX, POD, SVC, Asked, Grammar
from kdns.cluster.namespaces import Namespaces
from kdns.cluster.pods import Pods, key_of
from kdns.cluster.publish import Found, Host, Key, found, srv_records
from kdns.wire import build, codes
from kdns.wire.names import Name, is_below
from kdns.wire.question import Question
from kdns.wire.records import RR

DISABLED, INSECURE, VERIFIED = "disabled", "insecure", "verified"

MAX_NEGATIVE_TTL = 300  # seconds, of the SOA
MAX_ALIASES = 10  # CNAME records in front of the last, as CoreDNS counts them: so does a ring of them end
SCHEMA_VERSION, SCHEMA_TTL = b"1.1.0", 28_800  # of the specification (section 2.2); seconds
SERIAL: Key = b"\0serial"  # the key of an SOA's serial: it changes whenever any other does

_NS_DNS = [b"\x02ns", b"\x03dns"]
_DNS_VERSION = [b"\x0bdns-version"]
_HOSTMASTER = b"\x0ahostmaster"
_MISSING = Found(missing=True)


class Zone(NamedTuple):
    """One zone, lower-cased, with the services that it has and the names that its grammar knows."""

    name: Name
    services: Index
    grammar: Grammar = Grammar()


class Answer(NamedTuple):
    """The answer and additional sections; both empty are NODATA, or NXDOMAIN if the name is `missing`.

    `keys` are as in `Found`. `elsewhere` is the target of the answer's last CNAME where it is in another zone: what
    that has belongs to the answer too.
    """

    answer: tuple[RR, ...] = ()
    additional: tuple[RR, ...] = ()
    keys: tuple[Key, ...] | None = ()
    missing: bool = False
    elsewhere: Name | None = None


class ClusterZones(NamedTuple):
    """What a cluster publishes, in which zones. `local` tells this server's own addresses, `ttl` is in seconds."""

    zones: tuple[Zone, ...]
    services: Index
    namespaces: Namespaces
    pods: Pods
    local: Callable[[], tuple[Address, ...]]
    pod_mode: str = DISABLED
    ttl: int = 5

    @property
    def primary(self) -> Name:
        """The zone that reverse names point into: the first that is none of reverse names."""
        return next(zone.name for zone in self.zones if not is_reverse(zone.name))

    def holding(self, key: Name) -> tuple[Zone, list[Label]] | None:
        """The longest zone that a key is in, and the key's labels in front of it."""
        best = None
        for zone in self.zones:
            if not key.endswith(zone.name):
                continue
            labels = names.split(key, zone.name)
            if labels is not None and (best is None or len(labels) < len(best[1])):
                best = zone, labels
        return best

    def answer(self, asked: Question, zone: Zone, labels: list[Label]) -> Answer:
        """What a question about a name in a zone is answered; `labels` are those in front of the zone."""
        if asked.qtype in (codes.A, codes.AAAA):
            return self._addresses(asked, zone, labels)
        special = _BY_TYPE.get(asked.qtype)
        if special is not None:
            return special(self, asked, zone, labels)
        return _nothing(self.find(zone, labels))

    def soa(self, zone: Zone, sent: Name) -> RR:
        """The SOA of a zone; `sent` is its name in the question's case."""
        mname, rname = b"".join((*_NS_DNS, sent)), _HOSTMASTER + sent
        return build.soa(sent, min(self.ttl, MAX_NEGATIVE_TTL), mname, rname, zone.services.serial, minimum=self.ttl)

    def find(self, zone: Zone, labels: list[Label]) -> Found:
        """What a name has, by its labels in front of the zone."""
        if labels == _NS_DNS:
            servers = self.servers()
            return found(None, (host.tail for host in servers))
        return self._find(zone, names.read(labels, zone.grammar))

    def servers(self) -> tuple[Host, ...]:
        """This server under its names: those of the services that have an endpoint at one of its addresses.

        A headless service has its endpoints' names, any other its own with its cluster IPs. Without such a service it
        is `ns.dns` with the local addresses.
        """
        local = [tail(address, self.ttl) for address in self.local()]
        mine = [each for address in local for each in self.services.slices_at(address)]
        if not mine:
            return tuple(Host(b"".join(_NS_DNS), address) for address in local)
        return tuple(host for each in mine for host in self._fronting(each.service, each.names, each.tails))

    def _fronting(self, service: Labels, labels: tuple[Labels, ...], tails: tuple[Tail, ...]) -> list[Host]:
        entry = self.services.entry(service)
        if entry is None:
            return []
        if entry.headless:
            return [Host(name + service + SVC, each) for name, each in zip(labels, tails, strict=True)]
        return [Host(service + SVC, each) for each in entry.tails]

    def _find(self, zone: Zone, asked: Asked | None) -> Found:
        if asked is None:
            return _MISSING
        if asked is APEX:
            return Found()
        if zone.name.endswith((IN_ADDR, IP6)):  # no services under reverse zones, though their names may parse
            return _MISSING
        namespace = asked.namespace
        if namespace not in self.namespaces.exposed:
            return Found((namespace,), missing=True)
        if asked.branch == POD:
            return self._pod(asked)
        return zone.services.find(asked) if asked.name else Found((namespace,))

    def _pod(self, asked: Asked) -> Found:
        keys: tuple[Key, ...] = (asked.namespace,)
        if self.pod_mode == DISABLED:
            return Found(keys, missing=True)
        if not asked.name:
            return Found(keys)
        text = undashed(asked.name[1:])
        if self.pod_mode == VERIFIED:
            keys = asked.namespace, key_of(text)
        address = packed(text) if self._pods_at(asked, text) else None
        return Found(keys, missing=True) if address is None else found(keys, (tail(address, self.ttl),))

    def _pods_at(self, asked: Asked, text: str) -> int:
        return self.pods.count(asked.namespace, text) if self.pod_mode == VERIFIED else 1

    def _addresses(self, asked: Question, zone: Zone, labels: list[Label]) -> Answer:
        has = self.find(zone, labels)
        if has.alias is not None:
            return self._through(asked, zone, has)
        qname = asked.qname
        tails = has.a if asked.qtype == codes.A else has.aaaa
        return Answer(tuple([qname + each for each in tails]), (), has.keys, has.missing)

    def _through(self, asked: Question, zone: Zone, has: Found) -> Answer:
        """The addresses behind an ExternalName service: its alias, those that follow in this zone, and their end."""
        chain: list[RR] = []
        owner, keys = asked.qname, has.keys
        while (target := has.alias) is not None:
            if is_below(target.lower(), owner.lower()) or len(chain) > MAX_ALIASES:
                return Answer(keys=keys)
            chain.append(build.to_name(owner, codes.CNAME, self.ttl, target))
            labels = names.split(target.lower(), zone.name)
            if labels is None:
                return Answer(tuple(chain), (), keys, elsewhere=target)
            owner, has = target, self.find(zone, labels)
            keys = None if keys is None or has.keys is None else keys + has.keys
        tails = has.a if asked.qtype == codes.A else has.aaaa
        return Answer((*chain, *[owner + each for each in tails]) if tails else (), (), keys)

    def _alias(self, asked: Question, zone: Zone, labels: list[Label]) -> Answer:
        has = self.find(zone, labels)
        if has.alias is None:
            return _nothing(has)
        return Answer((build.to_name(asked.qname, codes.CNAME, self.ttl, has.alias),), (), has.keys)

    def _services(self, asked: Question, zone: Zone, labels: list[Label]) -> Answer:
        wanted = names.read(labels, zone.grammar)
        if labels == _NS_DNS or wanted is None:
            return _nothing(self.find(zone, labels))
        has = self._find(zone, wanted)
        if not has.owns:
            return _nothing(has)
        hosts = self._pod_hosts(wanted, has) if wanted.branch == POD else zone.services.hosts(wanted)
        records, additional = srv_records(asked.qname, _sent(asked, zone), self.ttl, hosts)
        return Answer(records, additional, has.keys)

    def _pod_hosts(self, wanted: Asked, has: Found) -> tuple[Host, ...]:
        (each,) = has.a or has.aaaa
        host = Host(wanted.name + wanted.namespace + POD, each)
        return (host,) * self._pods_at(wanted, undashed(wanted.name[1:]))

    def _pointers(self, asked: Question, zone: Zone, labels: list[Label]) -> Answer:
        address = of_reverse(asked.key)
        if address is None:
            return _nothing(self._find(zone, names.read(labels, zone.grammar)))
        at = tail(address, self.ttl)
        keys: list[Key] = [at]
        service = next((key for key in self.services.services_at(at) if self._shows(key, keys)), None)
        targets = (
            [service + SVC]
            if service is not None
            else [
                name + each.service + SVC
                for each in self.services.slices_at(at)
                if self._shows(each.service, keys)
                for name, other in zip(each.names, each.tails, strict=True)
                if other == at
            ]
        )
        primary = self.primary
        records = [
            build.to_name(asked.qname, codes.PTR, self.ttl, target + primary) for target in dict.fromkeys(targets)
        ]
        return Answer(tuple(records), (), tuple(keys), missing=not records)

    def _shows(self, service: Labels, keys: list[Key]) -> bool:
        """Whether reverse names may tell of a service; only a list of `namespaces` forbids it, and adds to the keys."""
        if not self.namespaces.limited:
            return True
        namespace = namespace_of(service)
        keys.append(namespace)
        return namespace in self.namespaces.exposed

    def _text(self, asked: Question, zone: Zone, labels: list[Label]) -> Answer:
        if labels == _DNS_VERSION:
            return Answer((build.txt(asked.qname, SCHEMA_TTL, SCHEMA_VERSION),))
        wanted = names.read(labels, zone.grammar)
        has = self._find(zone, wanted)
        exists = has.owns or (wanted is not None and bool(wanted.topology) and not has.missing)
        return Answer(keys=has.keys, missing=not exists)  # branches and namespaces are missing, as CoreDNS has it

    def _authority(self, asked: Question, zone: Zone, labels: list[Label]) -> Answer:
        """The SOA. Below the apex any name gives NODATA, there or not, as CoreDNS has it."""
        return Answer() if labels else Answer((self.soa(zone, asked.qname),), (), (SERIAL,))

    def _name_servers(self, asked: Question, zone: Zone, labels: list[Label]) -> Answer:
        if labels:
            return _nothing(self.find(zone, labels))
        sent = _sent(asked, zone)
        servers = self.servers()
        targets = dict.fromkeys(host.target for host in servers)
        records = tuple(build.to_name(asked.qname, codes.NS, self.ttl, target + sent) for target in targets)
        return Answer(records, tuple(host.target + sent + host.tail for host in servers), None)


_BY_TYPE: dict[int, Callable[[ClusterZones, Question, Zone, list[Label]], Answer]] = {
    codes.CNAME: ClusterZones._alias,
    codes.SRV: ClusterZones._services,
    codes.PTR: ClusterZones._pointers,
    codes.TXT: ClusterZones._text,
    codes.SOA: ClusterZones._authority,
    codes.NS: ClusterZones._name_servers,
}


def _nothing(has: Found) -> Answer:
    return Answer(keys=has.keys, missing=has.missing)


def _sent(asked: Question, zone: Zone) -> Name:
    return asked.qname[len(asked.qname) - len(zone.name) :]
