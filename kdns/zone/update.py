"""Dynamic update of a zone (RFC 2136): prerequisites, the prescan, and what an update changes. Pure.

An update is worked out on the few names that it touches, and comes out as a Change: the records that go and those that
come, between the SOA before and the one after. That is what is written down, what is put into the zone, and what IXFR
gives to secondaries, so that the three cannot differ.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kdns.errors import WireError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone.incoming import is_newer
from kdns.zone.lookup import YXDOMAIN
from kdns.zone.zone import Zone, normal

YXRRSET, NXRRSET, NOTZONE = 7, 8, 10  # RFC 2136 section 2.2
MAX_TTL = 0x7FFFFFFF  # seconds (RFC 2181 section 8)
UNSIGNABLE = frozenset(map(codes.type_number, (
    "SIG", "KEY", "NXT", "DS", "RRSIG", "NSEC", "DNSKEY", "NSEC3", "NSEC3PARAM", "TALINK", "CDS", "CDNSKEY", "ZONEMD",
    "TA", "DLV",
)))  # fmt: skip
META = frozenset({0, codes.OPT, *range(249, 256)})  # types that no record of a zone has
_SIZES = {codes.A: 4, codes.AAAA: 16}
_SHAPES = {  # octets before the names, names, octets behind them
    codes.NS: (0, 1, 0), codes.CNAME: (0, 1, 0), codes.PTR: (0, 1, 0), codes.DNAME: (0, 1, 0), codes.MX: (2, 1, 0),
    codes.SRV: (6, 1, 0), codes.SOA: (0, 2, 20),
}  # fmt: skip

Identity = tuple[int, bytes]


class Change(NamedTuple):
    """One difference between two states of a zone (RFC 1995 section 4): its SOA before and after, and what goes and
    comes besides it.
    """

    before: RR
    deleted: tuple[RR, ...]
    after: RR
    added: tuple[RR, ...]

    def sequence(self) -> tuple[RR, ...]:
        """The records as they stand in an IXFR."""
        return (self.before, *self.deleted, self.after, *self.added)


def of_sequence(rrs: Sequence[RR]) -> Change:
    """The change that was written as `sequence`. WireError if it is none."""
    at = [place for place, rr in enumerate(rrs) if records.rtype(rr) == codes.SOA]
    if len(at) != 2 or at[0]:
        raise WireError("a change needs its SOA before and after")
    return Change(rrs[0], tuple(rrs[1 : at[1]]), rrs[at[1]], tuple(rrs[at[1] + 1 :]))


def prerequisites(zone: Zone, wanted: Iterable[RR]) -> int:
    """The RCODE of a prerequisite section (section 3.2.5): NOERROR where all of it holds."""
    values: dict[tuple[Name, int], set[Identity]] = {}
    for rr in wanted:
        rcode = _prerequisite(zone, rr)
        if rcode:
            return rcode
        if records.rclass(rr) == codes.IN:
            key = records.owner(rr).lower(), records.rtype(rr)
            values.setdefault(key, set()).add(_identity(rr))
    same = all(set(map(_identity, zone.rrset(*key))) == rrset for key, rrset in values.items())
    return codes.NOERROR if same else NXRRSET


def _prerequisite(zone: Zone, rr: RR) -> int:
    """What is wrong with one of them; those with values are only looked at for form."""
    key, kind, class_ = records.owner(rr).lower(), records.rtype(rr), records.rclass(rr)
    if records.ttl(rr):
        return codes.FORMERR
    if not names.is_below(key, zone.origin):
        return NOTZONE
    if kind in UNSIGNABLE:
        return codes.NOTIMP
    if class_ == codes.IN:
        return codes.FORMERR if kind in META or not is_whole(rr) else codes.NOERROR
    if class_ not in (codes.ANY_CLASS, codes.NONE_CLASS) or records.rdata(rr) or kind in META - {codes.ANY}:
        return codes.FORMERR
    is_there = bool(zone.node(key) if kind == codes.ANY else zone.rrset(key, kind))
    if is_there == (class_ == codes.ANY_CLASS):
        return codes.NOERROR
    absent, present = (codes.NXDOMAIN, YXDOMAIN) if kind == codes.ANY else (NXRRSET, YXRRSET)
    return present if is_there else absent


def prescan(origin: Name, updates: Iterable[RR]) -> int:
    """The RCODE of an update section's form (section 3.4.1.3): NOERROR where all of it can be processed."""
    return next(filter(None, (_scanned(origin, rr) for rr in updates)), codes.NOERROR)


def _scanned(origin: Name, rr: RR) -> int:
    key, kind, class_ = records.owner(rr).lower(), records.rtype(rr), records.rclass(rr)
    if not names.is_below(key, origin):
        return NOTZONE
    if class_ == codes.IN:
        is_wrong = kind in META or not is_whole(rr)
    elif class_ == codes.ANY_CLASS:
        is_wrong = bool(records.ttl(rr) or records.rdata(rr) or kind in META - {codes.ANY})
    else:
        is_wrong = class_ != codes.NONE_CLASS or bool(records.ttl(rr)) or kind in META or not is_whole(rr)
    if is_wrong:
        return codes.FORMERR
    return codes.NOTIMP if kind in UNSIGNABLE else codes.NOERROR


def is_whole(rr: RR) -> bool:
    """Whether RDATA has the form of its type, for the types whose form other records' answers are built on."""
    kind, rdata = records.rtype(rr), records.rdata(rr)
    if kind in _SIZES:
        return len(rdata) == _SIZES[kind]
    if kind == codes.TXT:
        return _is_of_strings(rdata)
    if kind not in _SHAPES:
        return bool(rdata) and _is_comparable(rr)
    at, count, behind = _SHAPES[kind]
    try:
        for _ in range(count):
            at = names.end_of(rdata, at)
    except WireError:
        return False
    return at + behind == len(rdata)


def _is_comparable(rr: RR) -> bool:
    """Whether the names in RDATA of any type can be found, as they are for comparing it."""
    try:
        records.canonical_rdata(rr)
    except WireError:
        return False
    return True


def _is_of_strings(rdata: bytes) -> bool:
    at = 0
    while at < len(rdata):
        at += 1 + rdata[at]
    return bool(rdata) and at == len(rdata)


def worked_out(zone: Zone, updates: Iterable[RR]) -> Change | None:
    """What updates that passed `prescan` do to a zone (section 3.4.2); None if that is nothing.

    The serial counts on by one, past 0, unless the updates brought a newer SOA themselves.
    """
    draft = _Draft(zone)
    for rr in updates:
        draft.take(rr)
    return draft.change()


class _Draft:
    """The names that an update touches, each with its records as they are so far: by identity."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._before: dict[Name, dict[Identity, RR]] = {}
        self._now: dict[Name, dict[Identity, RR]] = {}
        self._soa = zone.soa

    def take(self, rr: RR) -> None:
        """One record of the update section."""
        key, kind, class_ = records.owner(rr).lower(), records.rtype(rr), records.rclass(rr)
        node = self._node(key)
        if class_ == codes.IN:
            self._add(node, key, kind, rr)
        elif class_ == codes.ANY_CLASS:
            _delete(node, lambda each: kind in (codes.ANY, each) and not self._is_apex_own(key, each))
        elif not self._is_last(node, key, kind):
            node.pop(_identity(rr), None)

    def change(self) -> Change | None:
        """The difference to the zone as it was."""
        deleted: list[RR] = []
        added: list[RR] = []
        for key, before in self._before.items():
            now = self._now[key]
            deleted += [rr for identity, rr in before.items() if now.get(identity) != rr]
            added += [rr for identity, rr in now.items() if before.get(identity) != rr]
        if self._soa == self._zone.soa:
            if not deleted and not added:
                return None
            self._soa = with_serial(self._soa, (records.soa_serial(self._soa) + 1) % (1 << 32) or 1)
        return Change(self._zone.soa, tuple(deleted), self._soa, tuple(added))

    def _node(self, key: Name) -> dict[Identity, RR]:
        if key not in self._now:
            node = (rr for rr in self._zone.node(key) or () if rr != self._zone.soa)
            self._before[key] = {_identity(rr): rr for rr in node}
            self._now[key] = dict(self._before[key])
        return self._now[key]

    def _add(self, node: dict[Identity, RR], key: Name, kind: int, rr: RR) -> None:
        """Section 3.4.2.2: an alias stands alone, and what is there already only gets the new TTL.

        An SOA that is no newer, or stands elsewhere, is passed over; so is the serial 0 (sections 4.2 and 7.11).

        All of an RRset gets it: records of one with different TTLs may not be (RFC 2181 section 5.2). A TTL with its
        top bit set is none at all (section 8).
        """
        kept = normal(rr, kind, len(key))
        if records.ttl(kept) > MAX_TTL:
            kept = records.with_ttl(kept, 0)
        if kind == codes.SOA:
            serial = records.soa_serial(rr)
            if key == self._zone.origin and serial and is_newer(serial, records.soa_serial(self._soa)):
                self._soa = kept
            return
        is_alias = kind == codes.CNAME
        if any((each == codes.CNAME) != is_alias for each, _ in node) or (is_alias and key == self._zone.origin):
            return
        if is_alias:
            node.clear()
        ttl = records.ttl(kept)
        for identity, other in node.items():
            if identity[0] == kind and records.ttl(other) != ttl:
                node[identity] = records.with_ttl(other, ttl)
        node[_identity(rr)] = kept

    def _is_apex_own(self, key: Name, kind: int) -> bool:
        """Whether records of a type may never all be deleted (sections 3.4.2.3 and 3.4.2.4)."""
        return key == self._zone.origin and kind in (codes.SOA, codes.NS)

    def _is_last(self, node: dict[Identity, RR], key: Name, kind: int) -> bool:
        if not self._is_apex_own(key, kind):
            return False
        return kind == codes.SOA or sum(each == codes.NS for each, _ in node) < 2


def with_serial(soa: RR, serial: int) -> RR:
    """The SOA with another serial, 0 to 2**32-1."""
    return soa[:-20] + serial.to_bytes(4, "big") + soa[-16:]


def _delete(node: dict[Identity, RR], is_meant: Callable[[int], bool]) -> None:
    for identity in [identity for identity in node if is_meant(identity[0])]:
        del node[identity]


def _identity(rr: RR) -> Identity:
    """What records of one name are compared by: type and RDATA, names in it in any case (section 1.1.1)."""
    return records.rtype(rr), records.canonical_rdata(rr)
