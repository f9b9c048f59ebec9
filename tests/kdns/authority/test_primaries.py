"""Zones fetched from a primary on loopback."""

from collections.abc import Sequence

import pytest

from kdns.authority.primaries import fetch, serial_of
from kdns.errors import UpstreamError, ZoneError
from kdns.wire import codes, names
from kdns.zone.zone import Zone
from tests.kdns.primary import Primary
from tests.kdns.upstream import CLOSE, Received, closed_port, reply, upstream, with_rcode
from tests.kdns.zones import rrs, shown

ORIGIN = names.parse("example.org.")


async def whole(primary: Primary) -> Zone:
    """What the primary has now."""
    async with upstream(primary) as server:
        zone = await fetch(ORIGIN, server.address, None)
    assert zone is not None
    return zone


async def test_asks_for_the_serial_over_tcp() -> None:
    async with upstream(Primary("", 4711)) as server:
        assert await serial_of(ORIGIN, server.address) == 4711
    assert [each.proto for each in server.received] == ["tcp"]


async def test_a_primary_without_the_zone_has_no_serial() -> None:
    async with upstream(with_rcode(codes.REFUSED)) as server:
        with pytest.raises(UpstreamError, match=r"has no SOA of example\.org\.: REFUSED"):
            await serial_of(ORIGIN, server.address)


async def test_fetches_a_zone_whole() -> None:
    zone = await whole(Primary("www A 192.0.2.1\nmail A 192.0.2.2", 3))
    assert zone.serial == 3
    assert shown(zone.rrset(names.parse("mail.example.org."), codes.A)) == ["mail.example.org. A 192.0.2.2"]


async def test_fetches_the_differences_where_something_is_there() -> None:
    primary = Primary("www A 192.0.2.1", 1)
    before = await whole(primary)
    primary.differences = [
        primary.soa(2), primary.soa(1), *rrs("www 60 A 192.0.2.1"), primary.soa(2), *rrs("new 60 A 192.0.2.9"),
        primary.soa(2),
    ]  # fmt: skip
    async with upstream(primary) as server:
        after = await fetch(ORIGIN, server.address, before)
    assert after is not None
    assert after.serial == 2
    assert after.node(names.parse("www.example.org.")) is None
    assert after.node(names.parse("new.example.org."))
    assert [each.text for each in server.received] == ["example.org. IXFR"]


async def test_differences_that_do_not_fit_are_followed_by_the_whole() -> None:
    primary = Primary("www A 192.0.2.1", 1)
    before = await whole(primary)
    primary.serve("www A 192.0.2.2", 9)
    primary.differences = [primary.soa(9), primary.soa(8), primary.soa(9), primary.soa(9)]
    async with upstream(primary) as server:
        after = await fetch(ORIGIN, server.address, before)
    assert after is not None
    assert after.serial == 9
    assert [each.text for each in server.received] == ["example.org. IXFR", "example.org. AXFR"]


async def test_nothing_new_is_none() -> None:
    primary = Primary("", 5)
    before = await whole(primary)
    async with upstream(primary) as server:
        assert await fetch(ORIGIN, server.address, before) is None


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (with_rcode(codes.REFUSED), "bad xfr rcode: 5"),
        (lambda received: [reply(received)], "without records"),
        (lambda received: [b"\0\0\x80"], "bad ID"),
        (lambda received: [b"\0\1\x80\0" + bytes(8)], "bad ID"),
        (lambda received: [reply(received, "www.example.org. 60 IN A 192.0.2.1")], "does not begin with an SOA"),
        (lambda received: [reply(received)[:6] + b"\0\1" + reply(received)[8:]], "transfer of example.org. from"),
    ],
)
async def test_refuses_what_is_no_transfer(script: Sequence[bytes], complaint: str) -> None:
    async with upstream(script) as server:  # type: ignore[arg-type]
        with pytest.raises(ZoneError, match=complaint):
            await fetch(ORIGIN, server.address, None)


async def test_a_transfer_that_stops_half_way_is_a_fault() -> None:
    primary = Primary("www A 192.0.2.1")

    def script(received: Received) -> Sequence[bytes]:
        return [*primary(received)[:1], CLOSE]

    async with upstream(script) as server:
        with pytest.raises(UpstreamError, match="EOF"):
            await fetch(ORIGIN, server.address, None)


async def test_nobody_there_is_a_fault() -> None:
    with pytest.raises(UpstreamError, match="connection refused"):
        await fetch(ORIGIN, closed_port(), None)
