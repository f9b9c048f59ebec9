"""Headers of the PROXY protocol, versions 1 (a line of text) and 2 (octets): who a proxy's client is.

The specification is HAProxy's, https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; sections are those of it. A
header is recognized by its signature alone; what has one and does not go on as it should is an error, never data.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from kdns.errors import WireError

SIGNATURES = (b"PROXY", b"\r\n\r\n\0\r\nQUIT\n")  # of version 1 and of version 2
LONGEST_LINE = 107  # octets of a version 1 header, its line end included (section 2.1)
FIXED = 16  # octets in front of the addresses of a version 2 header
LONGEST_REST = 4096  # octets behind them that are accepted: room for a certificate among the TLVs, not for a flood
LONGEST = FIXED + LONGEST_REST

LOCAL, PROXY = 0x20, 0x21  # version and command
UNSPECIFIED = 0x00
# Family and transport (section 2.2): octets of the addresses and ports, octets of one address (0: a Unix path).
_LAYOUTS = {0x00: (0, 0), 0x11: (12, 4), 0x12: (12, 4), 0x21: (36, 16), 0x22: (36, 16), 0x31: (216, 0), 0x32: (216, 0)}
_DATAGRAMS = (0x12, 0x22)

End = tuple[str, int]  # address and port


class Ends(NamedTuple):
    """The client as the proxy sees it, and what it connected to."""

    source: End
    destination: End


class Header(NamedTuple):
    """A header of `size` octets. `ends` is None where it names none: a proxy's own connection, or Unix paths.

    `is_datagram`: the client speaks UDP to the proxy. `is_local`: the proxy speaks for itself (a health check).
    """

    version: int
    size: int
    ends: Ends | None
    is_datagram: bool = False
    is_local: bool = False


def begins(octets: bytes) -> bool:
    """Whether the octets start with a header's signature."""
    return octets.startswith(SIGNATURES)


def may_begin(octets: bytes) -> bool:
    """Whether more octets behind these could make a signature of them, or they have one."""
    return any(signature.startswith(octets[: len(signature)]) for signature in SIGNATURES)


def read(octets: bytes) -> Header | None:
    """The header that the octets, which begin with a signature, start with; None if it is not whole yet.

    WireError for one that is broken, or longer than LONGEST.
    """
    return _line(octets) if octets.startswith(SIGNATURES[0]) else _binary(octets)


def _line(octets: bytes) -> Header | None:
    end = octets.find(b"\n", 0, LONGEST_LINE) + 1
    if not end:
        if len(octets) >= LONGEST_LINE:
            raise WireError(f"a PROXY line of more than {LONGEST_LINE} octets")
        return None
    words = octets[:end].split(b" ")
    if not octets[:end].endswith(b"\r\n") or len(words) < 2 or words[0] != b"PROXY":
        raise WireError("no PROXY line")
    words[-1] = words[-1][:-2]
    if words[1] == b"UNKNOWN":  # "the receiver must ignore anything presented before the CRLF" (section 2.1)
        return Header(1, end, None, is_local=True)
    if words[1] not in (b"TCP4", b"TCP6") or len(words) != 6:
        raise WireError("a PROXY line without protocol, two addresses and two ports")
    version = 4 if words[1] == b"TCP4" else 6
    source, destination = (_text(word, version) for word in words[2:4])
    return Header(1, end, Ends((source, _port(words[4])), (destination, _port(words[5]))))


def _text(word: bytes, version: int) -> str:
    try:
        address = ip_address(word.decode("ascii"))
    except ValueError:
        raise WireError(f"no address in a PROXY line: {word!r}") from None
    if address.version != version or b"%" in word:
        raise WireError(f"no IPv{version} address in a PROXY line: {word!r}")
    return _shown(address)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (word.startswith(b"0") and word != b"0") or int(word) > 0xFFFF:
        raise WireError(f"no port in a PROXY line: {word!r}")
    return int(word)


def _binary(octets: bytes) -> Header | None:
    if len(octets) < FIXED:
        return None
    command, family = octets[12], octets[13]
    if command not in (LOCAL, PROXY):
        raise WireError(f"a PROXY header of unknown version or command 0x{command:02x}")
    if family not in _LAYOUTS or (family == UNSPECIFIED and command == PROXY):
        raise WireError(f"a PROXY header of unknown family 0x{family:02x}")
    length = int.from_bytes(octets[14:FIXED], "big")
    needed, width = _LAYOUTS[family]
    if length > LONGEST_REST or (length < needed and command == PROXY):
        raise WireError(f"a PROXY header with {length} octets behind its family")
    size = FIXED + length
    if len(octets) < size:
        return None
    # A LOCAL header's addresses are to be passed over, whatever they are (section 2.2).
    ends = _ends(octets[FIXED : FIXED + needed], width) if width and command == PROXY else None
    return Header(2, size, ends, family in _DATAGRAMS, command == LOCAL)


def _ends(octets: bytes, width: int) -> Ends:
    kind = IPv4Address if width == 4 else IPv6Address
    source, destination = _shown(kind(octets[:width])), _shown(kind(octets[width : 2 * width]))
    ports = octets[2 * width :]
    return Ends((source, int.from_bytes(ports[:2], "big")), (destination, int.from_bytes(ports[2:], "big")))


def _shown(address: IPv4Address | IPv6Address) -> str:
    """The address as a socket shows it; an IPv4-mapped one as the IPv4 address that it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
