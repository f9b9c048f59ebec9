"""Denials made up on the spot ("black lies"): a name that is not there is said to be there, without the type.

The NSEC record of such a denial goes from the name to the very next one that could be, so it denies nothing else, and
one record does where a zone that was signed beforehand needs up to three. Its types are those that a client may ask for
next; that they are not there either it will be told then. Pure.
"""

from collections.abc import Sequence

from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone.signing import nsec

LOC, CERT, SSHFP, TLSA, HIP, OPENPGPKEY, SPF = 29, 37, 44, 52, 55, 61, 99
_NAME = frozenset(
    {codes.A, codes.HINFO, codes.TXT, codes.AAAA, LOC, codes.SRV, CERT, SSHFP, codes.RRSIG, codes.NSEC, TLSA, HIP}
    | {OPENPGPKEY, SPF}
)
_APEX = _NAME | {codes.NS, codes.SOA, codes.MX, codes.DNSKEY}
_CUT = _NAME | {codes.NS}


def of_name(qname: Name, qtype: int, is_apex: bool, ttl: int) -> RR:
    """The NSEC record that denies a type at a name (case as it was asked), whether the name is there or not."""
    types = _APEX if is_apex else _CUT if qtype == codes.DS else _NAME
    kept = types if qtype in (codes.NSEC, codes.RRSIG) else types - {qtype}
    return nsec(qname, following(qname), kept, ttl)


def of_cut(ns: Sequence[RR], ttl: int) -> RR:
    """The NSEC record that denies DS at a delegation (RFC 4035 section 3.1.4.1)."""
    owner = records.owner(ns[0])
    first = names.labels(owner)[0]
    longer = names.join([first + b"\0"], owner[1 + len(first) :])
    fits = len(first) < names.MAX_LABEL and len(longer) <= names.MAX_NAME
    return nsec(owner, longer if fits else _raised(owner), _CUT, ttl)


def following(name: Name) -> Name:
    """The next name in canonical order: the least one below, or where names end the least one beside."""
    below = b"\x01\0" + name
    return below if len(below) <= names.MAX_NAME else _raised(name)


def _raised(name: Name) -> Name:
    """A name behind this one and all below it: its first label with the last octet that can be raised raised."""
    first = names.labels(name)[0]
    stem = first.rstrip(b"\xff")
    parent = name[1 + len(first) :]
    if not stem:
        return _raised(parent)
    return names.join([stem[:-1] + bytes((stem[-1] + 1,))], parent)
