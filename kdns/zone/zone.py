"""A zone: its records as ready-made octets, by name, in the form in which questions are answered from it.

`nodes` maps each name that exists, lower-cased, to all its records in one tuple; an empty non-terminal (RFC 4592
section 2.2.2) has the empty one, so that "does the name exist" is one look-up. As in CoreDNS the apex's SOA and NS and
their signatures stand apart: an apex that has nothing else, and nothing below it, has no node. A tuple a name and no
table of types keeps a million names within a few hundred octets each, and out of the garbage collector's sight.

Owners are lower-cased (but for SRV's), and so are the names in NS, SOA, CNAME, MX, SVCB and HTTPS: what CoreDNS does.
Records outside the zone are kept, as CoreDNS keeps them; no question comes to them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kdns.errors import ZoneError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

Node = tuple[RR, ...]

_FIXED = 10  # octets of type, class, TTL and RDLENGTH between owner and RDATA
_NSEC3PARAM = 51
_LOWERED = {codes.NS: 0, codes.CNAME: 0, codes.MX: 2}  # octets before the one name of the RDATA


@dataclass(frozen=True, slots=True)
class Zone:
    """See the module's head. `chain`: the owners of NSEC records in canonical order; empty where nothing is signed.

    `stars` are the wildcards, and perhaps some that were; `ends` the names at which the way down ends: cuts, and owners
    of DNAME.
    """

    origin: Name
    soa: RR
    ns: Node
    soa_signatures: Node
    ns_signatures: Node
    nodes: Mapping[Name, Node]
    chain: Sequence[Name]
    stars: frozenset[Name]
    ends: frozenset[Name]

    @property
    def serial(self) -> int:
        """The SOA's serial."""
        return records.soa_serial(self.soa)

    def node(self, key: Name) -> Node | None:
        """All records of a name; () of an empty non-terminal, None of a name that does not exist."""
        own = self.nodes.get(key)
        if key != self.origin:
            return own
        return (self.soa, *self.soa_signatures, *self.ns, *self.ns_signatures, *(own or ()))

    def rrset(self, key: Name, rtype: int) -> Node:
        """The records of a name and type; () if there are none."""
        return of_type(self.node(key) or (), len(key), rtype)

    def records(self) -> Iterator[RR]:
        """Every record, the SOA first and last (RFC 5936 section 2.2)."""
        yield self.soa
        yield from self.soa_signatures
        yield from self.ns
        yield from self.ns_signatures
        for node in self.nodes.values():
            yield from node
        yield self.soa

    def cover(self, key: Name) -> Name | None:
        """The owner of the NSEC record that is `key`'s own or covers it (RFC 4034 section 4.1.1); None without any."""
        at = bisect_right(self.chain, canonical(key), key=canonical)
        return self.chain[at - 1] if at else None


class Builder:
    """Records of a zone, in any order, added up to a Zone. Equal records count once (RFC 2181 section 5)."""

    def __init__(self, origin: Name) -> None:
        self._origin = origin.lower()
        self._nodes: dict[Name, Node] = {}
        self._owner: Name | None = None  # of the records in `_open`
        self._open: list[RR] = []
        self._soa: RR | None = None
        self._ns: list[RR] = []
        self._soa_signatures: list[RR] = []
        self._ns_signatures: list[RR] = []
        self._chain: dict[Name, None] = {}
        self._ends: set[Name] = set()
        self._stars: set[Name] = set()

    def add(self, rr: RR) -> None:
        """One record more. ZoneError for NSEC3, which zones may not have here."""
        at = 0
        while length := rr[at]:
            at += 1 + length
        at += 1
        kind = rr[at] << 8 | rr[at + 1]
        key = rr[:at].lower()
        if kind in _SPECIAL:
            rr = self._special(normal(rr, kind, at), kind, key, at)
            if not rr:
                return
        elif kind != codes.SRV:
            rr = key + rr[at:]
        if key != self._owner:
            self._flush()
            self._owner = key
        self._open.append(rr)

    def build(self) -> Zone:
        """The zone. ZoneError if there was no SOA."""
        self._flush()
        if self._soa is None:
            raise ZoneError(f"no SOA record for origin {names.show(self._origin)}")
        chain = sorted(self._chain, key=canonical)
        ns, of_soa, of_ns = (
            tuple(dict.fromkeys(each)) for each in (self._ns, self._soa_signatures, self._ns_signatures)
        )
        stars, ends = frozenset(self._stars), frozenset(self._ends)
        return Zone(self._origin, self._soa, ns, of_soa, of_ns, self._nodes, chain, stars, ends)

    def _special(self, rr: RR, kind: int, key: Name, at: int) -> RR:
        """The record as it goes to its node, or nothing if it is the apex's."""
        if kind == codes.SOA:
            self._soa = rr
            return b""
        if kind in (codes.NSEC3, _NSEC3PARAM):
            owner, origin = names.show(key), names.show(self._origin)
            raise ZoneError(f"NSEC3 zone is not supported, dropping RR: {owner} for zone: {origin}")
        if kind == codes.NS and key == self._origin:
            self._ns.append(rr)
            return b""
        if kind == codes.NSEC:
            self._chain[key] = None
        if kind in (codes.NS, codes.DNAME):
            self._ends.add(key)
        if kind == codes.RRSIG:
            covered = int.from_bytes(rr[at + _FIXED : at + _FIXED + 2], "big")
            if covered == codes.SOA or (covered == codes.NS and key == self._origin):
                (self._soa_signatures if covered == codes.SOA else self._ns_signatures).append(rr)
                return b""
        return rr

    def _flush(self) -> None:
        if self._owner is None:
            return
        owner = self._owner
        before = self._nodes.get(owner)
        if before is None and len(self._open) == 1:  # as most are
            self._nodes[owner] = (self._open[0],)
        else:
            self._nodes[owner] = tuple(dict.fromkeys((*(before or ()), *self._open)))
        self._open.clear()
        if before is not None:
            return
        if owner[1 + owner[0] :] not in self._nodes:
            for parent in non_terminals(owner, self._origin, self._nodes):
                self._nodes[parent] = ()
        if b"\x01*" in owner:
            self._stars.update(name for name in names.ancestors(owner) if name[:2] == b"\x01*")


_SPECIAL = frozenset(
    {codes.SOA, codes.NS, codes.CNAME, codes.DNAME, codes.MX, codes.SVCB, codes.HTTPS, codes.NSEC, codes.RRSIG}
    | {codes.NSEC3, _NSEC3PARAM}
)


def built(origin: Name, rrs: Iterable[RR]) -> Zone:
    """The zone of these records. ZoneError as Builder has it."""
    builder = Builder(origin)
    for rr in rrs:
        builder.add(rr)
    return builder.build()


def of_type(node: Node, at: int, rtype: int) -> Node:
    """The records of one type in a node whose owner has `at` octets."""
    wanted = rtype.to_bytes(2, "big")
    return tuple(rr for rr in node if rr[at : at + 2] == wanted)


def signatures(node: Node, at: int, covered: int) -> Node:
    """The RRSIG records that cover a type in a node whose owner has `at` octets."""
    wanted = covered.to_bytes(2, "big")
    rdata = at + _FIXED
    return tuple(rr for rr in node if rr[at : at + 2] == b"\0\x2e" and rr[rdata : rdata + 2] == wanted)


def canonical(name: Name) -> tuple[bytes, ...]:
    """What names sort by in canonical order (RFC 4034 section 6.1)."""
    return tuple(reversed(names.labels(name)))


def non_terminals(key: Name, origin: Name, nodes: Mapping[Name, Node]) -> Iterator[Name]:
    """The names between a new name of a zone and the next one above it that exists, the origin included."""
    if not names.is_below(key, origin) or key == origin:
        return
    parent = key[1 + key[0] :]
    while parent not in nodes:
        yield parent
        if parent == origin:
            return
        parent = parent[1 + parent[0] :]


def normal(rr: RR, kind: int, at: int) -> RR:
    """A record with those names lower-cased that a zone keeps so (see the module's head); `at`: its owner's end."""
    head, rdata = rr[:at].lower() + rr[at : at + _FIXED], rr[at + _FIXED :]
    if kind in _LOWERED:
        lead = _LOWERED[kind]
        return head + rdata[:lead] + rdata[lead:].lower()
    if kind == codes.SOA:
        return head + rdata[:-20].lower() + rdata[-20:]
    if kind in (codes.SVCB, codes.HTTPS):
        end = names.end_of(rdata, 2)
        return head + rdata[:2] + rdata[2:end].lower() + rdata[end:]
    return head + rdata
