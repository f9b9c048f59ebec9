"""Messages between two processes of one server."""

import asyncio
import socket

from kdns.transport.channel import CHANGE, COUNTED, READY, Channel


class End:
    """One end of a pair, and what came out of it."""

    def __init__(self) -> None:
        self.came: list[tuple[bytes, bytes]] = []
        self.channel = Channel(
            lambda kind, octets: self.came.append((kind, octets)), lambda: self.came.append((b"", b""))
        )


async def pair() -> tuple[End, socket.socket]:
    """An open end, and the socket of the other."""
    here, there = socket.socketpair()
    for sock in (here, there):
        sock.setblocking(False)
    end = End()
    await end.channel.open(here)
    return end, there


async def test_messages_come_whole_and_in_order_however_they_are_cut() -> None:
    end, there = await pair()
    octets = b"\0\0\0\0R" + b"\0\0\0\3cabc" + b"\0\0\0\0N"
    loop = asyncio.get_running_loop()
    for octet in octets:
        await loop.sock_sendall(there, bytes((octet,)))
    there.close()
    await end.channel.ended()

    assert end.came == [(READY, b""), (CHANGE, b"abc"), (COUNTED, b""), (b"", b"")]


async def test_what_is_told_before_it_is_open_comes_first() -> None:
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    one, other = End(), End()
    one.channel.tell(CHANGE, b"early")
    await one.channel.open(here)
    await other.channel.open(there)
    one.channel.tell(CHANGE, bytes(1 << 20))
    await one.channel.close()
    await other.channel.ended()

    assert other.came == [(CHANGE, b"early"), (CHANGE, bytes(1 << 20)), (b"", b"")]


async def test_one_that_does_not_read_is_given_up() -> None:
    end, there = await pair()
    for _ in range(65):
        end.channel.tell(CHANGE, bytes(1 << 20))
    await end.channel.ended()
    end.channel.tell(READY)
    there.close()

    assert end.came == [(b"", b"")]
