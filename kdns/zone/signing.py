"""Signatures over sets of records (RFC 4034 section 3), and the NSEC records that deny: pure, the time an argument.

A set is signed in canonical form (section 6): the owner and the names of the older types in lower case, the records in
the order of their RDATA, each once.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone.keys import Key

_FIXED = Struct("!HBBIIIH")  # type, algorithm, labels, original TTL, expiration, inception, key tag (section 3.1)
_STAR = b"\x01*"
_WINDOW = 256  # types in a block of a bitmap


class Period(NamedTuple):
    """From when until when a signature holds: Unix seconds, both inclusive."""

    inception: int
    expiration: int


def rrsets(rrs: Iterable[RR]) -> list[tuple[RR, ...]]:
    """The records by owner (case as it is) and type, in the order in which these come first; no OPT, no signatures."""
    found: dict[bytes, list[RR]] = {}
    for rr in rrs:
        end = names.end_of(rr, 0) + 2
        if rr[end - 2 : end] not in (b"\0\x29", b"\0\x2e"):
            found.setdefault(rr[:end], []).append(rr)
    return [tuple(each) for each in found.values()]


def canonical(rrset: Sequence[RR], ttl: int) -> bytes:
    """The octets of a set that are signed: its records in canonical form with their original TTL in seconds."""
    head, ttl_octets = records.owner(rrset[0]).lower(), ttl.to_bytes(4, "big")
    forms = []
    for rr in rrset:
        end = len(head)
        rdata = records.canonical_rdata(rr)
        forms.append((rdata, head + rr[end : end + 4] + ttl_octets + len(rdata).to_bytes(2, "big") + rdata))
    return b"".join(form for _, form in sorted(set(forms)))


def signature(rrset: Sequence[RR], octets: bytes, key: Key, signer: Name, period: Period, ttl: int) -> bytes:
    """The RDATA of the RRSIG of a set, whose canonical octets (with the original TTL `ttl`) are given."""
    owner = records.owner(rrset[0])
    labels = len(names.labels(owner)) - owner.startswith(_STAR)
    covered = records.rtype(rrset[0])
    lead = _FIXED.pack(covered, key.algorithm, labels, ttl, period.expiration, period.inception, key.tag)
    lead += signer.lower()
    return lead + key.sign(lead + octets)


def nsec(owner: Name, following: Name, types: Iterable[int], ttl: int) -> RR:
    """The NSEC record of a name: the next one in the zone, and its types (section 4)."""
    return records.make(owner, codes.NSEC, ttl, following + bitmap(types))


def bitmap(types: Iterable[int]) -> bytes:
    """A set of types as NSEC and CSYNC have it (section 4.1.2)."""
    blocks: dict[int, bytearray] = {}
    for kind in sorted(set(types)):
        block = blocks.setdefault(kind // _WINDOW, bytearray())
        block.extend(bytes(kind % _WINDOW // 8 + 1 - len(block)))
        block[kind % _WINDOW // 8] |= 0x80 >> kind % 8
    return b"".join(bytes((number, len(block))) + block for number, block in blocks.items())
