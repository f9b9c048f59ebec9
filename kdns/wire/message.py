"""The door to dnslib: records as text and as objects, for the paths where nobody waits for a microsecond.

dnslib parses and prints RDATA of the types it knows; what it does not know travels in the generic form of RFC 3597.
Nothing from the network reaches it unguarded: `records.read_message` has taken the message apart first, with bounds on
names, pointers and counts, so dnslib only ever sees single, uncompressed RDATA. Whatever it raises becomes WireError.
"""

import binascii
import re
import struct

from dnslib import QTYPE, RDMAP
from dnslib.buffer import BufferError as DnslibBufferError
from dnslib.dns import DNSBuffer, DNSError
from dnslib.label import DNSLabelError

from kdns.errors import WireError
from kdns.wire import codes, names, records
from kdns.wire.records import RR

_FAULTS = (
    DNSError, DNSLabelError, DnslibBufferError, ValueError, IndexError, KeyError, TypeError, AttributeError,
    struct.error, binascii.Error, OSError, RecursionError, WireError,
)  # fmt: skip


_STRINGS = frozenset({codes.TXT, codes.HINFO, 99})  # types that are character-strings only (RFC 1035 3.3.2, 3.3.14)
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)


def from_text(line: str, ttl: int = 3600) -> RR:
    """One record from one line of zone-file text, `OWNER [TTL] [CLASS] TYPE RDATA`, names absolute.

    `ttl` in seconds is the default. WireError for anything else than one record.
    """
    rclass = codes.IN
    try:
        owner, rest_text = line.split(maxsplit=1)
        word, _, rest_text = rest_text.partition(" ")
        while word.isdigit() or word.upper() in codes.CLASSES.values():
            ttl, rclass = (int(word), rclass) if word.isdigit() else (ttl, codes.class_number(word))
            word, _, rest_text = rest_text.lstrip().partition(" ")
        kind = codes.type_number(word)
        return records.make(names.parse(owner), kind, ttl, _rdata(kind, rest_text.strip()), rclass)
    except _FAULTS as fault:
        raise WireError(f"not a record: {line!r} ({fault})") from None


def to_text(rr: RR) -> str:
    """Zone-file text of a record: owner, TTL, class, type, RDATA, one blank between them."""
    kind = records.rtype(rr)
    lead = f"{names.show(records.owner(rr))} {records.ttl(rr)} {codes.class_name(records.rclass(rr))}"
    return f"{lead} {codes.type_name(kind)} {rdata_text(kind, records.rdata(rr))}"


def rdata_text(kind: int, rdata: bytes) -> str:
    """The RDATA of a type in presentation format, or as `\\# LENGTH HEX` where dnslib does not know it."""
    generic = f"\\# {len(rdata)} {rdata.hex()}".rstrip()
    if kind in _STRINGS:
        return " ".join(map(_quoted, _split_strings(rdata))) or generic
    name = QTYPE.forward.get(kind)
    if name not in RDMAP or not rdata:
        return generic
    try:
        return str(RDMAP[name].parse(DNSBuffer(rdata), len(rdata)))
    except _FAULTS:
        return generic


def _rdata(kind: int, text: str) -> bytes:
    if text.startswith("\\#"):
        length, octets = int(text.split()[1]), bytes.fromhex("".join(text.split()[2:]))
        if length != len(octets):
            raise WireError(f"{len(octets)} octets of RDATA where {length} were announced")
        return octets
    if kind in _STRINGS:
        return b"".join(bytes((len(part),)) + part for part in map(_unquoted, _TOKEN.findall(text)))
    buffer = DNSBuffer()
    RDMAP[QTYPE.forward[kind]].fromZone(["".join(token) for token in _TOKEN.findall(text)]).pack(buffer)
    return records.read_rdata(bytes(buffer.data), 0, len(buffer.data), kind)  # dnslib compresses inside of it


def _unquoted(token: tuple[str, str]) -> bytes:
    part = _ESCAPE.sub(_escaped, "".join(token).encode())
    if len(part) > 255:
        raise WireError(f"character-string of {len(part)} octets: at most 255 are allowed")
    return part


def _escaped(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1]),)) if match[1].isdigit() and len(match[1]) == 3 else match[1]


def _quoted(part: bytes) -> str:
    shown = (
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 32 <= octet < 127 else f"\\{octet:03d}"
        for octet in part
    )
    return f'"{"".join(shown)}"'


def _split_strings(rdata: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(rdata):
        found.append(rdata[at + 1 : at + 1 + rdata[at]])
        at += 1 + rdata[at]
    return found
