"""Zones kept up with a primary on loopback."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from kdns.authority.following import Follower, Times, times_of
from kdns.authority.service import Service
from kdns.errors import ZoneError
from kdns.transport.address import Address
from kdns.wire import names
from kdns.zone.zone import Zone
from tests.kdns.apiserver import Moments
from tests.kdns.aside import aside
from tests.kdns.primary import Primary
from tests.kdns.upstream import closed_port, upstream
from tests.kdns.zones import zone

ORIGIN = names.parse("example.org.")
QUICK = "1 1 2 30"  # refresh, retry, expire: the shortest there are


class Followed:
    """A service with one zone, and what is said of it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.moments = Moments()
        self.service = Service("secondary", (ORIGIN,), self._say)
        self.service.forget = lambda keys: self.moments.tick()
        self.cell = self.service.cells[ORIGIN]

    def _say(self, level: str, text: str) -> None:
        self.said.append(f"{level} {text}")
        self.moments.tick()

    async def until_said(self, what: str, times: int = 1) -> None:
        await self.moments.until(lambda: sum(what in line for line in self.said) >= times)

    async def until_serial(self, serial: int) -> None:
        await self.moments.until(lambda: self.cell.zone is not None and self.cell.zone.serial == serial)


@asynccontextmanager
async def following(
    *primaries: Address, arrived: Callable[[Zone], None] = lambda zone: None
) -> AsyncIterator[tuple[Followed, Follower]]:
    followed = Followed()
    follower = Follower(followed.cell, primaries, followed.service, followed._say, arrived)
    async with aside(follower.run()):
        yield followed, follower


async def test_fetches_the_zone_from_the_first_primary_that_has_it() -> None:
    async with upstream(Primary("www A 192.0.2.1", 3)) as server:
        gone = closed_port()
        async with following(gone, server.address) as (followed, _):
            await followed.until_said("Transferred")
    assert followed.said[0].startswith(f'ERROR Failed to transfer `example.org.\' from "{gone}": ')
    assert followed.said[1] == f"INFO Transferred: example.org. from {server.to}"
    assert followed.cell.zone is not None


async def test_tries_again_until_it_comes() -> None:
    primary = Primary("", 3)
    primary.refuses = True
    async with upstream(primary) as server, following(server.address) as (followed, _):
        await followed.until_said("retrying in")
        primary.refuses = False
        await followed.until_serial(3)
    assert any("All 'example.org.' masters failed to transfer, retrying in 0.25s: " in line for line in followed.said)


async def test_a_notify_brings_what_is_new_at_once() -> None:
    primary = Primary("", 3)
    async with upstream(primary) as server, following(server.address) as (followed, follower):
        await followed.until_serial(3)
        follower.notified("127.0.0.1")
        await followed.until_said("no SOA serial increase seen")
        primary.serve("www A 192.0.2.1", 4)
        follower.notified("127.0.0.1")
        await followed.until_serial(4)
    assert "INFO Notify from 127.0.0.1 for example.org.: checking transfer" in followed.said


async def test_refreshes_by_the_times_of_the_soa() -> None:
    primary = Primary("", 3)
    primary.serve("", 3, QUICK)
    async with upstream(primary) as server, following(server.address) as (followed, _):
        await followed.until_serial(3)
        primary.serve("", 4, QUICK)
        await followed.until_serial(4)


async def test_a_zone_expires_without_its_primary_and_lives_again_with_it() -> None:
    primary = Primary("", 3)
    primary.serve("", 3, QUICK)
    async with upstream(primary) as server, following(server.address) as (followed, _):
        await followed.until_serial(3)
        primary.refuses = True
        await followed.moments.until(lambda: followed.cell.is_expired)
        primary.refuses = False
        await followed.moments.until(lambda: not followed.cell.is_expired)
    assert any(line.startswith("WARNING Failed refresh check ") for line in followed.said)
    assert any(line.startswith("WARNING Failed retry check ") for line in followed.said)


async def test_a_zone_may_be_refused_when_it_arrives() -> None:
    def refuse(zone: Zone) -> None:
        raise ZoneError("not this one")

    async with upstream(Primary("")) as server, following(server.address, arrived=refuse) as (followed, _):
        await followed.until_said("not this one")
    assert followed.cell.zone is None


@pytest.mark.parametrize(("times", "read"), [("5 6 7 8", Times(5, 6, 7)), ("0 0 0 0", Times(1, 1, 1))])
def test_reads_the_times_of_an_soa(times: str, read: Times) -> None:
    assert times_of(zone("", apex=f"@ 60 SOA ns h 1 {times}")) == read
