"""The short way to an answer: for names that own what is asked, or are not there at all, in a zone's plainest places.

Most questions are for the records of a name, or for one that is denied. That takes one look-up, and with cuts, DNAMEs
or wildcards in the zone one more for each label. The rest of RFC 1034 section 4.3.2 is left to `zone.lookup`: what this
module does answer is answered alike there.
"""

from typing import NamedTuple

from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.zone.zone import Node, Zone, of_type, signatures

_STAR = b"\x01*"
_LEADING = frozenset({codes.MX, codes.SRV, codes.SVCB, codes.HTTPS})  # their targets' addresses are added


class Direct(NamedTuple):
    """An answer section; without one, NXDOMAIN if the name `is_absent`, otherwise NODATA.

    `exists` is whether the name owns records: what is denied of one that does not may fall through.
    """

    answer: Node = ()
    exists: bool = True
    is_absent: bool = False


_NODATA, _EMPTY, _ABSENT = Direct(), Direct(exists=False), Direct(exists=False, is_absent=True)


def direct(zone: Zone, key: Name, qtype: int, do: bool) -> Direct | None:
    """What a zone has for a name (lower-cased, wherever) and a type; None where `zone.lookup` has to say.

    The authority section is then the zone's NS records behind an answer and its SOA in a denial, with their signatures
    if `do`; there is nothing in the additional section.
    """
    node = zone.nodes.get(key)
    if not node:
        return _denied(zone, key, node, do)
    if qtype in _LEADING or key == zone.origin or (zone.ends and not _is_reached(zone, key)):
        return None
    at = len(key)
    if len(node) == 1:
        kind = node[0][at] << 8 | node[0][at + 1]
        answer: Node = node if kind == qtype else ()
        is_alias = kind == codes.CNAME and kind != qtype
    else:
        answer = of_type(node, at, qtype)
        is_alias = qtype != codes.CNAME and bool(of_type(node, at, codes.CNAME))
    if is_alias or not names.is_below(key, zone.origin):
        return None
    if answer:
        return Direct((*answer, *signatures(node, at, qtype)) if do else answer)
    return None if do and zone.chain else _NODATA


def _denied(zone: Zone, key: Name, node: Node | None, do: bool) -> Direct | None:
    """The denial of a name without records, if it needs no proof and no wildcard stands in for it."""
    if (do and zone.chain) or not names.is_below(key, zone.origin) or key == zone.origin:
        return None
    if (zone.ends and not _is_reached(zone, key)) or (zone.stars and _STAR + _encloser(zone, key) in zone.nodes):
        return None
    return _ABSENT if node is None else _EMPTY


def _is_reached(zone: Zone, key: Name) -> bool:
    """Whether neither the name nor one above it ends the way down."""
    least = len(zone.origin)
    while key not in zone.ends:
        if len(key) <= least:
            return True
        key = key[1 + key[0] :]
    return False


def _encloser(zone: Zone, key: Name) -> Name:
    """The closest name above that exists (RFC 4592 section 2.2.1): the origin if none is closer."""
    key = key[1 + key[0] :]
    while key not in zone.nodes and len(key) > len(zone.origin):
        key = key[1 + key[0] :]
    return key
