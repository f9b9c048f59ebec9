"""A whole zone signed beforehand (RFC 4035 section 2): its records in, the same with keys, NSEC and RRSIG out. Pure.

What stood there of an earlier signing is left out and made anew. The SOA gets a serial of its own, so that secondaries
notice. NSEC records lead from each name that the zone is the authority of to the next, delegations included; only those
names' records are signed, and of a delegation its DS and NSEC alone.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from struct import Struct

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from kdns.errors import ZoneError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone import keys, signing
from kdns.zone.keys import Key
from kdns.zone.signing import Period
from kdns.zone.zone import canonical

CDS, CDNSKEY = 59, 60
SHA1, SHA256 = 1, 2  # digests of DS records (RFC 4034 section 5.1.3, RFC 4509), both published as CoreDNS does
LOOKED_AT = 100  # records of a signed file among which its SOA's signatures must be

_MADE = frozenset({codes.DNSKEY, codes.RRSIG, codes.NSEC, CDS, CDNSKEY})
_TIMES = Struct("!II")  # expiration, inception, behind the 8 octets of an RRSIG's RDATA

Sets = dict[Name, dict[int, list[RR]]]  # by owner, lower-cased, and type


def signed(rrs: Iterable[RR], origin: Name, by: Sequence[Key], period: Period, serial: int) -> list[RR]:
    """The records of the signed zone, the SOA first. ZoneError if there is no SOA at `origin` (lower-cased)."""
    sets = _sets(rrs, origin)
    soa = next(iter(sets[origin].get(codes.SOA, ())), None)
    if soa is None:
        raise ZoneError(f"no SOA record for origin {names.show(origin)}")
    rdata = records.rdata(soa)
    sets[origin][codes.SOA] = [records.with_rdata(soa, rdata[:-20] + serial.to_bytes(4, "big") + rdata[-16:])]
    _publish(sets[origin], origin, by, records.ttl(soa))
    cuts = {name for name, kinds in sets.items() if codes.NS in kinds and name != origin}
    ends = cuts | {name for name, kinds in sets.items() if codes.DNAME in kinds}
    owners = sorted((name for name in sets if not _is_occluded(name, origin, ends)), key=canonical)
    minimum = int.from_bytes(rdata[-4:], "big")
    for owner, after in pairwise((*owners, origin)):
        kinds = _signed_kinds(sets[owner], owner in cuts) | {codes.RRSIG, codes.NSEC} | _cut_kinds(sets[owner])
        sets[owner][codes.NSEC] = [signing.nsec(owner, after, kinds, minimum)]
    found = [rr for owner in owners for rr in _of_name(sets[owner], owner in cuts, origin, by, period)]
    return [*found, *(rr for owner in sets.keys() - set(owners) for kind in sets[owner].values() for rr in kind)]


def why_again(rrs: Iterable[RR], now: int, oldest: int, least: int) -> str:
    """Why a signed zone has to be signed again; empty if it does not.

    All of this in seconds, `now` since 1970: signatures of the SOA may be `oldest` old and must hold for `least` more.
    """
    for rr in islice(rrs, LOOKED_AT):
        rdata = records.rdata(rr)
        if records.rtype(rr) != codes.RRSIG or int.from_bytes(rdata[:2], "big") != codes.SOA:
            continue
        expiration, inception = _TIMES.unpack_from(rdata, 8)
        if now < inception:
            return f"inception is {inception - now} seconds in the future"
        if now - inception > oldest:
            return f"inception was {now - inception} seconds ago, more than {oldest}"
        if expiration - now < least:
            return f"expiration is {expiration - now} seconds away, less than {least}"
        return ""
    return f"no SOA RRSIG found in first {LOOKED_AT} records"


def to_text(rr: RR) -> str:
    """A record as a line of a master file."""
    kind, rdata = records.rtype(rr), records.rdata(rr)
    shown = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(kind), rdata, 0, len(rdata))
    return f"{names.show(records.owner(rr))}\t{records.ttl(rr)}\tIN\t{codes.type_name(kind)}\t{shown.to_text()}"


def _sets(rrs: Iterable[RR], origin: Name) -> Sets:
    found: Sets = {origin: {}}
    for rr in rrs:
        owner, kind = records.owner(rr).lower(), records.rtype(rr)
        if kind not in _MADE and names.is_below(owner, origin):
            found.setdefault(owner, {}).setdefault(kind, []).append(rr)
    return found


def _publish(apex: dict[int, list[RR]], origin: Name, by: Sequence[Key], ttl: int) -> None:
    """The keys at the apex, and what a parent may fetch there (RFC 7344)."""
    for key in by:
        lead = key.tag.to_bytes(2, "big") + bytes((key.algorithm,))
        octets = origin + key.rdata
        digests = (
            bytes((SHA1,)) + hashlib.sha1(octets, usedforsecurity=False).digest(),
            bytes((SHA256,)) + hashlib.sha256(octets).digest(),
        )
        apex.setdefault(codes.DNSKEY, []).append(keys.record(key, origin, ttl))
        apex.setdefault(CDS, []).extend(records.make(origin, CDS, ttl, lead + digest) for digest in digests)
        apex.setdefault(CDNSKEY, []).append(records.make(origin, CDNSKEY, ttl, key.rdata))


def _is_occluded(name: Name, origin: Name, ends: set[Name]) -> bool:
    """Whether a name is below a delegation or a DNAME: glue, or nothing that anybody sees."""
    return any(above in ends for above in list(names.ancestors(name))[1:] if names.is_below(above, origin))


def _signed_kinds(kinds: dict[int, list[RR]], is_cut: bool) -> set[int]:
    return kinds.keys() & {codes.DS, codes.NSEC} if is_cut else set(kinds)


def _cut_kinds(kinds: dict[int, list[RR]]) -> set[int]:
    return kinds.keys() & {codes.NS}


def _of_name(kinds: dict[int, list[RR]], is_cut: bool, origin: Name, by: Sequence[Key], period: Period) -> Iterator[RR]:
    """The records of a name, each set followed by its signatures; the SOA, and the NS behind it, come first."""
    wanted = _signed_kinds(kinds, is_cut)
    for kind in sorted(kinds, key=lambda each: (each != codes.SOA, each)):
        rrset = list(dict.fromkeys(kinds[kind]))
        yield from rrset
        ttl = records.ttl(rrset[0])
        octets = signing.canonical(rrset, ttl)
        for key in by if kind in wanted else ():
            rdata = signing.signature(rrset, octets, key, origin, period, ttl)
            yield records.make(records.owner(rrset[0]), codes.RRSIG, ttl, rdata)
