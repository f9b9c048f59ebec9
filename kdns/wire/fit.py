"""A Reply as the packet that its client can take: header, question, records, OPT; compression and TC where needed.

The rules are CoreDNS's (its ScrubWriter over Truncate of its DNS library): a reply that fits as it is goes out
uncompressed; one that does not is compressed, and if that is not enough records are kept in order up to the first that
does not fit, and TC is set. OPT is answered with OPT, at the client's own size.
"""

from collections.abc import Iterable, Iterator
from struct import Struct

from kdns.wire import codes, edns, names, records
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR

_HEADER = Struct("!HHHHHH")
_TAIL = Struct("!HH")

MAX_TCP = 65_535  # octets: the length prefix has 16 bits (RFC 1035 section 4.2.2)
BATCH = 63_000  # octets of records in one message of a zone transfer, as CoreDNS has it
MIN_UDP = 512  # octets, whatever a client says (RFC 6891 section 6.2.3)
MTU_IPV4, MTU_IPV6 = 1480, 1220  # octets of UDP payload above which a reply is compressed though it would fit

ECHOED = frozenset({edns.NSID, edns.EXPIRE, edns.COOKIE, edns.KEEPALIVE, edns.PADDING})

Sections = tuple[tuple[RR, ...], tuple[RR, ...], tuple[RR, ...]]


def limits(question: Question, proto: str, is_ipv6: bool, bound: int = 0) -> tuple[int, int]:
    """(octets that a reply may have, octets above which it is compressed). `bound` > 0 lowers the client's size."""
    if proto != "udp":
        return MAX_TCP, MAX_TCP
    size = question.edns.size if question.edns else MIN_UDP
    return max(MIN_UDP, min(size, bound) if bound else size), MTU_IPV6 if is_ipv6 else MTU_IPV4


def flags(question: Question, set_flags: int, rcode: int) -> int:
    """The header's second word: opcode as asked, RD and CD as asked (of a QUERY), the flags to set and the RCODE."""
    opcode = question.flags & codes.OPCODE_MASK
    copied = 0 if opcode else question.flags & (codes.RD | codes.CD)
    return codes.QR | opcode | copied | set_flags | rcode & codes.RCODE_MASK


def opt(asked: Edns | None, given: Edns | None, rcode: int, size: int, echoed: frozenset[int] = ECHOED) -> bytes:
    """The OPT record of a reply in wire form, or b"": `asked` is the client's, `given` a plugin's or an upstream's.

    A client that sent none gets one only if a plugin made one. `size` is what it says of the UDP size; of the client's
    own options those in `echoed` come back when there are no others.
    """
    if asked is None:
        return edns.to_record(given._replace(high_rcode=rcode >> 4)) if given else b""
    if given is None:
        options = [(code, data) for code, data in edns.each_option(asked.options) if code in echoed]
        return edns.to_record(Edns(size, edns.pack_options(options), asked.flags & edns.DO, 0, rcode >> 4))
    kept = given.flags & 0xFF00 | asked.flags & edns.DO
    return edns.to_record(Edns(size, given.options, kept, 0, rcode >> 4))


def uncompressed_size(question: Question, sections: Sections, opt_record: bytes = b"") -> int:
    """Octets of the whole message before compression."""
    answer, authority, additional = sections
    records_size = sum(map(len, answer)) + sum(map(len, authority)) + sum(map(len, additional))
    return 16 + len(question.qname) + records_size + len(opt_record)


def fit(question: Question, word: int, sections: Sections, opt_record: bytes, limit: int, compress_above: int) -> bytes:
    """The packet, at most `limit` octets. `word` is the header's second word; see `flags`, `opt`, `limits`."""
    answer, authority, additional = sections
    ask = question.qname + _TAIL.pack(question.qtype, question.qclass)
    body = b"".join((ask, *answer, *authority, *additional, opt_record))
    if 12 + len(body) <= limit and 12 + len(body) <= compress_above:
        counts = len(answer), len(authority), len(additional) + bool(opt_record)
        return _HEADER.pack(question.id, word, 1, *counts) + body
    return _compressed(question, word, (answer, authority, additional), opt_record, limit)


def split(question: Question, word: int, answer: Iterable[RR], opt_record: bytes) -> Iterator[bytes]:
    """A zone transfer as messages of up to BATCH octets of records, each with the question (RFC 5936 section 2.2)."""
    tail = question.qname + _TAIL.pack(question.qtype, question.qclass)
    batch: list[RR] = []
    size = 0

    def message() -> bytes:
        head = _HEADER.pack(question.id, word, 1, len(batch), 0, bool(opt_record))
        whole = b"".join((head, tail, *batch, opt_record))
        if len(whole) <= MAX_TCP:
            return whole
        return _compressed(question, word, (tuple(batch), (), ()), opt_record, MAX_TCP)

    for rr in answer:
        if batch and size + len(rr) > BATCH:
            yield message()
            batch, size = [], 0
        batch.append(rr)
        size += len(rr)
    yield message()


def header_only(packet: bytes, rcode: int, keep_opcode: bool) -> bytes:
    """The 12 octets by which a message is refused that was not taken apart: ID and all flags but AA and Z as sent."""
    id_, word, *_ = _HEADER.unpack_from(packet)
    kept = word & (codes.TC | codes.RD | codes.RA | codes.AD | codes.CD | (codes.OPCODE_MASK if keep_opcode else 0))
    return _HEADER.pack(id_, codes.QR | kept | rcode, 0, 0, 0, 0)


def _compressed(question: Question, word: int, sections: Sections, opt_record: bytes, limit: int) -> bytes:
    offsets: dict[Name, int] = {}
    message = bytearray(12)
    _write_name(message, question.qname, offsets)
    message += _TAIL.pack(question.qtype, question.qclass)
    room = limit - len(opt_record)
    counts = [0, 0, 0]
    whole = True
    for number, rr in [(number, rr) for number, section in enumerate(sections) for rr in section]:
        start = len(message)
        _write_record(message, rr, offsets)
        if whole := len(message) <= room:
            counts[number] += 1
            continue
        del message[start:]
        break
    counts[2] += bool(opt_record)
    _HEADER.pack_into(message, 0, question.id, word if whole else word | codes.TC, 1, *counts)
    return bytes(message + opt_record)


def _write_record(message: bytearray, rr: RR, offsets: dict[Name, int]) -> None:
    end = names.end_of(rr, 0)
    _write_name(message, rr[:end], offsets)
    message += rr[end : end + 10]
    spot = records.names_in(rr[end] << 8 | rr[end + 1])
    if spot is None:
        message += rr[end + 10 :]
        return
    start = len(message)
    at, count = end + 10 + spot[0], spot[1]
    message += rr[end + 10 : at]
    for _ in range(count):
        after = names.end_of(rr, at)
        _write_name(message, rr[at:after], offsets)
        at = after
    message += rr[at:]
    message[start - 2 : start] = (len(message) - start).to_bytes(2, "big")


def _write_name(message: bytearray, name: Name, offsets: dict[Name, int]) -> None:
    at = 0
    while length := name[at]:
        rest = name[at:]
        pointer = offsets.get(rest)
        if pointer is not None:
            message += (0xC000 | pointer).to_bytes(2, "big")
            return
        if len(message) < 0x4000:
            offsets[rest] = len(message)
        message += name[at : at + 1 + length]
        at += 1 + length
    message.append(0)
