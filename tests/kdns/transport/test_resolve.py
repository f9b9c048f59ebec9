"""Host names among the upstreams."""

import pytest

from kdns.errors import UpstreamError
from kdns.transport.address import Address
from kdns.transport.resolve import resolve
from kdns.wire import codes
from tests.kdns.upstream import Received, closed_port, reply, upstream

HOST = Address("tls", "dns.example", 853, "dns.example")


def both_families(received: Received) -> list[bytes]:
    """dns.example has addresses of both families."""
    kind, rdata = ("AAAA", "fd00::1") if received.question.qtype == codes.AAAA else ("A", "192.0.2.1")
    return [reply(received, f"alias.example. 60 IN CNAME dns.example.\ndns.example. 60 IN {kind} {rdata}")]


async def test_a_named_resolver_gives_all_addresses() -> None:
    async with upstream(both_families) as server:
        found = await resolve(HOST, (server.to,))

    assert found == (HOST._replace(host="192.0.2.1"), HOST._replace(host="fd00::1"))


async def test_the_next_resolver_is_asked_when_one_fails() -> None:
    async with upstream(both_families) as server:
        found = await resolve(HOST, (str(closed_port()), server.to))

    assert len(found) == 2


async def test_a_name_without_addresses_is_an_error() -> None:
    async with upstream(lambda received: [reply(received, rcode=codes.NXDOMAIN)]) as server:
        with pytest.raises(
            UpstreamError, match=r'failed to resolve "dns.example": no addresses found for "dns.example"'
        ):
            await resolve(HOST, (server.to,))


async def test_without_resolvers_the_system_resolves() -> None:
    assert Address("dns", "127.0.0.1", 53) in await resolve(Address("dns", "localhost", 53), ())


async def test_a_name_that_the_system_does_not_know_is_an_error() -> None:
    with pytest.raises(UpstreamError, match=r'failed to resolve "a27\.0\.0\.1\.invalid"'):
        await resolve(Address("dns", "a27.0.0.1.invalid", 53), ())
