"""The loop plugin: circles noticed, and cut."""

import asyncio
from types import SimpleNamespace

import pytest

from kdns.chain import Reply
from kdns.errors import SERVFAIL, ConfigError, NoAnswer
from kdns.plugins import loop
from kdns.transport.address import Address
from kdns.wire import codes, names
from tests.kdns.asking import args, ask, request
from tests.kdns.upstream import Received, reply, upstream

BELOW = Reply(codes.NXDOMAIN, by="below")
PROBE = "11.22. HINFO"


class Log:
    """What was logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, level: str, text: str) -> None:
        self.lines.append((level, text))


def watching(log: Log, zone: bytes = names.ROOT, port: int = 53) -> loop.Loop:
    """A plugin that draws 11, 22, 11, 22... for the names of its probes."""
    numbers = [22, 11] * 100
    return loop.Loop(zone, port, log, lambda bits: numbers.pop())


async def probe(plugin: loop.Loop, port: int) -> None:
    """Let the plugin send its probes to a port of loopback."""
    plugin.meet({"bind": SimpleNamespace(addresses=("127.0.0.1",))})
    plugin._address = Address("dns", "127.0.0.1", port)
    await plugin._probe()


async def test_a_probe_that_does_not_come_back_leaves_everything_as_it_is() -> None:
    plugin = watching(log := Log())

    async with upstream(lambda received: [reply(received, rcode=codes.NXDOMAIN)]) as listener:
        await probe(plugin, listener.port)

    assert [received.text for received in listener.received] == [PROBE]
    assert ask(plugin, "www.example.org. A", BELOW) == BELOW
    assert not log.lines


async def test_a_probe_met_twice_is_a_loop_and_what_gets_here_is_refused() -> None:
    plugin = watching(log := Log())

    async def listener(received: Received) -> list[bytes]:
        """The server itself: the plugin's chain, whose upstream is this server again."""
        try:
            asked = request(received.question)
            await plugin(asked, lambda again: plugin(again, nobody))
        except NoAnswer as failure:
            return [reply(received, rcode=failure.rcode)]
        return [reply(received)]

    async def nobody(asked: object) -> Reply:
        raise AssertionError("the loop was not cut")

    async with upstream(listener) as server:
        await probe(plugin, server.port)

    assert plugin.is_cut
    where = f'Loop (127.0.0.1:40212 -> 127.0.0.1:53) detected for zone ".", {loop.HELP}. Query: "HINFO 11.22."'
    assert log.lines == [("ERROR", where)]
    with pytest.raises(NoAnswer) as failure:
        ask(plugin, "www.example.org. A", BELOW)
    assert failure.value.rcode == SERVFAIL


def test_names_that_are_not_the_probe_never_make_a_loop() -> None:
    plugin = watching(log := Log())
    for _ in range(5):
        assert ask(plugin, PROBE, BELOW) == BELOW  # guessed before it is sent

    assert not plugin.is_cut
    assert not log.lines


async def test_the_name_counts_only_while_the_probe_is_out() -> None:
    plugin = watching(Log())
    async with upstream(lambda received: [reply(received)]) as listener:
        await probe(plugin, listener.port)
    for _ in range(5):
        ask(plugin, PROBE, BELOW)

    assert not plugin.is_cut


async def test_the_probes_name_is_in_the_zone_and_cannot_be_guessed() -> None:
    async with upstream(lambda received: [reply(received)]) as listener:
        plugins = [loop.setup(args("loop", zones=f"example.org:{listener.port}")) for _ in range(2)]
        for plugin in plugins:
            await plugin.start()  # type: ignore[attr-defined]
        await listener.until_received(2)
        for plugin in plugins:
            await plugin.close()  # type: ignore[attr-defined]

    asked = [received.question for received in listener.received]
    assert all(names.is_below(one.key, names.parse("example.org")) for one in asked)
    assert len({one.key for one in asked}) == 2
    assert {one.qtype for one in asked} == {codes.HINFO}


async def test_closing_ends_the_probing() -> None:
    plugin = loop.setup(args("loop", zones=".:1"))
    await plugin.start()  # type: ignore[attr-defined]
    await plugin.close()  # type: ignore[attr-defined]

    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("loop\nloop", "this plugin can only be used once per Server Block"),
        ("loop now", "Wrong argument count"),
        ("loop {\n}", "Unexpected token '{'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        loop.setup(args(text))
