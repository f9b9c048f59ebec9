"""Records from values: the RDATA of the types that kdns makes itself, everything uncompressed."""

from struct import Struct

from kdns.wire import codes
from kdns.wire.names import Name
from kdns.wire.records import RR

_FIXED = Struct("!HHIH")
_SRV = Struct("!HHIHHHH")
_SOA = Struct("!IIIII")


def address(owner: Name, ttl: int, packed: bytes) -> RR:
    """A or AAAA, by the length of the packed address (4 or 16 octets)."""
    kind = codes.A if len(packed) == 4 else codes.AAAA
    return owner + _FIXED.pack(kind, codes.IN, ttl, len(packed)) + packed


def to_name(owner: Name, kind: int, ttl: int, target: Name) -> RR:
    """A record whose RDATA is one name: NS, CNAME, PTR, DNAME."""
    return owner + _FIXED.pack(kind, codes.IN, ttl, len(target)) + target


def srv(owner: Name, ttl: int, weight: int, port: int, target: Name, priority: int = 0) -> RR:
    """SRV (RFC 2782)."""
    return owner + _SRV.pack(codes.SRV, codes.IN, ttl, 6 + len(target), priority, weight, port) + target


def txt(owner: Name, ttl: int, *strings: bytes) -> RR:
    """TXT of character-strings of at most 255 octets each."""
    rdata = b"".join(bytes((len(string),)) + string for string in strings)
    return owner + _FIXED.pack(codes.TXT, codes.IN, ttl, len(rdata)) + rdata


def soa(owner: Name, ttl: int, mname: Name, rname: Name, serial: int, *, minimum: int) -> RR:
    """SOA with CoreDNS's timers: refresh 7200, retry 1800, expire 86400 seconds (RFC 1035 section 3.3.13)."""
    rdata = mname + rname + _SOA.pack(serial & 0xFFFFFFFF, 7200, 1800, 86400, minimum)
    return owner + _FIXED.pack(codes.SOA, codes.IN, ttl, len(rdata)) + rdata
