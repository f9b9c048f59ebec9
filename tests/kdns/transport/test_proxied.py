"""Proxies in front of a listener: what is believed, passed over, refused, and remembered."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.errors import WireError
from kdns.transport.proxied import Mode, Proxying, Sessions
from kdns.wire import proxy
from kdns.wire.proxy import End, Ends

PEER = ("127.0.0.1", 4711)
CLIENT, SERVICE = ("192.0.2.1", 40000), ("198.51.100.2", 53)
NONE = Sessions(0, 1)


def header(family: int, command: int = proxy.PROXY) -> bytes:
    packed = ip_address(CLIENT[0]).packed + ip_address(SERVICE[0]).packed
    rest = packed + CLIENT[1].to_bytes(2, "big") + SERVICE[1].to_bytes(2, "big")
    return proxy.SIGNATURES[1] + bytes((command, family)) + len(rest).to_bytes(2, "big") + rest


LINE = b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 53\r\n"
UDP, TCP = header(0x12), header(0x11)


def proxying(mode: Mode, sessions: Sessions = NONE) -> tuple[Proxying, list[str]]:
    warned: list[str] = []
    return Proxying(lambda address: mode, warned.append, sessions), warned


@pytest.mark.parametrize(
    ("mode", "datagram", "expected"),
    [
        (Mode.USE, UDP + b"query", (b"query", CLIENT)),
        (Mode.USE, b"query", (b"query", PEER)),
        (Mode.USE, header(0x12, proxy.LOCAL) + b"query", (b"query", PEER)),
        (Mode.USE, proxy.SIGNATURES[1] + b"\x20\0\0\0query", (b"query", PEER)),
        (Mode.IGNORE, UDP + b"query", (b"query", PEER)),
        (Mode.IGNORE, b"query", (b"query", PEER)),
        (Mode.REJECT, b"query", (b"query", PEER)),
        (Mode.SKIP, UDP + b"query", (UDP + b"query", PEER)),
        (Mode.USE, b"PROX", (b"PROX", PEER)),
    ],
)
def test_a_datagram_is_of_whom_its_header_says_if_that_is_believed(
    mode: Mode, datagram: bytes, expected: tuple[bytes, End]
) -> None:
    listener, warned = proxying(mode)

    assert listener.datagram(datagram, PEER, 0.0) == expected
    assert not warned


@pytest.mark.parametrize(
    ("mode", "datagram", "words"),
    [
        (Mode.REJECT, UDP + b"query", "rejected by Proxy Protocol connection policy"),
        (Mode.USE, LINE + b"query", "unsupported Proxy Protocol version 1"),
        (Mode.USE, TCP + b"query", "not UDP type"),
        (Mode.IGNORE, UDP[:-1], "cut short"),
        (Mode.USE, proxy.SIGNATURES[1] + b"\x31\x12\0\0", "unknown version or command 0x31"),
    ],
)
def test_a_datagram_with_a_wrong_header_is_dropped_and_told_of(mode: Mode, datagram: bytes, words: str) -> None:
    listener, warned = proxying(mode)

    assert listener.datagram(datagram, PEER, 0.0) is None
    (warning,) = warned
    assert warning.startswith("dropping invalid Proxy Protocol packet from 127.0.0.1:4711: ")
    assert words in warning


def test_a_flood_of_wrong_headers_is_warned_of_once_a_second() -> None:
    listener, warned = proxying(Mode.USE)
    for tenth in range(12):
        listener.datagram(LINE, PEER, 100 + tenth / 10)

    first, second = warned
    assert "others" not in first
    assert second.endswith(" (and 9 others before)")


def test_a_header_alone_tells_of_the_datagrams_that_come_without() -> None:
    listener, warned = proxying(Mode.USE, Sessions(10, 5))

    assert listener.datagram(UDP, PEER, 0.0) is None
    assert listener.datagram(b"one", PEER, 9.0) == (b"one", CLIENT)
    assert listener.datagram(b"two", PEER, 18.0) == (b"two", CLIENT)  # each one makes it last longer
    assert listener.datagram(b"other", ("127.0.0.1", 4712), 18.0) == (b"other", ("127.0.0.1", 4712))
    assert listener.datagram(b"late", PEER, 28.0) == (b"late", PEER)
    assert not warned


def test_who_may_not_name_clients_has_no_sessions() -> None:
    sessions = Sessions(10, 5)
    sessions.put(PEER, CLIENT, 0.0)
    listener, _ = proxying(Mode.IGNORE, sessions)

    assert listener.datagram(b"query", PEER, 1.0) == (b"query", PEER)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 4)), max_size=40))
def test_sessions_agree_with_a_plain_list_of_what_was_seen(steps: list[tuple[bool, int, int]]) -> None:
    sessions, model, now = Sessions(10, 3), dict[int, tuple[End, int]](), 0
    for is_put, peer, pause in steps:
        now += pause
        if is_put:
            sessions.put(peer, (f"client{now}", peer), now)
            model.pop(peer, None)
            model[peer] = (f"client{now}", peer), now + 10
            model = dict(list(model.items())[-3:])
            continue
        source, until = model.pop(peer, (None, 0))
        expected = source if source is not None and now < until else None
        assert sessions.find(peer, now) == expected
        if expected is not None:
            model[peer] = expected, now + 10


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """A client's socket and the accepted one."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.setblocking(False)
            client.setblocking(False)
            yield client, accepted


@pytest.mark.parametrize(
    ("mode", "octets", "ends", "left"),
    [
        (Mode.USE, LINE + b"query", Ends(CLIENT, SERVICE), b"query"),
        (Mode.USE, TCP + b"query", Ends(CLIENT, SERVICE), b"query"),
        (Mode.USE, UDP + b"query", Ends(CLIENT, SERVICE), b"query"),
        (Mode.USE, b"PROXY UNKNOWN\r\nquery", None, b"query"),
        (Mode.USE, b"query", None, b"query"),
        (Mode.USE, b"\r\n\r\nquery", None, b"\r\n\r\nquery"),
        (Mode.IGNORE, TCP + b"query", None, b"query"),
        (Mode.REJECT, b"query", None, b"query"),
        (Mode.SKIP, TCP + b"query", None, TCP + b"query"),
    ],
)
async def test_the_header_is_taken_off_a_connection_and_nothing_else(
    mode: Mode, octets: bytes, ends: Any, left: bytes
) -> None:
    listener, _ = proxying(mode)
    async with connected() as (client, accepted):
        client.send(octets)

        assert await listener.connection(accepted, "127.0.0.1", 10) == ends
        assert accepted.recv(9000) == left


@pytest.mark.parametrize("octets", [LINE, TCP])
async def test_a_header_may_come_octet_by_octet(octets: bytes) -> None:
    listener, _ = proxying(Mode.USE)
    async with connected() as (client, accepted):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reading = asyncio.create_task(listener.connection(accepted, "127.0.0.1", 10))
        for octet in octets:
            client.send(bytes((octet,)))
            await asyncio.wait({reading}, timeout=0)
        client.send(b"!")

        assert await reading == Ends(CLIENT, SERVICE)
        assert await asyncio.get_running_loop().sock_recv(accepted, 9000) == b"!"


@pytest.mark.parametrize(
    ("mode", "octets", "words"),
    [
        (Mode.REJECT, TCP, "rejected"),
        (Mode.IGNORE, b"PROXY TCP4 nonsense\r\n", "PROXY line"),
        (Mode.USE, TCP[:-1], "cut short"),
    ],
)
async def test_a_connection_with_a_wrong_header_is_an_error(mode: Mode, octets: bytes, words: str) -> None:
    listener, _ = proxying(mode)
    async with connected() as (client, accepted):
        client.send(octets)
        client.shutdown(socket.SHUT_WR)

        with pytest.raises(WireError, match=words):
            await listener.connection(accepted, "127.0.0.1", 10)


@pytest.mark.parametrize("octets", [b"", b"\r\n\r", b"PRO"])
async def test_a_connection_that_ends_before_anything_is_said_has_no_header(octets: bytes) -> None:
    listener, _ = proxying(Mode.USE)
    async with connected() as (client, accepted):
        client.send(octets)
        client.shutdown(socket.SHUT_WR)

        assert await listener.connection(accepted, "127.0.0.1", 10) is None
        assert accepted.recv(9000) == octets


@pytest.mark.parametrize("octets", [b"", b"PROXY TCP4 "])
async def test_a_header_that_does_not_come_in_time_ends_the_connection(octets: bytes) -> None:
    listener, _ = proxying(Mode.USE)
    async with connected() as (client, accepted):
        client.send(octets)

        with pytest.raises(WireError, match="nothing came in time"):
            await listener.connection(accepted, "127.0.0.1", 0.0)
