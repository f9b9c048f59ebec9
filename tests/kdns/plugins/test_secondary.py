"""The secondary plugin, with a primary on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kdns.chain import Client, Keep, Reply
from kdns.errors import ConfigError, Dropped, NoAnswer
from kdns.plugins import secondary
from kdns.wire import codes, names
from tests.kdns.apiserver import Moments
from tests.kdns.aside import aside
from tests.kdns.asking import args, ask, question, request, texts
from tests.kdns.primary import Primary
from tests.kdns.upstream import Received, upstream

BELOW = Reply(codes.NXDOMAIN, by="below", keep=Keep())
NOTIFY = question("example.org. SOA", flags=codes.NOTIFY << 11)


class Running:
    """A secondary plugin at work, and what it says."""

    def __init__(self, text: str) -> None:
        self.said: list[str] = []
        self.moments = Moments()
        self.plugin = secondary.setup(args(text, log=self._say))

    def _say(self, level: str, text: str) -> None:
        self.said.append(text)
        self.moments.tick()

    async def until_said(self, what: str, times: int = 1) -> None:
        await self.moments.until(lambda: sum(what in line for line in self.said) >= times)


@asynccontextmanager
async def running(text: str) -> AsyncIterator[Running]:
    made = Running(text)
    try:
        async with aside(made.plugin.run()):
            yield made
    finally:
        await made.plugin.close()


async def test_answers_with_what_its_primary_has() -> None:
    async with (
        upstream(Primary("www A 192.0.2.1")) as server,
        running(f"secondary example.org {{\n transfer from {server.to}\n}}") as served,
    ):
        with pytest.raises(NoAnswer):
            ask(served.plugin, "www.example.org. A", BELOW)
        await served.until_said("Transferred")
        reply = ask(served.plugin, "www.example.org. A", BELOW)
        assert texts(reply.answer) == ["www.example.org. 60 IN A 192.0.2.1"]
        assert ask(served.plugin, "www.example.com. A", BELOW).by == "below"
        assert len(tuple(served.plugin.transfer(names.parse("example.org."), None) or ())) == 4


async def test_a_notify_from_its_primary_is_taken_and_from_others_dropped() -> None:
    primary = Primary("")
    async with (
        upstream(primary) as server,
        running(f"secondary example.org {{\n transfer from {server.to}\n}}") as served,
    ):
        await served.until_said("Transferred")
        primary.serve("www A 192.0.2.2", 2)
        reply = ask(served.plugin, request(NOTIFY))
        assert (reply.rcode, reply.flags) == (codes.NOERROR, codes.AA)
        await served.until_said("Transferred", 2)
        assert ask(served.plugin, "www.example.org. A").answer
        with pytest.raises(Dropped):
            ask(served.plugin, request(NOTIFY, client=Client("192.0.2.66", 53)))


async def test_what_does_not_exist_may_fall_through() -> None:
    async with (
        upstream(Primary("")) as server,
        running(f"secondary example.org {{\n transfer from {server.to}\n fallthrough\n}}") as served,
    ):
        await served.until_said("Transferred")
        assert ask(served.plugin, "gone.example.org. A", BELOW).by == "below"


async def test_another_configuration_goes_on_with_the_zone() -> None:
    async with (
        upstream(Primary("www A 192.0.2.1")) as server,
        running(text := f"secondary example.org {{\n transfer from {server.to}\n}}") as served,
    ):
        await served.until_said("Transferred")
        heir = secondary.setup(args(text))
        assert heir.inherit(served.plugin, {})
        assert ask(heir, "www.example.org. A").answer
        stranger = secondary.setup(args("secondary example.org {\n transfer from 192.0.2.1\n}"))
        assert stranger.inherit(served.plugin, {})
        with pytest.raises(NoAnswer):
            ask(stranger, "www.example.org. A")
        assert not heir.inherit(object(), {})


CATALOG = 'version TXT "2"\n'


async def test_zones_that_a_catalog_lists_come_and_go() -> None:
    catalog = Primary(CATALOG + "m1.zones PTR example.com.\nm2.zones PTR example.net.", 1, "catalog.test.")
    member = Primary("www A 192.0.2.1", 1, "example.com.")

    def script(received: Received) -> object:
        is_catalog = received.question.key == catalog.origin
        return (catalog if is_catalog else member)(received)

    async with (
        upstream(script) as server,  # type: ignore[arg-type]
        running(f"secondary catalog.test {{\n transfer from {server.to}\n catalog example.com\n}}") as served,
    ):
        assert ask(served.plugin, "www.example.com. A", BELOW).keep == Keep((names.parse("catalog.test."),))
        await served.until_said("Transferred: example.com.")
        assert ask(served.plugin, "www.example.com. A").answer
        assert "Skipped 1 member zones from catalog catalog.test.: outside configured member zones" in served.said
        catalog.serve(CATALOG, 2)
        notify = question("catalog.test. SOA", flags=codes.NOTIFY << 11)
        ask(served.plugin, request(notify))
        await served.until_said("Removed catalog member zone example.com. from catalog catalog.test.")
        await served.until_said("Transferred: catalog.test.", 2)
        assert ask(served.plugin, "www.example.com. A", BELOW).by == "below"


async def test_a_zone_that_is_no_catalog_is_refused() -> None:
    async with (
        upstream(Primary("", 1, "catalog.test.")) as server,
        running(f"secondary catalog.test {{\n transfer from {server.to}\n catalog\n}}") as served,
    ):
        await served.until_said("must have exactly one version TXT record")


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("fallthrough", "secondary zones require a transfer from property"),
        ("transfer", "Wrong argument count"),
        ("transfer from", "Wrong argument count"),
        ("transfer to 192.0.2.1", "unknown property to"),
        ("transfer from *", r"can't use '\*' in transfer from"),
        ("transfer from ns.example.org", "must specify an IP address"),
        ("transferr from 192.0.2.1", "unknown property 'transferr'"),
        ("transfer from 192.0.2.1\n catalog :", 'invalid catalog member zone ":"'),
    ],
)
def test_says_what_is_wrong_in_the_corefile(lines: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        secondary.setup(args(f"secondary example.org {{\n {lines}\n}}"))


@pytest.mark.parametrize(
    ("lines", "zones"),
    [("", ("example.org.",)), ("catalog\n catalog example.com", (".",)), ("catalog example.com example.com", (".",))],
)
def test_with_a_catalog_it_may_have_any_zone(lines: str, zones: tuple[str, ...]) -> None:
    (reach,) = secondary.setup(args(f"secondary example.org {{\n transfer from 192.0.2.1\n {lines}\n}}")).reach()
    assert reach.zones == tuple(map(names.parse, zones))
