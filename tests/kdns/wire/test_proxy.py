"""PROXY headers: what each says, wherever they are cut, and which are none."""

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.wire import proxy
from kdns.wire.proxy import Ends, Header

SIGNATURE = proxy.SIGNATURES[1]
V4 = Ends(("192.0.2.1", 40000), ("198.51.100.2", 53))
V6 = Ends(("2001:db8::1", 40000), ("2001:db8::53", 53))
BOUNDS = Ends(("0.0.0.0", 0), ("255.255.255.255", 65535))

PORTS = st.integers(0, 0xFFFF)


def binary(ends: Ends | None, family: int, command: int = proxy.PROXY, more: bytes = b"") -> bytes:
    """A header of version 2, with `more` behind its addresses."""
    (source, port), (destination, to) = ends or (("", 0), ("", 0))
    packed = b"".join(ip_address(text).packed for text in (source, destination) if text)
    rest = packed + (port.to_bytes(2, "big") + to.to_bytes(2, "big") if ends else b"") + more
    return SIGNATURE + bytes((command, family)) + len(rest).to_bytes(2, "big") + rest


HEADERS = [
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 53\r\n", 1, V4, False, False),
    (b"PROXY TCP6 2001:db8::1 2001:DB8::53 40000 53\r\n", 1, V6, False, False),
    (b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::53 40000 53\r\n", 1, Ends(V4.source, V6.destination), False, False),
    (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", 1, BOUNDS, False, False),
    (b"PROXY UNKNOWN\r\n", 1, None, False, True),
    (b"PROXY UNKNOWN " + b"f" * 90 + b"\r\n", 1, None, False, True),
    (binary(V4, 0x11), 2, V4, False, False),
    (binary(V4, 0x12), 2, V4, True, False),
    (binary(V6, 0x21), 2, V6, False, False),
    (binary(V6, 0x22), 2, V6, True, False),
    (binary(V4, 0x12, more=b"\x04\x00\x01\x00"), 2, V4, True, False),
    (binary(V6, 0x21, more=b"\x20" * (4096 - 36)), 2, V6, False, False),
    (binary(None, 0x31, more=bytes(216)), 2, None, False, False),
    (binary(None, 0x00, proxy.LOCAL), 2, None, False, True),
    (binary(None, 0x00, proxy.LOCAL, more=b"\x04\x00\x01\x00"), 2, None, False, True),
    (binary(V4, 0x12, proxy.LOCAL), 2, None, True, True),
    (binary(None, 0x11, proxy.LOCAL), 2, None, False, True),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "version", "ends", "is_datagram", "is_local"), HEADERS)
def test_a_header_says_who_the_client_is_and_ends_where_it_ends(
    octets: bytes, version: int, ends: Ends | None, is_datagram: bool, is_local: bool
) -> None:
    expected = Header(version, len(octets), ends, is_datagram, is_local)

    assert proxy.read(octets) == proxy.read(octets + b"PROXY TCP4\r\n") == expected


@pytest.mark.parametrize("octets", [row[0] for row in HEADERS])
def test_a_header_is_known_by_its_signature_and_not_read_before_it_is_whole(octets: bytes) -> None:
    for size in range(len(octets)):
        part = octets[:size]
        assert proxy.may_begin(part)
        if proxy.begins(part):
            assert proxy.read(part) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::1 1 2\r\n",
        b"PROXY TCP4 localhost 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 \xff 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 080 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 \r\n",
        b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
        SIGNATURE + b"\x11\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x13\0\x0c" + bytes(12),
        SIGNATURE + b"\x20\x13\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x00\0\x00",
        SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x31\0\x24" + bytes(36),
        SIGNATURE + b"\x21\x11\x10\x01",
        SIGNATURE + b"\x20\x00\xff\xff",
    ],
)
def test_what_begins_as_a_header_and_goes_on_otherwise_is_an_error(octets: bytes) -> None:
    with pytest.raises(WireError, match="PROXY"):
        proxy.read(octets)


@pytest.mark.parametrize("octets", [b"x", b"PROXI", b"\r\n\r\n\0\r\nQUIT\r", b"\0\x1d\x12\x34", b"PQ"])
def test_other_octets_are_not_taken_for_one(octets: bytes) -> None:
    assert not proxy.begins(octets)
    assert not proxy.may_begin(octets)


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), PORTS, PORTS, st.binary(max_size=64), st.booleans())
def test_what_is_written_is_read_in_both_versions(
    source: Any, destination: Any, port: int, to: int, tlvs: bytes, is_datagram: bool
) -> None:
    ends = Ends((str(source), port), (str(destination), to))
    line = f"PROXY TCP4 {source} {destination} {port} {to}\r\n".encode()
    octets = binary(ends, 0x12 if is_datagram else 0x11, more=tlvs)

    assert proxy.read(line) == Header(1, len(line), ends)
    assert proxy.read(octets + b"more") == Header(2, len(octets), ends, is_datagram)


@given(st.sampled_from([*proxy.SIGNATURES, SIGNATURE + b"\x21"]), st.binary(max_size=300))
def test_any_octets_behind_a_signature_are_a_header_or_a_wire_error(signature: bytes, rest: bytes) -> None:
    try:
        header = proxy.read(signature + rest)
    except WireError:
        return
    assert header is None or len(signature) <= header.size <= len(signature + rest)
