"""Queries that are begun in one turn of the event loop leave together, and each hears once of what became of it."""

import asyncio
from contextlib import closing
from socket import SOCK_DGRAM, socket
from typing import Any

from kdns.errors import UpstreamError
from kdns.transport.address import Address
from kdns.transport.datagram import Datagram
from kdns.transport.expiry import Expiry
from kdns.transport.pending import Outcome
from kdns.wire import query
from tests.kdns.asking import question
from tests.kdns.upstream import address_of_name, silence, upstream

ASKED = [question(f"n{number}.example.org. A") for number in range(20)]


def begun(port: int) -> tuple[Datagram, list["asyncio.Future[Outcome]"]]:
    """A socket to that port, and what the queries that were just begun on it will hear."""
    loop = asyncio.get_running_loop()
    datagram = Datagram(Address("dns", "127.0.0.1", port), "", loop, Expiry())
    heard: list[asyncio.Future[Outcome]] = [loop.create_future() for _ in ASKED]
    for asked, future in zip(ASKED, heard, strict=True):
        datagram.begin(asked, query.pack(asked, 0), loop.time() + 5.0, future.set_result)
    return datagram, heard


async def test_each_query_hears_its_own_reply() -> None:
    async with upstream(address_of_name) as there:
        datagram, heard = begun(there.port)
        with closing(datagram):
            found = await asyncio.gather(*heard)
    for asked, octets in zip(ASKED, found, strict=True):
        assert isinstance(octets, bytes)
        assert query.answers(octets, asked)


async def test_where_nobody_listens_each_query_hears_that_it_was_refused() -> None:
    with socket(type=SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        held.connect(("127.0.0.1", 9))  # so it refuses all others, and nobody else gets its port
        datagram, heard = begun(held.getsockname()[1])
        with closing(datagram):
            found = await asyncio.gather(*heard)
    for error in found:
        assert isinstance(error, UpstreamError)
        assert "connection refused" in str(error)


async def test_what_has_not_left_when_the_socket_is_closed_is_not_sent() -> None:
    async with upstream(silence) as there:
        datagram, heard = begun(there.port)
        datagram.close()
        found = await asyncio.gather(*heard)
        other, _ = begun(there.port)
        with closing(other):
            await there.until_received(len(ASKED))
    assert {str(error).rpartition(": ")[2] for error in found} == {"use of closed network connection"}
    assert len(there.received) == len(ASKED)


async def test_who_fails_at_what_it_hears_keeps_nobody_else_from_hearing() -> None:
    def fail(outcome: Outcome) -> None:
        raise LookupError("cannot bear it")

    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: faults.append(context))
    async with upstream(address_of_name) as there:
        datagram = Datagram(there.address, "", loop, Expiry())
        with closing(datagram):
            for asked in ASKED:
                datagram.begin(asked, query.pack(asked, 0), loop.time() + 5.0, fail)
            heard: asyncio.Future[Outcome] = loop.create_future()
            datagram.begin(ASKED[0], query.pack(ASKED[0], 0), loop.time() + 5.0, heard.set_result)
            assert isinstance(await heard, bytes)
    assert [str(context["exception"]) for context in faults] == ["cannot bear it"] * len(ASKED)
