"""EDNS(0): the OPT pseudo-record as a value (RFC 6891 section 6).

Options stay octets (code, length, data one behind the other) until somebody asks for one of them.
"""

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

from kdns.errors import WireError

_HEAD = Struct("!BHHIH")  # root name, type, class = size, ttl = rcode/version/flags, rdlength
_OPTION = Struct("!HH")

DO = 0x8000  # "DNSSEC OK", the top bit of the flags (RFC 3225)
NSID, ECS, EXPIRE, COOKIE, KEEPALIVE, PADDING, EDE = 3, 8, 9, 10, 11, 12, 15  # option codes (IANA)


class Edns(NamedTuple):
    """What an OPT record says: the sender's UDP size in octets, the high RCODE bits, version, flags and options."""

    size: int
    options: bytes = b""
    flags: int = 0
    version: int = 0
    high_rcode: int = 0

    @property
    def do(self) -> bool:
        """Whether DNSSEC records are wanted."""
        return bool(self.flags & DO)


def from_record(rclass: int, ttl: int, rdata: bytes) -> Edns:
    """The value of an OPT record's CLASS, TTL and RDATA. WireError if an option runs past the end."""
    for _ in each_option(rdata):
        pass
    return Edns(rclass, rdata, ttl & 0xFFFF, ttl >> 16 & 0xFF, ttl >> 24)


def to_record(edns: Edns) -> bytes:
    """The OPT record in wire form."""
    ttl = edns.high_rcode << 24 | edns.version << 16 | edns.flags
    return _HEAD.pack(0, 41, edns.size, ttl, len(edns.options)) + edns.options


def each_option(options: bytes) -> Iterator[tuple[int, bytes]]:
    """(code, data) of every option in order. WireError if one runs past the end."""
    at = 0
    while at < len(options):
        if at + 4 > len(options):
            raise WireError("EDNS option cut short")
        code, length = _OPTION.unpack_from(options, at)
        if at + 4 + length > len(options):
            raise WireError(f"EDNS option {code} of {length} octets runs past the record")
        yield code, options[at + 4 : at + 4 + length]
        at += 4 + length


def option(options: bytes, code: int) -> bytes | None:
    """The data of the first option with this code, or None."""
    return next((data for found, data in each_option(options) if found == code), None)


def pack_options(options: Iterable[tuple[int, bytes]]) -> bytes:
    """(code, data) pairs as the RDATA of an OPT record."""
    return b"".join(_OPTION.pack(code, len(data)) + data for code, data in options)
