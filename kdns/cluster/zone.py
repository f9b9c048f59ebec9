"""The zones of a cluster: which of them holds a name, what the name stands for, and its records of a type.

What plugins do with a reply is not known here: `find` and `records` are functions of the index, the rules and the
question.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kdns.cluster import names as cluster_names
from kdns.cluster import publish
from kdns.cluster.entries import Address
from kdns.cluster.index import Index
from kdns.cluster.publish import Found, Host, Rules
from kdns.wire import build, codes, names
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR

MAX_NEGATIVE_TTL = 300  # seconds, of the SOA of an empty answer
ADDRESSES = (codes.A, codes.AAAA)
_DNS_VERSION, _HOSTMASTER = b"\x0bdns-version", b"\x0ahostmaster"

NOTHING: tuple[RR, ...] = ()


@dataclass(frozen=True)
class ClusterZones:
    """What a `kubernetes` directive publishes. `local` tells this server's own addresses."""

    zones: tuple[Name, ...]
    index: Index
    rules: Rules
    local: Callable[[], tuple[Address, ...]]
    dotted: bool = False  # whether 10.244.0.1.NS.pod is a name too
    zonal: bool = False

    @property
    def primary(self) -> Name:
        """The zone that reverse names point into."""
        return next(zone for zone in self.zones if not cluster_names.is_reverse(zone))

    def holding(self, key: Name) -> Name | None:
        """The longest zone that a key is in."""
        return max((zone for zone in self.zones if names.is_below(key, zone)), key=len, default=None)

    def find(self, key: Name, zone: Name, qtype: int) -> Found:
        """What a name stands for, as far as a question of this type may know."""
        if qtype == codes.PTR and (address := cluster_names.reverse_address(key)) is not None:
            return publish.reverse(self.index, self.rules, address)
        inner = key[: len(key) - len(zone)]
        if inner == (_DNS_VERSION if qtype == codes.TXT else b""):
            return Found()
        if inner == publish.NS_DNS and qtype not in (codes.TXT, codes.PTR):
            return Found(hosts=tuple(Host(inner, address) for address in self.local()))
        if self.dotted and (spelled := cluster_names.dotted_pod(key, zone)) is not None:
            address, namespace = spelled
            return publish.pod(self.index, self.rules, namespace, address)
        asked = cluster_names.read(key, zone, zonal=self.zonal)
        if asked is not None and asked.branch and cluster_names.is_reverse(zone):
            return Found(missing=True)
        found = publish.find(self.index, self.rules, asked)
        if qtype == codes.TXT and not found.hosts and found.alias is None and not (asked and asked.topology):
            return found._replace(missing=True)  # as CoreDNS has it: branches and namespaces are not there for TXT
        return found

    def records(self, asked: Question, zone: Name, found: Found) -> tuple[tuple[RR, ...], tuple[RR, ...]]:
        """The answer and additional sections of what was found; both empty for NODATA.

        Owners are the question's name as it was sent, and so is the zone part of names that are made.
        """
        sent = asked.qname[len(asked.qname) - len(zone) :]
        ttl = self.rules.ttl
        if asked.qtype in ADDRESSES:
            return publish.address_records(asked.qname, asked.qtype, ttl, found.hosts), NOTHING
        if asked.qtype == codes.SRV:
            return publish.srv_records(asked.qname, sent, ttl, found.hosts)
        if asked.qtype == codes.PTR and cluster_names.reverse_address(asked.key) is not None:
            return publish.pointer_records(asked.qname, self.primary, ttl, found.hosts), NOTHING
        if asked.qtype == codes.TXT and asked.key == _DNS_VERSION + zone:
            return (build.txt(asked.qname, publish.SCHEMA_TTL, publish.SCHEMA_VERSION),), NOTHING
        return self._apex(asked, sent) if asked.key == zone else (NOTHING, NOTHING)

    def soa(self, zone: Name) -> RR:
        """The SOA of a zone (in the client's case)."""
        ttl = self.rules.ttl
        mname, rname = publish.NS_DNS + zone, _HOSTMASTER + zone
        return build.soa(zone, min(ttl, MAX_NEGATIVE_TTL), mname, rname, self.index.serial, minimum=ttl)

    def _apex(self, asked: Question, zone: Name) -> tuple[tuple[RR, ...], tuple[RR, ...]]:
        if asked.qtype == codes.SOA:
            return (self.soa(zone),), NOTHING
        if asked.qtype != codes.NS:
            return NOTHING, NOTHING
        hosts = publish.name_servers(self.index, self.local())
        targets = dict.fromkeys(host.target for host in hosts)
        servers = tuple(build.to_name(asked.qname, codes.NS, self.rules.ttl, target + zone) for target in targets)
        return servers, tuple(build.address(host.target + zone, self.rules.ttl, host.address) for host in hosts)
