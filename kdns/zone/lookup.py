"""Questions answered from a zone: RFC 1034 section 4.3.2 as CoreDNS's file plugin goes about it.

From the apex down to the name, label by label: a DNAME on the way is put in place of what it renames (RFC 6672), a cut
is a referral. Then the name itself, the wildcard at its closest encloser (RFC 4592), or the denial. An alias is
followed inside the zone; where it leads to a name that owns nothing here, the server itself has to be asked
(`Found.target`), and `joined` makes one answer of both.

CoreDNS's ways are: the apex's NS records with every answer, NODATA to ANY, the addresses of MX, SRV, SVCB and HTTPS
targets that are in the zone, glue only for name servers below the cut, NOERROR without SOA for an alias that ends in
the zone without the type, and that a wildcard stands in for an empty non-terminal beside it; not where the zone is
signed, since no validator would take it. With DO the proofs are whole (RFC 4035 section 3.1.3), where CoreDNS leaves
some out.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from kdns.wire import build, codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone.zone import Node, Zone, of_type, signatures

MOST_ALIASES = 8  # that are followed inside a zone
YXDOMAIN = 6  # RFC 6672 section 2.2: the name that a DNAME makes is too long
_STAR = b"\x01*"
_PROOFS = (codes.NSEC, codes.NSEC3)
_TARGET_AT = {codes.MX: 2, codes.SRV: 6, codes.SVCB: 2, codes.HTTPS: 2}  # octets of RDATA before the target


class Outcome(Enum):
    """What a look-up comes to. EMPTY is an empty non-terminal: NODATA that may fall through like NXDOMAIN."""

    ANSWER = "answer"
    DELEGATION = "delegation"
    NODATA = "nodata"
    EMPTY = "empty"
    NXDOMAIN = "nxdomain"
    FAILURE = "failure"
    TOO_LONG = "too long"


_OUTCOMES = {codes.NXDOMAIN: Outcome.NXDOMAIN, codes.SERVFAIL: Outcome.FAILURE, YXDOMAIN: Outcome.TOO_LONG}


class Found(NamedTuple):
    """What a zone knows. `target` (case as it stands in the zone) has to be asked for too, with the same type; see
    `joined`. `wildcard` is the name that stood in for the one that was asked for.
    """

    outcome: Outcome
    answer: Node = ()
    authority: Node = ()
    additional: Node = ()
    target: Name | None = None
    wildcard: Name | None = None


def lookup(zone: Zone, key: Name, qtype: int, do: bool = False) -> Found:
    """What a zone has for a name (lower-cased, at or below its origin) and a type; `do`: with DNSSEC's records."""
    return _Lookup(zone, qtype, do).find(key)


def joined(zone: Zone, found: Found, rcode: int, answer: Node, do: bool = False, authority: Node = ()) -> Found:
    """One answer of what was found and what the server itself said of `found.target`; with `do` its proofs, too."""
    look = _Lookup(zone, codes.ANY, do)
    rrs = (*found.answer, *answer)
    outcome = _OUTCOMES.get(rcode)
    if outcome is None:
        outcome = Outcome.NODATA if rcode == codes.NOERROR and not answer else Outcome.ANSWER
    own = look.soa() if outcome in (Outcome.NXDOMAIN, Outcome.NODATA) else look.ns()
    proofs = tuple(filter(_is_proof, authority)) if do else ()
    return Found(outcome, rrs, _added((*own, *found.authority), proofs), look.beside(rrs), None, found.wildcard)


class _Lookup:
    """One question. `find` is the way down; the public ones of the rest make sections."""

    def __init__(self, zone: Zone, qtype: int, do: bool) -> None:
        self._zone = zone
        self._nodes = zone.nodes
        self._qtype = qtype
        self._do = do

    def find(self, key: Name) -> Found:
        zone = self._zone
        if key == zone.origin:
            if self._qtype == codes.SOA:
                return Found(Outcome.ANSWER, self.soa(), self.ns())
            if self._qtype == codes.NS:
                return Found(Outcome.ANSWER, self.ns(), (), self._glue(zone.origin, zone.ns))
        encloser = zone.origin
        for name in _downwards(key, zone.origin):
            node = self._nodes.get(name)
            if node is None:
                break
            encloser = name
            found = self._on_the_way(name, node, key) if node else None
            if found is not None:
                return found
        node = self._nodes.get(key)
        if node:
            return self._of_node(key, key, node)
        star = _STAR + (encloser if node is None else key[1 + key[0] :])
        is_open = node is None or (key != zone.origin and not zone.chain)  # where NSEC says that a name is, it is
        if star in self._nodes and is_open:
            return self._of_node(key, star, self._nodes[star])
        return self._denied(key, encloser, Outcome.NXDOMAIN if node is None else Outcome.EMPTY)

    def soa(self) -> Node:
        """The authority of denials."""
        return (self._zone.soa, *self._zone.soa_signatures) if self._do else (self._zone.soa,)

    def ns(self) -> Node:
        """The authority of answers."""
        return (*self._zone.ns, *self._zone.ns_signatures) if self._do else self._zone.ns

    def beside(self, answer: Iterable[RR]) -> Node:
        """The addresses in the zone of what an answer leads to, each target once."""
        found: list[RR] = []
        seen: set[Name] = set()
        for rr in answer:
            at = names.end_of(rr, 0)
            lead = _TARGET_AT.get(rr[at] << 8 | rr[at + 1])
            if lead is None:
                continue
            start = at + 10 + lead
            target = rr[start : names.end_of(rr, start)].lower()
            if target not in seen and names.is_below(target, self._zone.origin):
                seen.add(target)
                found += self._addresses(target)
        return tuple(found)

    def _on_the_way(self, name: Name, node: Node, key: Name) -> Found | None:
        """What ends the way at a name above the one that was asked for, or at that: a DNAME or a cut."""
        at = len(name)
        if name != key and (renaming := of_type(node, at, codes.DNAME)):
            return self._renamed(name, node, renaming, key)
        return self._referral(name, node, key)

    def _renamed(self, name: Name, node: Node, renaming: Node, key: Name) -> Found:
        new = key[: len(key) - len(name)] + records.rdata(renaming[0])
        answer = (*renaming, *self._signatures(node, len(name), codes.DNAME))
        if len(new) > names.MAX_NAME:
            return Found(Outcome.TOO_LONG, answer, self.ns())
        if new.lower() == key:
            return Found(Outcome.FAILURE)  # it can only loop
        alias = build.to_name(key, codes.CNAME, records.ttl(renaming[0]), new)
        if self._qtype == codes.CNAME:
            return Found(Outcome.ANSWER, (*answer, alias), self.ns())
        return self._follow((*answer, alias), new)

    def _referral(self, name: Name, node: Node, key: Name) -> Found | None:
        """The delegation at a cut (RFC 1034 section 4.2.1); the DS of the cut itself is the parent's to tell."""
        ns = of_type(node, len(name), codes.NS)
        if not ns or (self._qtype == codes.DS and name == key):
            return None
        authority = ns
        if self._do:
            proof = self._signed(node, len(name), codes.DS) or self._signed(node, len(name), codes.NSEC)
            authority = (*ns, *proof)
        return Found(Outcome.DELEGATION, (), authority, self._glue(name, ns))

    def _of_node(self, key: Name, owner: Name, node: Node) -> Found:
        """The answer out of a node: the name's own, or the wildcard's that stands in for it."""
        found = self._of_name(key, owner, node)
        if key == owner:
            return found
        if self._do:
            found = found._replace(authority=_added(found.authority, self._proof(key)))
        return found._replace(wildcard=owner)

    def _of_name(self, key: Name, owner: Name, node: Node) -> Found:
        aliases = self._signed(node, len(owner), codes.CNAME) if self._qtype != codes.CNAME else ()
        if aliases:
            return self._follow(_owned(aliases, owner, key), records.rdata(aliases[0]))
        answer = _owned(self._signed(node, len(owner), self._qtype), owner, key)
        if not answer:
            proof = self._proof(owner) if self._do else ()
            return Found(Outcome.NODATA, (), (*self.soa(), *proof))
        return Found(Outcome.ANSWER, answer, self.ns(), self.beside(answer))

    def _follow(self, answer: Node, target: Name) -> Found:
        """An alias at the end of an answer followed to its target, as far as the zone itself goes."""
        for _ in range(MOST_ALIASES + 1):
            key = target.lower()
            cut = self._cut(key)
            if cut is not None:
                return cut._replace(answer=answer)
            node = self._nodes.get(key)
            if not node or self._is_apart(key):
                return Found(Outcome.ANSWER, answer, target=target)
            aliases = self._signed(node, len(key), codes.CNAME)
            if not aliases:
                last = self._signed(node, len(key), self._qtype)
                proof = self._proof(key) if self._do and not last else ()
                return Found(Outcome.ANSWER, (*answer, *last), (*self.ns(), *proof), self.beside(last))
            answer = (*answer, *aliases)
            target = records.rdata(aliases[0])
        return Found(Outcome.ANSWER, answer, self.ns(), self.beside(answer))

    def _cut(self, key: Name) -> Found | None:
        """The referral of the topmost cut between the apex and a name, if there is one."""
        if not names.is_below(key, self._zone.origin):
            return None
        for name in _downwards(key, self._zone.origin):
            node = self._nodes.get(name)
            if node is None:
                return None
            found = self._referral(name, node, key)
            if found is not None:
                return found
        return None

    def _is_apart(self, key: Name) -> bool:
        """Whether the records that are asked for may stand apart from the nodes."""
        return self._qtype == codes.NS or (self._qtype == codes.SOA and key == self._zone.origin)

    def _denied(self, key: Name, encloser: Name, outcome: Outcome) -> Found:
        """The denial of a name (RFC 2308 section 2); with DO proof against wildcards too (RFC 4035 section 3.1.3.2)."""
        authority = self.soa()
        if self._do:
            authority = _added(authority, self._proof(key))
            if outcome is Outcome.NXDOMAIN:
                authority = _added(authority, self._proof(_STAR + encloser))
        return Found(outcome, (), authority)

    def _proof(self, key: Name) -> Node:
        """The NSEC that is a name's or covers it, signed."""
        owner = self._zone.cover(key)
        return () if owner is None else self._signed(self._nodes[owner], len(owner), codes.NSEC)

    def _glue(self, owner: Name, ns: Node) -> Node:
        """The addresses of name servers that are at or below the owner of their records."""
        targets = [records.rdata(rr) for rr in ns]
        return tuple(rr for target in targets if names.is_below(target, owner) for rr in self._addresses(target))

    def _addresses(self, key: Name) -> Iterator[RR]:
        node = self._nodes.get(key)
        if node:
            yield from self._signed(node, len(key), codes.A)
            yield from self._signed(node, len(key), codes.AAAA)

    def _signed(self, node: Node, at: int, rtype: int) -> Node:
        """The records of a type; with DO also their signatures."""
        found = of_type(node, at, rtype)
        return (*found, *self._signatures(node, at, rtype)) if found and self._do else found

    def _signatures(self, node: Node, at: int, covered: int) -> Node:
        return signatures(node, at, covered) if self._do else ()


def _is_proof(rr: RR) -> bool:
    """Whether a record says what is not there, or is the signature of one that does."""
    kind = records.rtype(rr)
    return kind in _PROOFS or (kind == codes.RRSIG and int.from_bytes(records.rdata(rr)[:2], "big") in _PROOFS)


def _downwards(key: Name, origin: Name) -> Iterator[Name]:
    """The names from the origin down to a name at or below it, which comes last."""
    ends = [0]
    at, last = 0, len(key) - len(origin)
    while at < last:
        at += 1 + key[at]
        ends.append(at)
    return (key[end:] for end in reversed(ends))


def _owned(rrs: Node, owner: Name, key: Name) -> Node:
    """Records under the name that was asked for, where a wildcard owns them (RFC 4592 section 3.3.1)."""
    return rrs if owner == key else tuple(key + rr[len(owner) :] for rr in rrs)


def _added(rrs: Node, more: Node) -> Node:
    return (*rrs, *(rr for rr in more if rr not in rrs))
