"""The query as it came: header, question and OPT, read from the octets in one pass.

Refused here, before anything is made of it, is what CoreDNS's DNS library refuses: no reply at all to a short message
or a response; NOTIMP to unknown opcodes; FORMERR to wrong counts or octets that do not unpack.
"""

from struct import Struct
from typing import NamedTuple

from kdns.errors import WireError
from kdns.wire import codes, names, records
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from kdns.wire.records import RR

_HEADER = Struct("!HHHHHH")
_TAIL = Struct("!HH")


class Question(NamedTuple):
    """One question with what came around it. `qname` keeps the client's case, `key` is its lower-cased form.

    `authority` is its authority section: the SOA that the client of an IXFR has (RFC 1995 section 3). `signed` is the
    whole message if it has a transaction signature (wire.tsig), else empty. `answer` is the answer section: what an
    UPDATE presupposes, its changes being the authority section (RFC 2136 section 2).
    """

    id: int
    flags: int
    qname: Name
    key: Name
    qtype: int
    qclass: int
    edns: Edns | None = None
    authority: tuple[RR, ...] = ()
    signed: bytes = b""
    answer: tuple[RR, ...] = ()

    @property
    def is_update(self) -> bool:
        """Whether it is a dynamic update."""
        return self.flags & codes.OPCODE_MASK == codes.UPDATE << 11

    @property
    def do(self) -> bool:
        """Whether the client asked for DNSSEC records (EDNS DO)."""
        return self.edns is not None and self.edns.do

    def with_flags(self, flags: int) -> "Question":
        """The same with other header bits."""
        id_, _, qname, key, qtype, qclass, edns, authority, signed, answer = self
        return Question(id_, flags, qname, key, qtype, qclass, edns, authority, signed, answer)


def parse(packet: bytes) -> Question:
    """The question of a query that `refusal` let through. WireError for octets that do not unpack (FORMERR)."""
    id_, flags, _, answers, authorities, additionals = _HEADER.unpack_from(packet)
    end = names.end_of(packet, 12)
    if end + 4 > len(packet):
        raise WireError("question cut short")
    qname = packet[12:end]
    qtype, qclass = _TAIL.unpack_from(packet, end)
    if not (answers or authorities or additionals):
        return Question(id_, flags, qname, qname.lower(), qtype, qclass)
    found, rest = _read_records(packet, end + 4, answers + authorities)
    additional, _ = _read_records(packet, rest, additionals)
    signed = packet if additional and records.rtype(additional[-1]) == codes.TSIG else b""
    opt = _opt(additional)
    return Question(id_, flags, qname, qname.lower(), qtype, qclass, opt, found[answers:], signed, found[:answers])


def _read_records(packet: bytes, at: int, count: int) -> tuple[tuple[RR, ...], int]:
    found = []
    for _ in range(count):
        rr, at = records.read_record(packet, at)
        found.append(rr)
    return tuple(found), at


def _opt(additional: tuple[RR, ...]) -> Edns | None:
    found = [rr for rr in additional if records.rtype(rr) == codes.OPT]
    if len(found) > 1 or any(rr[0] for rr in found):
        raise WireError("a second OPT record, or one with an owner (RFC 6891 section 6.1.1)")
    return records.opt_of(found[0]) if found else None


def refusal(packet: bytes, *, updates: bool = False) -> int | None:
    """The RCODE with which a packet of 12 octets or more is turned away by its header alone, or None.

    NOTIMP for opcodes other than QUERY and NOTIFY, and UPDATE if `updates` are taken; FORMERR for counts other than one
    question, at most one answer and authority and two additional records; an UPDATE has as many as it likes.
    """
    _, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(packet)
    opcode = (flags & codes.OPCODE_MASK) >> 11
    if updates and opcode == codes.UPDATE:
        return None if questions == 1 else codes.FORMERR
    if opcode not in (codes.QUERY, codes.NOTIFY):
        return codes.NOTIMP
    if questions != 1 or answers > 1 or authorities > 1 or additionals > 2:
        return codes.FORMERR
    return None
