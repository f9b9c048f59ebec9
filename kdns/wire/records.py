"""Resource records as octets: the only form in which records travel through kdns.

`RR` is one record in wire form with its owner first and every name in it uncompressed, so that records can be
compared, joined, reordered and patched without an object. A message that came from elsewhere is taken apart once, by
`read_message`, which undoes compression; `fit` puts it on again where it is needed.
"""

from collections.abc import Callable, Mapping
from struct import Struct
from typing import NamedTuple

from kdns import compiled
from kdns.errors import WireError
from kdns.wire import codes, edns, names
from kdns.wire.names import Name

RR = bytes
Sections = tuple[tuple[RR, ...], tuple[RR, ...], tuple[RR, ...], RR | None]  # the three of a message, and its OPT

INTERFACE = 1  # of the module `sections`: see kdns.compiled

_FIXED = Struct("!HHIH")  # type, class, ttl, rdlength (RFC 1035 section 3.2.1)
_HEADER = Struct("!HHHHHH")
_TTL = Struct("!I")

# RDATA with names that may come compressed (RFC 3597 section 4 closes the list): octets before the first name, names,
# anything behind them. SRV, RP, AFSDB, RT, PX, KX, NAPTR, DNAME and NSAP-PTR may be met compressed too.
_NAMES_IN: dict[int, tuple[int, int]] = {
    2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1), 8: (0, 1), 9: (0, 1), 12: (0, 1), 14: (0, 2),
    15: (2, 1), 17: (0, 2), 18: (2, 1), 21: (2, 1), 23: (0, 1), 26: (2, 2), 33: (6, 1), 36: (2, 1), 39: (0, 1),
}  # fmt: skip
_NSAP_PTR = 23
MAX_RDATA = 65_535  # octets: RDLENGTH has 16 bits
_COMPRESSED_WHEN_SENT = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15})


class Message(NamedTuple):
    """A DNS message taken apart. `question` is (qname as sent, qtype, qclass), None when there is none."""

    id: int
    flags: int
    question: tuple[Name, int, int] | None
    answer: tuple[RR, ...]
    authority: tuple[RR, ...]
    additional: tuple[RR, ...]  # without OPT
    edns: edns.Edns | None

    @property
    def rcode(self) -> int:
        """The RCODE with its EDNS high bits."""
        return (self.edns.high_rcode << 4 if self.edns else 0) | self.flags & codes.RCODE_MASK


def make(owner: Name, rtype: int, ttl: int, rdata: bytes, rclass: int = codes.IN) -> RR:
    """One record. `ttl` in seconds, `rdata` at most 65,535 octets with uncompressed names."""
    return owner + _FIXED.pack(rtype, rclass, ttl, len(rdata)) + rdata


def owner(rr: RR) -> Name:
    """The owner name, case as it is."""
    return rr[: _end_of_owner(rr)]


def rtype(rr: RR) -> int:
    """The TYPE."""
    at = _end_of_owner(rr)
    return rr[at] << 8 | rr[at + 1]


def rclass(rr: RR) -> int:
    """The CLASS."""
    at = _end_of_owner(rr) + 2
    return rr[at] << 8 | rr[at + 1]


def ttl(rr: RR) -> int:
    """The TTL in seconds, as the 32 bits are (RFC 2181 section 8 wants the top one clear)."""
    return int.from_bytes(rr[(at := _end_of_owner(rr) + 4) : at + 4], "big")


def rdata(rr: RR) -> bytes:
    """The RDATA, names in it uncompressed."""
    return rr[_end_of_owner(rr) + 10 :]


def soa_serial(rr: RR) -> int:
    """The serial of an SOA (RFC 1035 section 3.3.13). WireError if its RDATA is too short for one."""
    fixed = rdata(rr)[-20:]  # SERIAL and the four times behind the two names
    if len(fixed) < 20:
        raise WireError("SOA cut short")
    return int.from_bytes(fixed[:4], "big")


def with_ttl(rr: RR, seconds: int) -> RR:
    """The same record with another TTL (0 to 2**32-1)."""
    at = _end_of_owner(rr) + 4
    return rr[:at] + _TTL.pack(seconds) + rr[at + 4 :]


def with_owner(rr: RR, name: Name) -> RR:
    """The same record with another owner."""
    return name + rr[_end_of_owner(rr) :]


def with_rdata(rr: RR, octets: bytes) -> RR:
    """The same record with other RDATA."""
    at = _end_of_owner(rr) + 8
    return rr[:at] + len(octets).to_bytes(2, "big") + octets


def canonical_rdata(rr: RR) -> bytes:
    """The RDATA as it is signed: names in lower case in the types of RFC 4034 section 6.2 and RFC 6840 section 5.1."""
    at = _end_of_owner(rr)
    kind, octets = rr[at] << 8 | rr[at + 1], rr[at + 10 :]
    if kind in _NAMES_IN and kind != _NSAP_PTR:
        lead, count = _NAMES_IN[kind]
    elif kind == codes.NAPTR:
        lead, count = _behind_strings(octets, 4, 3), 1
    elif kind == codes.RRSIG:
        lead, count = 18, 1
    else:
        return octets
    end = lead
    for _ in range(count):
        end = names.end_of(octets, end)
    return octets[:lead] + octets[lead:end].lower() + octets[end:]


def names_in(kind: int) -> tuple[int, int] | None:
    """Where a type's RDATA has names that a sender may compress: (octets before the first, how many), or None.

    Only the types of RFC 1035 (RFC 3597 section 4).
    """
    return _NAMES_IN.get(kind) if kind in _COMPRESSED_WHEN_SENT else None


def read_message(message: bytes, max_records: int = 20_000, qname_size: int = 0) -> Message:
    """Take a message apart. WireError unless it is whole: one question at most, counts, lengths and names right.

    Octets behind the last record are ignored, as CoreDNS does. The work is linear in the message's size. `qname_size`
    is how many octets its question's name has, where that was looked at already (wire.query.answers), or 0.
    """
    if len(message) < 12:
        raise WireError(f"message of {len(message)} octets: a header has 12")
    id_, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(message)
    if questions > 1 or answers + authorities + additionals > max_records:
        raise WireError(f"{questions} questions, {answers + authorities + additionals} records")
    question, at = _read_question(message, qname_size) if questions else (None, 12)
    answer, authority, additional, opt = read_sections(message, at, answers, authorities, additionals)
    return Message(id_, flags, question, answer, authority, additional, None if opt is None else opt_of(opt))


def read_record(message: bytes, at: int) -> tuple[RR, int]:
    """The record at an offset, its names decompressed, and the offset behind it. WireError if it is broken."""
    name, at = names.read(message, at)
    if at + 10 > len(message):
        raise WireError("record cut short")
    kind, _, _, length = _FIXED.unpack_from(message, at)
    end = at + 10 + length
    if end > len(message):
        raise WireError(f"RDATA of {length} octets runs past the message")
    return name + (_expanded(message, at, end, kind, names.NOTHING) if kind in _NAMES_IN else message[at:end]), end


def opt_of(rr: RR) -> edns.Edns:
    """The EDNS value of an OPT record. WireError if its options are broken."""
    return edns.from_record(rclass(rr), ttl(rr), rdata(rr))


def _read_question(message: bytes, size: int) -> tuple[tuple[Name, int, int], int]:
    qname, at = (message[12 : 12 + size], 12 + size) if size else names.read(message, 12)
    if at + 4 > len(message):
        raise WireError("question cut short")
    return (qname, message[at] << 8 | message[at + 1], message[at + 2] << 8 | message[at + 3]), at + 4


def read_sections_in_python(message: bytes, at: int, answers: int, authorities: int, additionals: int) -> Sections:
    """The records of the three sections, so many of each, from the offset `at` on; the OPT record, which is in none.

    Names are decompressed. WireError unless all of them are whole.
    """
    opts: list[RR] = []
    known: dict[bytes, Name] = {}
    answer, at = _read_section(message, at, answers, known, opts)
    authority, at = _read_section(message, at, authorities, known, opts)
    additional, at = _read_section(message, at, additionals, known, opts)
    return answer, authority, additional, opts[0] if opts else None


def _read_section(
    message: bytes, at: int, count: int, known: dict[bytes, Name], opts: list[RR]
) -> tuple[tuple[RR, ...], int]:
    """`known` are the names that the compression pointers met so far lead to: most owners are one of them."""
    found: list[RR] = []
    size, unpack = len(message), _FIXED.unpack_from
    for _ in range(count):
        pointer = message[at : at + 2]
        name = known.get(pointer)
        if name is not None:
            at += 2
        else:
            name, at = names.read(message, at, known)
            if pointer[0] >= 0xC0:
                known[pointer] = name
        if at + 10 > size or (end := at + 10 + (fixed := unpack(message, at))[3]) > size:
            raise WireError("record runs past the message")
        kind = fixed[0]
        rr = name + (_expanded(message, at, end, kind, known) if kind in _NAMES_IN else message[at:end])
        at = end
        if kind != codes.OPT:
            found.append(rr)
            continue
        if opts or rr[0]:
            raise WireError("a second OPT record, or one with an owner (RFC 6891 section 6.1.1)")
        opts.append(rr)
    return tuple(found), at


def _expanded(message: bytes, at: int, end: int, kind: int, known: Mapping[bytes, Name]) -> bytes:
    """A record behind its owner, from TYPE on, with the names in its RDATA decompressed."""
    octets = read_rdata(message, at + 10, end - at - 10, kind, known)
    return message[at : at + 8] + len(octets).to_bytes(2, "big") + octets


def read_rdata(message: bytes, at: int, length: int, kind: int, known: Mapping[bytes, Name] = names.NOTHING) -> bytes:
    """RDATA of a type at an offset, its names decompressed.

    WireError if a name in it is broken or runs past it, or if it is too long then.
    """
    if kind not in _NAMES_IN or not length:
        return message[at : at + length]
    end = at + length
    lead, count = _NAMES_IN[kind]
    parts = [message[at : at + lead]]
    at += lead
    for _ in range(count):
        name, at = names.read(message, at, known)
        parts.append(name)
    if at > end:
        raise WireError("a name in RDATA runs past it")
    octets = b"".join((*parts, message[at:end]))
    if len(octets) > MAX_RDATA:
        raise WireError(f"RDATA of {len(octets)} octets with its names decompressed")
    return octets


def _behind_strings(octets: bytes, at: int, count: int) -> int:
    """The offset behind so many character-strings. WireError if they run past the end."""
    for _ in range(count):
        if at >= len(octets):
            raise WireError("character-strings run past the RDATA")
        at += 1 + octets[at]
    return at


def _end_of_owner(rr: RR) -> int:
    at = 0
    while length := rr[at]:
        at += 1 + length
    return at + 1


SECTIONS = compiled.found("kdns.wire.sections", INTERFACE)
read_sections: Callable[[bytes, int, int, int, int], Sections]
read_sections = SECTIONS.read_sections if SECTIONS is not None else read_sections_in_python
